package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/daemon"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
)

// shift is `rollcall schedule` as a process, which begins with a run, for there was none.
type shift struct {
	cmd *exec.Cmd
	dir string // of the warehouse
	log *bufio.Reader
	all bytes.Buffer // what it logged, as far as it was read
}

func startShift(t *testing.T, env []string, args ...string) *shift {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &shift{dir: filepath.Join(top, "warehouse")}
	s.cmd = exec.Command("rollcall", append([]string{"--warehouse", s.dir, "schedule", "--log-level", "info"}, args...)...)
	s.cmd.Dir = top
	s.cmd.Env = append(os.Environ(), append([]string{"ROLLCALL_SCHEDULE_CRON=0 0 1 1 *", "ROLLCALL_SCHEDULE_CATCH_UP=true", "ROLLCALL_SCHEDULE_LISTEN=127.0.0.1:0"}, env...)...)
	pipe, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := time.AfterFunc(2*time.Minute, func() { _ = s.cmd.Process.Kill() }) // then what is waited for never comes
	t.Cleanup(func() {
		killed.Stop()
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		if t.Failed() {
			t.Logf("it logged:\n%s", s.all.String())
		}
	})
	s.log = bufio.NewReader(pipe)
	return s
}

// until reads the log up to the line that matches, and returns what its first group is.
func (s *shift) until(t *testing.T, pattern string) string {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	for {
		line, err := s.log.ReadString('\n')
		s.all.WriteString(line)
		if m := wanted.FindStringSubmatch(line); m != nil {
			return m[len(m)-1]
		}
		if err != nil {
			t.Fatalf("%q was not logged: %v", pattern, err)
		}
	}
}

func (s *shift) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// end is the exit code, when the rest of the log is read.
func (s *shift) end(t *testing.T) int {
	t.Helper()
	rest, err := io.ReadAll(s.log)
	if err != nil {
		t.Fatal(err)
	}
	s.all.Write(rest)
	exit := new(exec.ExitError)
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// The whole night shift over the sandbox: a run in a process of its own, its record and log, metrics, health, the page, the file for node_exporter, the end.
func TestANightShift(t *testing.T) {
	s := startShift(t, []string{"ROLLCALL_METRICS_FILE=rollcall.prom"}, "--sandbox", "--models", "none")
	address := "http://" + s.until(t, `"address":"(127\.0\.0\.1:\d+)".*serving`)
	run := s.until(t, `"run":"([^"]+)".*"the run ended"`)
	s.until(t, `"message":"waiting"`)

	v, err := publish.Open(s.dir).Current()
	if err != nil || v.Run != run {
		t.Fatalf("current is %s of run %s, %v", v.Run, run, err)
	}
	kept, err := os.ReadFile(daemon.LogPath(publish.Open(s.dir), run))
	if err != nil || !strings.Contains(string(kept), "pass over the list") || !strings.Contains(s.all.String(), string(kept[:bytes.IndexByte(kept, '\n')])) {
		t.Errorf("the run's log: %q, %v", kept, err)
	}

	code, body := get(t, address+"/healthz")
	var health daemon.Health
	if err := json.Unmarshal([]byte(body), &health); err != nil || code != http.StatusOK || !health.Healthy || health.LastCertified == nil || health.NextRun.Month() != time.January {
		t.Errorf("%d: %s, %v", code, body, err)
	}
	code, told := get(t, address+"/metrics")
	for _, want := range []string{"\nrollcall_users 5000\n", `rollcall_runs_total{status="certified"} 1`, `rollcall_runs_total{status="failed"} 0`, `rollcall_last_run_status{status="certified"} 1`,
		`rollcall_last_run_requests{endpoint="list",status="200"} `, `rollcall_last_run_stage_duration_seconds{stage="publish"} `, "\nrollcall_missed_runs_total 0\n", "\ngo_goroutines "} {
		if !strings.Contains(told, want) {
			t.Errorf("%d: without %q:\n%s", code, want, told)
		}
	}
	promtool(t, strings.NewReader(told), "check", "metrics")
	if code, _ := get(t, address+"/metrics/CANARY"); code != http.StatusNotFound {
		t.Errorf("another path: %d", code)
	}

	file := filepath.Join(filepath.Dir(s.dir), "rollcall.prom")
	written, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(written), "\nrollcall_users 5000\n") || strings.Contains(string(written), "rollcall_runs_total") {
		t.Errorf("%s, %v", written, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("node_exporter is somebody else: %v, %v", info, err)
	}
	promtool(t, bytes.NewReader(written), "check", "metrics")

	second := startShift(t, []string{"ROLLCALL_SCHEDULE_LISTEN=" + strings.TrimPrefix(address, "http://")}, "--sandbox")
	if code := second.end(t); code != 1 || !strings.Contains(second.all.String(), "\nhint: another program listens there") || strings.Contains(second.all.String(), "a run begins") {
		t.Errorf("a second one: exit code %d", code)
	}

	s.signal(t, syscall.SIGTERM)
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(s.all.String(), "@") {
		t.Error("an address is in the log")
	}
}

// promtool runs Prometheus's own checker, where the environment says it is.
func promtool(t *testing.T, in io.Reader, args ...string) {
	t.Helper()
	path := os.Getenv("ROLLCALL_TEST_PROMTOOL")
	if path == "" {
		t.Log("not checked by promtool: ROLLCALL_TEST_PROMTOOL names none")
		return
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = in
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 && args[1] == "metrics" {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// held serves a sandbox whose list does not answer until release is called.
func held(t *testing.T) (env []string, asked chan struct{}, release func()) {
	t.Helper()
	api, err := sandbox.New(sandbox.Options{Users: 30, Org: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	asked, open := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/user/") {
			select {
			case asked <- struct{}{}:
			default:
			}
			select {
			case <-open:
			case <-r.Context().Done():
				return
			}
		}
		api.ServeHTTP(w, r)
	}))
	release = sync.OnceFunc(func() { close(open) })
	t.Cleanup(func() {
		release()
		server.Close()
	})
	for _, line := range api.Exports(server.URL) {
		env = append(env, strings.TrimPrefix(line, "export "))
	}
	return append(env, "ROLLCALL_RPM=none"), asked, release
}

func TestTheFirstSignalLetsTheRunFinish(t *testing.T) {
	env, asked, release := held(t)
	s := startShift(t, append(env, "ROLLCALL_SCHEDULE_LISTEN=off"))
	<-asked
	s.signal(t, syscall.SIGTERM)
	s.until(t, "^stopping when the run that is on has ended; once more to interrupt it")
	release()
	if status := s.until(t, `"status":"([a-z]+)".*"the run ended"`); status != "certified" {
		t.Errorf("the run ended %s", status)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(s.all.String(), "serving") {
		t.Error("it serves")
	}
}

func TestTheSecondSignalInterruptsTheRun(t *testing.T) {
	env, asked, _ := held(t)
	s := startShift(t, append(env, "ROLLCALL_SCHEDULE_LISTEN=0.0.0.0:0"))
	s.until(t, `"level":"warn".*other machines reach the status page`)
	<-asked
	s.signal(t, syscall.SIGINT)
	s.until(t, "^stopping when the run that is on has ended")
	s.signal(t, syscall.SIGINT)
	if status := s.until(t, `"status":"([a-z]+)".*"the run ended"`); status != "interrupted" {
		t.Errorf("the run ended %s", status)
	}
	if code := s.end(t); code != 130 {
		t.Errorf("exit code %d", code)
	}
	records, err := publish.Open(s.dir).RunRecords()
	if err != nil || len(records) != 1 {
		t.Fatalf("%v, %v", records, err)
	}
}

// Whom a failure is told by is the daemon, once, when it gives up; whom all the rest, the run itself.
func TestWhoTellsOfWhat(t *testing.T) {
	t.Parallel()
	told := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var doc struct{ Event, Error, Warehouse string }
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(r.Body).Decode(&doc); err != nil {
				t.Error(err)
			}
		}
		told <- strings.TrimSpace(r.URL.Path + " " + doc.Event + " " + doc.Error)
	}))
	t.Cleanup(hook.Close)
	env, _, release := held(t)
	release()
	env = append(env, "ROLLCALL_NOTIFY_WEBHOOK="+hook.URL+"/hook", "ROLLCALL_NOTIFY_PING="+hook.URL+"/ping", "ROLLCALL_SCHEDULE_RETRIES=0", "ROLLCALL_SCHEDULE_LISTEN=off")

	s := startShift(t, append(env, "AMIGO_API_KEY=CANARY-wrong"))
	if got := <-told; !strings.HasPrefix(got, "/hook failed ") || strings.Contains(got, "CANARY") || len(got) < 30 {
		t.Errorf("%q", got)
	}
	s.until(t, `"message":"waiting"`)
	s.signal(t, syscall.SIGTERM)
	if code := s.end(t); code != 0 || strings.Contains(s.all.String(), "CANARY") || len(told) != 0 {
		t.Errorf("exit code %d, %d more told", code, len(told))
	}

	// A run of its own on the same warehouse tells that all is well again, and pings.
	cmd := exec.Command("rollcall", "sync", "--warehouse", s.dir)
	cmd.Env, cmd.Dir = append(os.Environ(), env...), filepath.Dir(s.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := map[string]bool{<-told: true, <-told: true}
	if !got["/hook recovered"] || !got["/ping"] || len(told) != 0 {
		t.Errorf("%v, and %d more", got, len(told))
	}
	cmd = exec.Command("rollcall", "sync", "--warehouse", s.dir)
	cmd.Env, cmd.Dir = append(append(os.Environ(), env...), "AMIGO_API_KEY=CANARY-wrong"), filepath.Dir(s.dir)
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 12 {
		t.Errorf("%v", err)
	}
	if got := <-told; !strings.HasPrefix(got, "/hook failed ") || len(told) != 0 {
		t.Errorf("%q", got)
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want string
	}{
		{[]string{"ROLLCALL_SCHEDULE_CRON=61 * * * *"}, `error: $ROLLCALL_SCHEDULE_CRON "61 * * * *": is no cron expression`},
		{[]string{"ROLLCALL_NOTIFY_WEBHOOK=http://example.com/CANARY"}, "error: $ROLLCALL_NOTIFY_WEBHOOK: must be https: plain http is for this machine only"},
		{[]string{"ROLLCALL_SCHEDULE_SQL_TOKEN=CANARY"}, "error: $ROLLCALL_SCHEDULE_SQL_TOKEN: must have 16 characters or more"},
		{[]string{"AMIGO_ORGANIZATION_ID="}, "error: org: no organization is named"},
	} {
		s := startShift(t, append([]string{"AMIGO_ORGANIZATION_ID=acme"}, tt.env...))
		if code := s.end(t); code != 64 || !strings.Contains(s.all.String(), tt.want) || strings.Contains(s.all.String(), "CANARY") {
			t.Errorf("%v: exit code %d: %s", tt.env, code, s.all.String())
		}
	}
}

// child is the process that the daemon runs a sync in.
func (s *shift) child(t *testing.T) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("without /proc nobody tells whose child a process is")
	}
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, rest, _ := strings.Cut(string(raw), " ")
		fields := strings.Fields(rest[strings.LastIndex(rest, ")")+1:]) // state, parent …
		if parent, err := strconv.Atoi(fields[1]); err == nil && parent == s.cmd.Process.Pid {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("the daemon has no child")
	return 0
}

// A run that dies, as of a crash in the database, is told of, and takes nobody with it.
func TestARunThatDies(t *testing.T) {
	told := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		told <- string(raw)
	}))
	t.Cleanup(hook.Close)
	env, asked, _ := held(t)
	s := startShift(t, append(env, "ROLLCALL_NOTIFY_WEBHOOK="+hook.URL, "ROLLCALL_SCHEDULE_RETRIES=0"))
	address := "http://" + s.until(t, `"address":"(127\.0\.0\.1:\d+)".*serving`)
	<-asked
	if err := syscall.Kill(s.child(t), syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	if status := s.until(t, `"status":"([a-z]+)".*"the run ended"`); status != "crashed" {
		t.Errorf("the run ended %s", status)
	}
	if got := <-told; !strings.Contains(got, `"event":"failed"`) || !strings.Contains(got, "the run's process crashed or was killed") || !strings.Contains(got, `"orgs":["acme"]`) {
		t.Errorf("told %s", got)
	}
	s.until(t, `"message":"waiting"`)
	if code, body := get(t, address+"/healthz"); code != http.StatusOK {
		t.Errorf("%d: %s", code, body)
	}
	if _, body := get(t, address+"/metrics"); !strings.Contains(body, `rollcall_runs_total{status="crashed"} 1`) || !strings.Contains(body, `rollcall_last_run_status{status="crashed"} 1`) {
		t.Errorf("%s", body)
	}
	s.signal(t, syscall.SIGTERM)
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

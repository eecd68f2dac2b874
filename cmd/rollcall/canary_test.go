package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

// panicking has the test's own program panic with a secret before anything else: to see what a crash prints of it.
const panicking = "ROLLCALL_TEST_PANIC"

func init() {
	if os.Getenv(panicking) != "" {
		panic(extract.Secret("SECRET-CANARY-panic"))
	}
}

// The canaries: what must be in no output but the tables, and what must be in none at all. Nothing may hold either, so one search finds both.
const canary = "CANARY"

// nest is a made-up API all of whose users, tokens and complaints are canaries.
type nest struct {
	trouble atomic.Pointer[string] // what the list answers instead, if anything
	renamed atomic.Bool            // a user has another name
	held    chan struct{}          // closed when a list request came that is held for ever; nil: none is
	once    sync.Once
}

func (n *nest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	name := "PERSON-CANARY-first"
	if n.renamed.Load() {
		name += "-new"
	}
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/signin_with_api_key"):
		_, _ = io.WriteString(w, `{"id_token":"SECRET.CANARY.token","expires_at":"2099-01-01T00:00:00Z"}`)
	case strings.HasSuffix(path, "/user/"):
		if n.held != nil {
			n.once.Do(func() { close(n.held) })
			<-r.Context().Done()
			return
		}
		if t := n.trouble.Load(); t != nil {
			status, body, _ := strings.Cut(*t, " ")
			code := 0
			_, _ = fmt.Sscan(status, &code)
			w.WriteHeader(code)
			_, _ = fmt.Fprintf(w, "%s %s", body, r.Header.Get("Authorization"))
			return
		}
		user := `{"user_id":"PERSON-CANARY-%d","org_id":"acme","email":"PERSON-CANARY-%d@example.com","first_name":"` + name + `","last_name":"PERSON-CANARY-last",` +
			`"role":"r1","preferences":{"timezone":"PERSON-CANARY-zone","n":"PERSON-CANARY-%d"}}`
		// The third has no id, and goes to quarantine.
		_, _ = fmt.Fprintf(w, `{"users":[`+user+`,`+user+`,{"user_id":7,"email":"PERSON-CANARY-lost"}],"has_more":false,"continuation_token":null}`, 1, 1, 1, 2, 2, 2)
	case strings.HasSuffix(path, "-1/user_model"):
		_, _ = io.WriteString(w, `{"user_models":[{"content":"PERSON-CANARY-model"}],"additional_context":["PERSON: CANARY-context"]}`)
	case strings.HasSuffix(path, "/user_model"):
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"detail":"PERSON-CANARY-forbidden"}`)
	case strings.HasSuffix(path, "/role/"):
		_, _ = io.WriteString(w, `{"roles":[{"_id":"r1","name":"member"}],"has_more":false}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// aviary is a process's surroundings, full of canaries.
type aviary struct {
	dir    string
	env    []string
	posted *collector // what the webhook was told
}

func newAviary(t *testing.T, n *nest) *aviary {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(n)
	t.Cleanup(func() { api.CloseClientConnections(); api.Close() })
	a := &aviary{dir: dir, posted: &collector{written: make(chan struct{}, 1)}}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(a.posted, r.Body)
		w.WriteHeader(http.StatusTeapot) // so that there is a complaint
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	t.Cleanup(hook.Close)
	config := "org: acme\nbase_url: " + api.URL + "\nrpm: none\namigo_api_key: file:key\namigo_api_key_id: id\namigo_user_id: service\n" +
		"metrics_file: rollcall.prom\nnotify.slack: \"command:echo " + hook.URL + "/SECRET-CANARY-slack\"\npii_key: file:key\n" +
		"schedule.cron: 0 0 1 1 *\nschedule.listen: 127.0.0.1:0\nschedule.sql_token: file:key\nschedule.catch_up: true\n" +
		"lake: {catalog: sql, uri: \"file:uri\", location: file:///srv/lake, command: ./lake}\n"
	lake := "#!/bin/sh\necho \"$ROLLCALL_LAKE_URI\" >&2\n[ \"$1\" = status ] && exit 0\necho \"error: cannot reach $ROLLCALL_LAKE_URI\" >&2\nenv >&2\nexit 1\n"
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "uri"), []byte("postgres://me:SECRET-CANARY-lake@db/lake\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "lake"), []byte(lake), 0o700),
		os.WriteFile(filepath.Join(dir, "rollcall.yaml"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(dir, "key"), []byte("SECRET-CANARY-key-of-the-file\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	a.env = append(os.Environ(), "ROLLCALL_NOTIFY_WEBHOOK="+hook.URL+"/SECRET-CANARY-hook", "ROLLCALL_NOTIFY_EMAIL_PASSWORD=SECRET-CANARY-mail",
		"ROLLCALL_NOTIFY_EMAIL_USERNAME=ops", "FREDDY_API_KEY=SECRET-CANARY-freddy", "GOTRACEBACK=all")
	return a
}

func (a *aviary) command(args ...string) *exec.Cmd {
	cmd := exec.Command("rollcall", args...)
	cmd.Dir, cmd.Env = a.dir, a.env
	return cmd
}

// run is what a command prints, on both streams, with how it ended.
func (a *aviary) run(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	raw, err := a.command(args...).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if len(raw) == 0 {
		t.Errorf("%v printed nothing", args)
	}
	if ended != nil {
		code = ended.ExitCode()
	}
	return string(raw), code
}

func silent(t *testing.T, where, text string) {
	t.Helper()
	if i := strings.Index(text, canary); i >= 0 {
		t.Errorf("%s: …%s…", where, text[max(0, i-200):min(len(text), i+60)])
	}
}

// Secrets are in no output at all, and users in none but the tables: whatever a command prints, logs, tells or leaves beside the tables.
func TestCanaries(t *testing.T) {
	n := &nest{}
	a := newAviary(t, n)
	check := func(want int, args ...string) {
		t.Helper()
		out, code := a.run(t, append(args, "--log-level", "debug")...)
		if code != want {
			t.Errorf("%v ended with %d, want %d:\n%s", args, code, want, out)
		}
		silent(t, strings.Join(args, " "), out)
	}
	check(3, "sync", "--log-format", "json") // a row is in quarantine
	n.renamed.Store(true)
	check(3, "sync", "--json")
	check(3, "backfill", "--log-format", "console")
	for _, args := range []string{
		"config", "config --json", "config --schema", "doctor", "doctor --json", "plan", "plan --json", "runs", "runs --json", "status", "schema", "schema --json",
		"schema --diff", "verify", "verify --json", "gc", "path", "version", "backfill --replay",
	} {
		want := 0
		if strings.HasPrefix(args, "backfill") {
			want = 3
		}
		check(want, strings.Fields(args)...)
	}
	// What is asked for again for minutes, as a body that breaks off, package extract has in virtual time.
	for trouble, code := range map[string]int{"401 SECRET-CANARY-echo": 12, "403 PERSON-CANARY": 12, "404 PERSON-CANARY": 1, "418 PERSON-CANARY": 1} {
		n.trouble.Store(&trouble)
		check(code, "sync")
		check(code, "sync", "--json")
		check(code, "doctor")
	}
	n.trouble.Store(nil)
	if out, _ := a.run(t, "query", "--format", "csv", "FROM users"); !strings.Contains(out, "PERSON-CANARY-first-new") {
		t.Errorf("the canaries did not get into the tables:\n%s", out)
	}
	if out, _ := a.run(t, "runs", "--json"); !strings.Contains(out, "cannot reach **redacted**") {
		t.Errorf("the lake was not in trouble:\n%s", out)
	}
	if a.posted.String() == "" {
		t.Error("the webhook was told nothing")
	}
	silent(t, "the webhook", a.posted.String())
	a.leftovers(t)
}

// leftovers looks into every file that is no table, no journal and not the canaries' own.
func (a *aviary) leftovers(t *testing.T) {
	t.Helper()
	looked := 0
	err := filepath.WalkDir(a.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		silent(t, "a file's name", path)
		rel, err := filepath.Rel(a.dir, path)
		if err != nil {
			return err
		}
		if rel == "key" || rel == "uri" || rel == "rollcall.yaml" || strings.HasSuffix(rel, ".duckdb") || strings.HasSuffix(rel, ".parquet") || strings.Contains(rel, "/journal/") {
			return nil
		}
		raw, err := os.ReadFile(path)
		looked++
		silent(t, rel, string(raw))
		return err
	})
	if err != nil || looked < 5 { // manifests, run records, metrics
		t.Errorf("looked into %d files: %v", looked, err)
	}
}

// The daemon's log, metrics, health and pages.
func TestCanariesOfTheDaemon(t *testing.T) {
	a := newAviary(t, &nest{})
	log := &collector{written: make(chan struct{}, 1)}
	cmd := a.command("schedule", "--log-level", "debug", "--log-format", "json")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer killed.Stop()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	address := ""
	for !strings.Contains(log.String(), `"message":"the run ended"`) || address == "" {
		select {
		case <-log.written:
			if _, rest, ok := strings.Cut(log.String(), `"address":"`); ok {
				address, _, _ = strings.Cut(rest, `"`)
			}
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, log.String())
		}
	}
	_, rest, _ := strings.Cut(log.String(), `"run":"`)
	run, _, _ := strings.Cut(rest, `"`)
	for _, path := range []string{"/", "/runs/" + run, "/metrics", "/healthz", "/runs", "/schema", "/sql", "/nothing-here"} {
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil || len(body) == 0 {
			t.Fatalf("%s: %d bytes, %v", path, len(body), err)
		}
		silent(t, path, string(body))
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
	silent(t, "the log", log.String())
	a.leftovers(t)
}

// A crash prints stacks, and what they print of arguments are addresses; there is no core, and a panic with a secret prints none.
func TestCanariesOfACrash(t *testing.T) {
	n := &nest{held: make(chan struct{})}
	a := newAviary(t, n)
	var out bytes.Buffer
	cmd := a.command("sync", "--log-level", "debug")
	cmd.Env = append(cmd.Env, "GOTRACEBACK=crash") // which ends by SIGABRT, as what dumps a core does
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer killed.Stop()
	<-n.held
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
	if err == nil && !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0 bytes") {
		t.Errorf("it may dump a core:\n%s", limits)
	}
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !strings.Contains(out.String(), "goroutine ") || !strings.Contains(out.String(), "rollcall/extract") {
		t.Errorf("it did not crash:\n%s", out.String())
	}
	silent(t, "the crash", out.String())
	cores, err := filepath.Glob(filepath.Join(a.dir, "*core*"))
	if err != nil || len(cores) > 0 {
		t.Errorf("left %v, %v", cores, err)
	}

	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), panicking+"=1", "GOTRACEBACK=all")
	raw, err := child.CombinedOutput()
	if err == nil || !strings.Contains(string(raw), "panic: ") || !strings.Contains(string(raw), "**redacted**") {
		t.Errorf("%v:\n%s", err, raw)
	}
	silent(t, "the panic", string(raw))
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	icebergtable "github.com/apache/iceberg-go/table"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/night"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/pgtest"
)

// A night of sandbox organizations over four workers that are killed, stopped and woken late, with Postgres crashing in the middle. What is checked is seen from
// outside: by the sandboxes' front, which counts requests, and in the lake, by Iceberg.
//
// ROLLCALL_TEST_ROLLCALL names the program rollcall; ROLLCALL_TEST_NIGHT_ORGS is the number of organizations (6),
// ROLLCALL_TEST_NIGHT_USERS the least number of users of one (4): at the documented limits each takes a second. With many, disturbances come less often.

const (
	nightWorkers = 4
	nightDate    = "2026-11-23"
)

func TestNightWithKillsZombiesAndARestart(t *testing.T) {
	rollcall := os.Getenv("ROLLCALL_TEST_ROLLCALL")
	if rollcall == "" {
		t.Skip("ROLLCALL_TEST_ROLLCALL names no program rollcall")
	}
	h := newNightHarness(t, rollcall)
	begun := time.Now()
	out := h.lake("enqueue", "--night", nightDate, "--orgs", h.orgsFile, "--attempts", "25", "--json")
	if want := fmt.Sprintf(`"inserted": %d`, len(h.orgs)); !strings.Contains(out, want) {
		t.Fatalf("enqueue: %s, want %s", out, want)
	}
	if out := h.lake("enqueue", "--night", nightDate, "--orgs", h.orgsFile, "--json"); !strings.Contains(out, `"inserted": 0`) {
		t.Fatalf("enqueued again: %s", out)
	}
	h.disturb()
	h.wait()
	t.Logf("%d organizations over %d workers: %.0f s", len(h.orgs), nightWorkers, time.Since(begun).Seconds())
	h.checkStatus()
	h.checkLake()
	h.checkRequests()
	if out := h.lake("night", "publish", "--night", nightDate, "--json"); strings.Contains(out, `"did": "appended"`) || strings.Contains(out, `"did": "replaced"`) {
		t.Errorf("published twice: %s", out)
	}
	t.Logf("disturbances: %v; in the workers' logs: %v", h.did, h.said())
}

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// nightHarness is a night's surroundings.
type nightHarness struct {
	t                  *testing.T
	dir, bin, orgsFile string
	orgs               map[string]int // users by organization
	env                []string
	pg                 *pgtest.Server
	front              *front
	workers            []*nightWorker
	all                []*nightWorker
	did                map[string]int
}

type nightWorker struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error
}

func newNightHarness(t *testing.T, rollcall string) *nightHarness {
	h := &nightHarness{t: t, dir: t.TempDir(), orgs: map[string]int{}, did: map[string]int{}, pg: pgtest.Start(t)}
	h.bin = filepath.Join(h.dir, "rollcall-lake")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", h.bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	n, users := number("ROLLCALL_TEST_NIGHT_ORGS", 6), number("ROLLCALL_TEST_NIGHT_USERS", 4)
	h.front = newFront(t)
	var list strings.Builder
	for i := range n {
		org := fmt.Sprintf("Org.%03d", i) // a capital letter: file names differ from ids
		h.orgs[org] = users + 7*i%(users+5)
		fmt.Fprintln(&list, org)
	}
	h.startSandboxes(rollcall)
	h.orgsFile = filepath.Join(h.dir, "orgs")
	if err := os.WriteFile(h.orgsFile, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h.env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "ROLLCALL_") || strings.HasPrefix(v, "AMIGO_") }),
		"ROLLCALL_LAKE_QUEUE="+h.pg.URL, "ROLLCALL_LAKE_URI="+h.pg.URL, "ROLLCALL_LAKE_CATALOG=sql", "ROLLCALL_LAKE_LOCATION=file://"+filepath.Join(h.dir, "lake"),
		"ROLLCALL_LAKE_RESULTS="+filepath.Join(h.dir, "results"), "ROLLCALL_LAKE_WAREHOUSES="+filepath.Join(h.dir, "warehouses"),
		"ROLLCALL_LAKE_ROLLCALL="+rollcall, "ROLLCALL_LAKE_BUCKETS=4")
	t.Cleanup(func() {
		for _, w := range h.all {
			_ = syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL)
			<-w.done
		}
	})
	return h
}

// startSandboxes starts a sandbox with the documented limits for each organization, and writes its configuration.
func (h *nightHarness) startSandboxes(rollcall string) {
	starting := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for org, users := range h.orgs {
		wg.Go(func() {
			starting <- struct{}{}
			defer func() { <-starting }()
			h.startSandbox(rollcall, org, users)
		})
	}
	wg.Wait()
	if h.t.Failed() {
		h.t.FailNow()
	}
}

func (h *nightHarness) startSandbox(rollcall, org string, users int) {
	cmd := exec.CommandContext(h.t.Context(), rollcall, "sandbox", "--org", org, "--users", strconv.Itoa(users), "--limits", "documented")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=40")
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Error(err)
		return
	}
	h.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	said := map[string]string{}
	lines := bufio.NewScanner(stdout)
	for len(said) < 5 && lines.Scan() {
		name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		said[name] = value
	}
	h.front.add(org, said["AMIGO_BASE_URL"])
	config := filepath.Join(h.dir, "configs", night.FileName(org))
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		h.t.Error(err)
	}
	for name, text := range map[string]string{
		config + ".key": said["AMIGO_API_KEY"],
		config + ".yaml": fmt.Sprintf("base_url: %s\namigo_api_key: file:%s.key\namigo_api_key_id: %s\namigo_user_id: %s\n",
			h.front.url, config, said["AMIGO_API_KEY_ID"], said["AMIGO_USER_ID"]),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			h.t.Error(err)
		}
	}
}

func (h *nightHarness) lake(args ...string) string {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), h.bin, args...)
	var stderr bytes.Buffer
	cmd.Env, cmd.Stderr = h.env, &stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// startWorker starts a worker in a process group of its own.
func (h *nightHarness) startWorker() *nightWorker {
	h.t.Helper()
	jobs := max(2, min(8, len(h.orgs)/nightWorkers))
	w := &nightWorker{log: filepath.Join(h.dir, fmt.Sprintf("worker-%d.log", len(h.all))), done: make(chan struct{})}
	to, err := os.Create(w.log)
	if err != nil {
		h.t.Fatal(err)
	}
	w.cmd = exec.Command(h.bin, "worker", "--until", nightDate, "--jobs", strconv.Itoa(jobs), "--beat", "300ms", "--dead-after", "2s", "--put-off", "1s", "--grace", "10s",
		"--log-format", "json", "--", "--config", filepath.Join(h.dir, "configs", "{org}.yaml"))
	w.cmd.Env, w.cmd.Stderr, w.cmd.SysProcAttr = h.env, to, &syscall.SysProcAttr{Setpgid: true}
	if err := w.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	_ = to.Close()
	go func() { w.err = w.cmd.Wait(); close(w.done) }()
	h.all = append(h.all, w)
	return w
}

// results counts the shards that are done.
func (h *nightHarness) results() int {
	names, _ := filepath.Glob(filepath.Join(h.dir, "results", "nights", nightDate, "results", "*.json"))
	return len(names)
}

// disturb kills, stops and wakes workers until most organizations are done.
func (h *nightHarness) disturb() {
	for range nightWorkers {
		h.workers = append(h.workers, h.startWorker())
	}
	until := time.Now().Add(20 * time.Minute)
	restarted := false
	between := time.Second
	if len(h.orgs) > 50 {
		between = 5 * time.Second
	}
	for turn := 0; h.results() < len(h.orgs)*9/10 && time.Now().Before(until); turn++ {
		h.pause(between + rand.N(between))
		at := rand.IntN(nightWorkers)
		pid := h.workers[at].cmd.Process.Pid
		switch turn % 4 {
		case 0:
			h.did["worker killed, its rollcalls live on"]++
			_ = syscall.Kill(pid, syscall.SIGKILL)
			h.workers[at] = h.startWorker()
		case 1:
			h.did["worker stopped, its rollcalls go on, woken late"]++
			h.stopFor(pid)
		case 2:
			h.did["worker and its rollcalls killed"]++
			_ = syscall.Kill(-pid, syscall.SIGKILL)
			h.workers[at] = h.startWorker()
		case 3:
			h.did["worker and its rollcalls stopped, woken late"]++
			h.stopFor(-pid)
		}
		if !restarted && h.pg.Own() && h.results() >= len(h.orgs)/3 {
			h.did["postgres crashed and came back"]++
			restarted = true
			h.pg.Restart()
		}
	}
}

// stopFor stops a process, or a group of them, for longer than it takes to be given up.
func (h *nightHarness) stopFor(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	h.pause(4 * time.Second)
	_ = syscall.Kill(pid, syscall.SIGCONT)
}

func (h *nightHarness) pause(d time.Duration) {
	select {
	case <-h.t.Context().Done():
	case <-time.After(d):
	}
}

// wait waits until the workers have ended by themselves. One that gave up when Postgres was away is replaced.
func (h *nightHarness) wait() {
	h.t.Helper()
	deadline := time.After(6 * time.Minute)
	for i := range h.workers {
		select {
		case <-h.workers[i].done:
			if h.workers[i].err != nil {
				h.t.Logf("worker %d: %v", i, h.workers[i].err)
			}
		case <-deadline:
			h.t.Fatalf("the night does not end: %s", h.lake("night", "status", "--night", nightDate))
		}
	}
}

func (h *nightHarness) checkStatus() {
	h.t.Helper()
	var s night.Status
	if err := json.Unmarshal([]byte(h.lake("night", "status", "--night", nightDate, "--json")), &s); err != nil {
		h.t.Fatal(err)
	}
	if len(s.Rows) != len(h.orgs) || s.States[night.StateDone] != len(h.orgs) || s.Certified != len(h.orgs) || s.Published == nil || len(s.Missing) > 0 {
		h.t.Errorf("status: %+v", s)
	}
	attempts := 0
	for _, r := range s.Rows {
		attempts += r.Attempts
		if r.Users != int64(h.orgs[r.Org]) {
			h.t.Errorf("%s: %d users, want %d", r.Org, r.Users, h.orgs[r.Org])
		}
	}
	h.t.Logf("attempts: %d; largest share of an organization's allowed requests, by its last run: %.0f %%", attempts, 100*s.RateShare)
}

// checkLake looks for every user of every organization, once.
func (h *nightHarness) checkLake() {
	h.t.Helper()
	ctx := context.Background()
	c, err := catalog.Open(ctx, catalog.Settings{Kind: catalog.SQL, URI: catalog.Secret(h.pg.URL), Location: "file://" + filepath.Join(h.dir, "lake")})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	users, err := c.LoadTable(ctx, icebergtable.Identifier{"rollcall", "users"})
	if err != nil {
		h.t.Fatal(err)
	}
	rows, err := users.Scan(icebergtable.WithSelectedFields("org_id", "user_id")).ToArrowTable(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Release()
	seen := map[string]map[string]int{}
	batches := array.NewTableReader(rows, 0)
	defer batches.Release()
	for batches.Next() {
		b := batches.RecordBatch()
		orgs, ids := b.Column(slices.Index(names(b.Schema().Fields()), "org_id")), b.Column(slices.Index(names(b.Schema().Fields()), "user_id"))
		for i := range int(b.NumRows()) {
			if seen[orgs.ValueStr(i)] == nil {
				seen[orgs.ValueStr(i)] = map[string]int{}
			}
			seen[orgs.ValueStr(i)][ids.ValueStr(i)]++
		}
	}
	lost, doubled := 0, 0
	for org, want := range h.orgs {
		lost += max(0, want-len(seen[org]))
		for _, n := range seen[org] {
			doubled += n - 1
		}
		if len(seen[org]) > want {
			h.t.Errorf("%s: %d users in the lake, want %d", org, len(seen[org]), want)
		}
	}
	if lost > 0 || doubled > 0 || len(seen) != len(h.orgs) {
		h.t.Errorf("users lost %d, doubled %d; %d organizations of %d", lost, doubled, len(seen), len(h.orgs))
	}
	commits := 0
	for _, s := range users.Metadata().Snapshots() {
		if s.Summary != nil {
			commits++
		}
	}
	if commits != 1 {
		h.t.Errorf("%d commits of the table users, want 1", commits)
	}
	h.t.Logf("lake: %d users, lost %d, doubled %d, commits of users: %d", rows.NumRows(), lost, doubled, commits)
}

// checkRequests looks at what the sandboxes were asked.
func (h *nightHarness) checkRequests() {
	h.t.Helper()
	f := h.front
	f.mu.Lock()
	defer f.mu.Unlock()
	total, twice, throttled, most, over, runs := 0, 0, 0, 0, 0, 0
	for org, asked := range f.asked {
		models := map[string]int{}
		var lists, gets []time.Time
		began := 0 // processes that asked for this organization
		for _, r := range asked {
			total++
			switch {
			case strings.Contains(r.path, "signin"):
				began++
			case r.status == http.StatusTooManyRequests:
				throttled++
			case strings.HasSuffix(r.path, "/user_model"):
				models[r.path]++
				gets = append(gets, r.at)
			case strings.HasSuffix(r.path, "/user/"):
				lists = append(lists, r.at)
			}
		}
		for _, n := range models {
			twice += n - 1
		}
		// Each endpoint takes 60 a minute. A process that is killed may have asked an instant before the next begins; and one that was stopped, or waited for a
		// processor, sends a request late, and the one after it on time.
		n := max(inAMinute(lists), inAMinute(gets))
		if n > 60 {
			over++
		}
		if n > 60+began {
			h.t.Errorf("%s: %d requests in a minute to an endpoint, by %d processes", org, n, began)
		}
		most, runs = max(most, n), runs+began
	}
	h.t.Logf("seen by the API: %d requests, %d refused for their rate, %d models asked for twice; %d runs; most requests to an endpoint in any 60 seconds: %d of 60, "+
		"over 60 at %d organizations", total, throttled, twice, runs, most, over)
	if throttled > 0 {
		h.t.Errorf("%d requests were refused for their rate", throttled)
	}
}

// inAMinute is the most of these in any 60 seconds.
func inAMinute(at []time.Time) (most int) {
	slices.SortFunc(at, time.Time.Compare)
	from := 0
	for i := range at {
		for at[i].Sub(at[from]) >= time.Minute {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// said counts what the workers logged.
func (h *nightHarness) said() map[string]int {
	counts := map[string]int{}
	for _, w := range h.all {
		raw, err := os.ReadFile(w.log)
		if err != nil {
			h.t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			var l struct {
				Message string
				Found   bool
			}
			if json.Unmarshal([]byte(line), &l) == nil {
				counts[l.Message]++
				if l.Found {
					counts["result found in the warehouse"]++
				}
			}
		}
	}
	return counts
}

// front stands before all sandboxes, and counts.
type front struct {
	url string

	mu     sync.Mutex
	behind map[string]*httputil.ReverseProxy
	asked  map[string][]request
}

type request struct {
	at     time.Time
	path   string
	status int
}

func newFront(t *testing.T) *front {
	f := &front{behind: map[string]*httputil.ReverseProxy{}, asked: map[string][]request{}}
	server := newLoopbackServer(t, f)
	f.url = server
	return f
}

func (f *front) add(org, at string) {
	to, err := url.Parse(at)
	if err != nil {
		panic(err)
	}
	p := httputil.NewSingleHostReverseProxy(to)
	p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	f.mu.Lock()
	defer f.mu.Unlock()
	f.behind[org] = p
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	org := ""
	f.mu.Lock()
	for _, part := range strings.Split(r.URL.Path, "/") {
		if f.behind[part] != nil {
			org = part
			break
		}
	}
	p := f.behind[org]
	f.mu.Unlock()
	if p == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	sw := &statusWriter{w, http.StatusOK}
	p.ServeHTTP(sw, r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[org] = append(f.asked[org], request{at, r.URL.Path, sw.status})
}

// A worker can be killed between a night's last commit and the record of it. An erasure then must not take the lake back to the night before: to the worker that
// goes on, the night would be one that was rolled back from.
func TestEraseBetweenANightsCommitsAndItsRecord(t *testing.T) {
	dir := t.TempDir()
	results, warehouses, env := filepath.Join(dir, "results"), filepath.Join(dir, "warehouses"), lakeEnv(dir)
	p, err := night.Open(t.Context(), results, night.ObjectStorage{})
	if err != nil {
		t.Fatal(err)
	}
	step := func(says string, args ...string) {
		t.Helper()
		o := command(t, env, append(args, "--results", results, "--warehouses", warehouses)...)
		if o.code != 0 || !strings.Contains(o.stdout, says) {
			t.Fatalf("%v: exit code %d, want %q\n%s%s", args, o.code, says, o.stdout, o.stderr)
		}
	}
	for i, date := range []string{"2026-11-22", nightDate} {
		run := fmt.Sprintf("2026112%d-000000-000001", 2+i)
		if _, _, err := night.Freeze(t.Context(), p, date, []string{"acme"}, time.Date(2026, 11, 22+i, 1, 0, 0, 0, time.UTC), false); err != nil {
			t.Fatal(err)
		}
		warehouse(t, filepath.Join(warehouses, "acme"), run, []string{"Ada", "Bob", "Cleo"}[:2+i]...)
		if _, err := night.Record(t.Context(), p, night.Result{Night: date, Org: "acme", Run: run, Version: run}); err != nil {
			t.Fatal(err)
		}
		step(fmt.Sprintf("%d rows", 2+i), "night", "publish", "--night", date)
	}
	if err := os.Remove(filepath.Join(results, "nights", nightDate, "published.json")); err != nil {
		t.Fatal(err)
	}
	step("unchanged  3 rows", "night", "erase")
	step("shown  3 rows", "night", "publish", "--night", nightDate)
}

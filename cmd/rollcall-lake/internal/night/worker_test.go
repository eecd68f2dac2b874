package night

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/pgtest"
)

// pretend is a rollcall: what it does follows from the organization's name. It looks at nothing else, and writes run records as rollcall does.
const pretend = `#!/bin/sh
org=$3 warehouse=$5
mkdir -p "$warehouse/runs"
echo x >> "$warehouse/asked"
tries=$(wc -l < "$warehouse/asked")
env | grep -q ROLLCALL_LAKE && exit 64
summary() { # STATUS
    printf '{"run_id":"%s","command":"sync","started_at":"%s","status":"%s","version":"%s","users":7,"requests":{"list":6},"seconds":2,"certificate":{"certified":true,"proof":"count","users_sha256":"00"}}' \
        "$(date -u +%Y%m%d-%H%M%S-000000)" "$(date -u +%Y-%m-%dT%H:%M:%S.999999Z)" "$1" v1
}
case "$org" in
good) summary certified ;;
attention) summary held; exit 3 ;;
refused) echo 'error: the API refuses the key' >&2; exit 12 ;;
usage) exit 64 ;;
locked) [ "$tries" -gt 2 ] && { summary unchanged; exit; }; exit 11 ;;
flaky) [ "$tries" -gt 1 ] && { summary certified; exit; }; echo 'error: the server is away' >&2; exit 1 ;;
broken) echo 'error: the disk is full' >&2; exit 1 ;;
lying) echo '{}' ;;
stays) trap 'exit 130' TERM; touch "$warehouse/stays"; while :; do sleep 0.1; done ;;
ran) exit 1 ;;
esac
`

// bench is a queue, a place and a pretended rollcall.
type bench struct {
	t        *testing.T
	q        *Queue
	p        *Place
	rollcall Rollcall
	plan     Plan

	mu   sync.Mutex
	said []string
}

func newBench(t *testing.T, attempts int, orgs ...string) *bench {
	t.Helper()
	b := &bench{t: t}
	var err error
	if b.q, err = OpenQueue(t.Context(), pgtest.Start(t).URL, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.q.Close)
	dir := t.TempDir()
	if b.p, err = Open(t.Context(), filepath.Join(dir, "results"), ObjectStorage{}); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "rollcall")
	if err := os.WriteFile(program, []byte(pretend), 0o700); err != nil {
		t.Fatal(err)
	}
	b.rollcall = Rollcall{Path: program, Warehouses: filepath.Join(dir, "warehouses"), Grace: 5 * time.Second, Warn: func(string, string) {}}
	if b.plan, _, err = Freeze(t.Context(), b.p, "2026-11-23", orgs, time.Now(), false); err != nil {
		t.Fatal(err)
	}
	done, err := b.q.Enqueue(t.Context(), b.p, b.plan, attempts)
	if err != nil || done.Inserted != len(orgs) {
		t.Fatalf("%+v, %v", done, err)
	}
	return b
}

func (b *bench) tell(what, org string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, what+" "+org)
}

func (b *bench) count(what string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.said {
		if s == what {
			n++
		}
	}
	return n
}

func (b *bench) worker(id string) *Worker {
	return &Worker{
		Queue: b.q, Place: b.p, Rollcall: b.rollcall, ID: id, Jobs: 4, Beat: 50 * time.Millisecond, DeadAfter: time.Second, Snooze: 10 * time.Millisecond,
		Until: b.plan.Night,
		Hooks: Hooks{
			Recorded: func(r Result) { b.tell("recorded", r.Org) },
			Late:     func(org, _ string) { b.tell("late", org) },
			Retried:  func(org string, _ int, _ string) { b.tell("retried", org) },
			PutOff:   func(org, _ string) { b.tell("put off", org) },
			Failed:   func(org string, _ int, _ string) { b.tell("failed", org) },
			TookOver: func(int64) { b.tell("took over", "") },
			Trouble:  func(_ string, err error) { b.t.Error(err) },
		},
	}
}

func (b *bench) run(w *Worker) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if err := w.Run(ctx); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) status() Status {
	b.t.Helper()
	s, err := StatusOf(b.t.Context(), b.p, b.q, b.plan.Night)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func TestExitCodesDecide(t *testing.T) {
	b := newBench(t, 2, "attention", "broken", "flaky", "good", "locked", "lying", "refused", "usage")
	t.Setenv("ROLLCALL_LAKE_URI", "postgres://not-for-rollcall")
	w := b.worker("one")
	published := 0
	w.Publish = func(ctx context.Context, night string) error {
		published++
		_, err := PublishTo(ctx, b.p, night, b.rollcall, true, w.ID, func(context.Context, Decision) error { return nil })
		return err
	}
	b.run(w)
	got := map[string]Row{}
	for _, r := range b.status().Rows {
		got[r.Org] = r
	}
	for org, want := range map[string]Row{
		"good":      {State: StateDone, Status: "certified"},
		"attention": {State: StateDone, Status: "held", Attention: true},
		"flaky":     {State: StateDone, Status: "certified"},
		"locked":    {State: StateDone, Status: "unchanged"},
		"refused":   {State: StateFailed, Error: "the API refuses the key"},
		"usage":     {State: StateFailed},
		"broken":    {State: StateFailed, Error: "the disk is full"},
		"lying":     {State: StateFailed, Error: "rollcall ended well, but its summary names no version"},
	} {
		r := got[org]
		if r.State != want.State || r.Status != want.Status || r.Attention != want.Attention || r.Error != want.Error {
			t.Errorf("%s: %+v, want %+v", org, r, want)
		}
	}
	if b.count("put off locked") != 2 || b.count("retried flaky") != 1 || b.count("retried refused") != 0 || b.count("retried broken") != 1 {
		t.Errorf("%q", b.said)
	}
	if s := b.status(); published != 1 || s.Published == nil || len(s.Missing) != 4 || s.Users != 28 || s.Requests != 24 || s.RateShare != 0.1 {
		t.Errorf("published %d times: %+v", published, s)
	}
	// Enqueued again: what failed is tried again, and nothing else.
	done, err := b.q.Enqueue(t.Context(), b.p, b.plan, 2)
	if err != nil || done != (Enqueued{Inserted: 4, Skipped: 4}) {
		t.Errorf("%+v, %v", done, err)
	}
	if s := b.status(); s.States[StateWaiting] != 4 {
		t.Errorf("%+v", s.States)
	}
}

func TestARunThatEndedUnheardOfIsTheShards(t *testing.T) {
	b := newBench(t, 1, "old", "ran")
	// "ran" ended after the night began, and its worker did not live to say so. "old" ended before.
	for org, at := range map[string]time.Time{"ran": b.plan.Created.Add(time.Second), "old": b.plan.Created.Add(-time.Hour)} {
		runs := filepath.Join(b.rollcall.Warehouse(org), "runs")
		doc := fmt.Sprintf(`{"run_id":%q,"command":"sync","started_at":%q,"status":"certified","version":"v1","users":3}`, runID(at), at.Format(time.RFC3339Nano))
		if err := errors.Join(os.MkdirAll(runs, 0o700), os.WriteFile(filepath.Join(runs, runID(at)+".json"), []byte(doc), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	b.run(b.worker("one"))
	results, failures, err := Outcomes(t.Context(), b.p, b.plan.Night)
	if err != nil || !results["ran"].Found || results["ran"].Users != 3 || failures["old"].Org == "" {
		t.Errorf("%+v, %+v, %v", results, failures, err)
	}
	if _, err := os.Stat(filepath.Join(b.rollcall.Warehouse("ran"), "asked")); err == nil {
		t.Error("an organization that was done was asked again")
	}
}

func TestALateResultIsRefused(t *testing.T) {
	b := newBench(t, 1, "good")
	ours := Result{Night: b.plan.Night, Org: "good", Run: "20261123-000000-000001", Version: "v0", Worker: "first"}
	if recorded, err := Record(t.Context(), b.p, ours); !recorded || err != nil {
		t.Fatalf("%t, %v", recorded, err)
	}
	late := ours
	late.Run, late.Worker = "20261123-000000-000002", "woken late"
	if recorded, err := Record(t.Context(), b.p, late); recorded || err != nil {
		t.Errorf("%t, %v", recorded, err)
	}
	b.run(b.worker("one"))
	if results, _, err := Outcomes(t.Context(), b.p, b.plan.Night); err != nil || results["good"].Worker != "first" {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestAWorkerThatStopsGivesItsJobBack(t *testing.T) {
	b := newBench(t, 1, "stays")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.worker("one").Run(ctx) }()
	begun := filepath.Join(b.rollcall.Warehouse("stays"), "stays")
	waitFor(t, func() bool { _, err := os.Stat(begun); return err == nil })
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	jobs, err := b.q.jobs(t.Context(), b.plan.Night)
	if j := jobs["stays"]; err != nil || j.State != "available" && j.State != "scheduled" || j.Attempt != 0 {
		t.Errorf("%+v, %v: an interruption is no attempt", j, err)
	}
}

func TestJobsOfTheDeadAreTakenOver(t *testing.T) {
	b := newBench(t, 3, "good")
	_, err := b.q.pool.Exec(t.Context(), `UPDATE river_job SET state = 'running', attempt = 1, attempted_by = '{dead}', attempted_at = now() - interval '10 seconds'`)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.q.beat(t.Context(), "dead", "elsewhere"); err != nil {
		t.Fatal(err)
	}
	taken, err := b.q.takeOver(t.Context(), "one", time.Second, nil)
	if taken != 0 || err != nil {
		t.Errorf("%d jobs of a worker that lives are taken over, %v", taken, err)
	}
	b.run(b.worker("one"))
	if b.count("took over ") == 0 || b.count("recorded good") != 1 {
		t.Errorf("%q", b.said)
	}
	// A job of ours whose end the queue did not hear of.
	if _, err := b.q.pool.Exec(t.Context(), `UPDATE river_job SET state = 'running', finalized_at = NULL, attempted_by = '{one}', attempted_at = now() - interval '10 seconds'`); err != nil {
		t.Fatal(err)
	}
	var id int64
	if err := b.q.pool.QueryRow(t.Context(), `SELECT id FROM river_job`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		under []int64
		want  int64
	}{{[]int64{id}, 0}, {[]int64{}, 1}} {
		if taken, err := b.q.takeOver(t.Context(), "one", time.Second, at.under); taken != at.want || err != nil {
			t.Errorf("at %v: %d taken over, %v", at.under, taken, err)
		}
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it does not come")
		}
	}
}

func TestThePage(t *testing.T) {
	p, err := Open(t.Context(), t.TempDir(), ObjectStorage{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Freeze(t.Context(), p, "2026-11-23", []string{"<b>acme", "other"}, time.Now(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := Record(t.Context(), p, Result{Night: "2026-11-23", Org: "<b>acme", Status: "certified", Certificate: Certificate{Certified: true}, Users: 41, RateShare: 0.5}); err != nil {
		t.Fatal(err)
	}
	h := Handler(p, nil, func(err error) { t.Error(err) })
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/":                {http.StatusOK, "&lt;b&gt;acme"},
		"/2026-11-23":      {http.StatusOK, "1 of 2 organizations done, 1 certified, 41 users"},
		"/2026-11-23.json": {http.StatusOK, `"rate_share":0.5`},
		"/2026-11-22":      {http.StatusNotFound, "no such night"},
		"/..%2fplan":       {http.StatusNotFound, "no such night"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%s: %d\n%s", path, w.Code, w.Body)
		}
	}
}

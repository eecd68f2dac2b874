package metrics

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"net/http"
	"net/http/httptest"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

var update = flag.Bool("update", false, "rewrite the golden")

// warehouse is one with these runs on record, and the version of the one that is named.
func warehouse(t *testing.T, current string, runs ...*pipeline.Summary) *publish.Warehouse {
	t.Helper()
	w := publish.Open(t.TempDir())
	for _, s := range runs {
		doc, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := publish.WriteFile(w.RunRecord(s.RunID), doc); err != nil {
			t.Fatal(err)
		}
		if s.RunID != current {
			continue
		}
		manifest, err := json.Marshal(publish.Manifest{Run: s.RunID, CreatedAt: s.StartedAt, Summary: doc})
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(w.Dir(), "versions", s.RunID)
		if err := publish.WriteFile(filepath.Join(dir, "manifest.json"), manifest); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join("versions", s.RunID), filepath.Join(w.Dir(), "current")); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// night is what a good run leaves.
func night() *pipeline.Summary {
	return &pipeline.Summary{
		RunID: "20260102-020000-000000", StartedAt: "2026-01-02T02:00:00Z", Status: pipeline.Certified, Users: 5000, Added: 10, Changed: 20, Enriched: 30, Returned: 1, Deleted: 2,
		Seconds: 100, Stages: []pipeline.Stage{{Name: "open", Started: "2026-01-02T03:00:00Z", Seconds: 1}, {Name: "extract", Started: "2026-01-02T03:00:01Z", Seconds: 98.5}, {Name: "extract", Seconds: 0.5}},
		Requests: pipeline.Requests{List: 52, Model: 30, Retried: 2, Throttled: 1, Replayed: 4, ByStatus: map[string]map[string]int{"list": {"200": 51, "503": 1}, "model": {"200": 28, "403": 2}}},
		Models:   pipeline.Models{Fetched: 30, Reused: 4000, Forbidden: 2, Pending: 968, OldestAgeSeconds: 3600}, BytesReceived: 123456,
		QuarantinedRows: 1, QuarantinedCells: 3, DeletesHeld: 0, Certificate: pipeline.Certificate{Certified: true, Proof: "count"},
	}
}

func after(id, started string, status pipeline.Status, certified bool) *pipeline.Summary {
	s := night()
	s.RunID, s.StartedAt, s.Status, s.Certificate.Certified, s.Stages, s.Seconds = id, started, status, certified, nil, 60
	return s
}

var statuses = []string{"certified", "uncertified", "failed", "crashed"}

// text is what a monitor gets.
func text(t *testing.T, o Options) string {
	t.Helper()
	o.Release, o.Statuses = "v1.2.3", statuses
	r, err := NewRegistry(o)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// ours are the lines that are about rollcall, and the same on every machine.
func ours(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "rollcall_") && !strings.HasPrefix(line, "rollcall_build_info") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func at(hour int) time.Time { return time.Date(2026, 1, 3, hour, 0, 0, 0, time.UTC) }

func TestEverythingThatIsTold(t *testing.T) {
	s := night()
	got := text(t, Options{Warehouse: warehouse(t, s.RunID, s), Daemon: func() Daemon {
		return Daemon{Next: at(2), Running: true, Runs: map[string]uint64{"certified": 3, "crashed": 1}, Missed: 4, Retries: 2}
	}})
	const golden = "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(ours(got)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), ours(got)); d != "" {
		t.Error(d)
	}
	problems, err := promlint.New(strings.NewReader(got)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestWhatRunsAreTakenFor(t *testing.T) {
	failed := &pipeline.Summary{RunID: "20260102-1", StartedAt: "2026-01-02T02:00:00Z", Status: pipeline.Failed, Seconds: 60}
	certified := after("20260101-1", "2026-01-01T02:00:00Z", pipeline.Certified, true)
	for _, tt := range []struct {
		name    string
		current string
		runs    []*pipeline.Summary
		attempt *Attempt
		want    []string
		without []string
	}{
		{"nothing yet", "", nil, nil, nil, []string{"rollcall_users", "rollcall_last_"}},
		{"a first run that was refused", "", nil, &Attempt{"crashed", at(2)}, []string{`rollcall_last_run_status{status="crashed"} 1`, "rollcall_last_run_end_timestamp_seconds 1.7674056e+09"},
			[]string{"rollcall_users", "rollcall_last_certified", "rollcall_last_run_duration"}},
		{"unchanged is certified anew", "20260101-1", []*pipeline.Summary{certified, after("20260102-1", "2026-01-02T02:00:00Z", pipeline.Unchanged, true)}, nil,
			[]string{"rollcall_last_certified_timestamp_seconds 1.7673192e+09", "rollcall_current_version_timestamp_seconds 1.7672328e+09"}, nil},
		{"failed since", "20260101-1", []*pipeline.Summary{certified, failed}, nil,
			[]string{"rollcall_last_certified_timestamp_seconds 1.7672328e+09", `rollcall_last_run_status{status="failed"} 1`, `rollcall_last_run_status{status="certified"} 0`,
				"rollcall_last_success_timestamp_seconds 1.76723286e+09", "rollcall_last_run_end_timestamp_seconds 1.76731926e+09", "rollcall_current_version_certified 1", "rollcall_quarantined_cells 3"}, nil},
		{"a failed run is not certified whatever its certificate says", "20260101-1", []*pipeline.Summary{certified, after("20260102-1", "2026-01-02T02:00:00Z", pipeline.Failed, true)}, nil,
			[]string{"rollcall_last_certified_timestamp_seconds 1.7672328e+09"}, nil},
		{"uncertified since", "20260102-1", []*pipeline.Summary{certified, after("20260102-1", "2026-01-02T02:00:00Z", pipeline.Uncertified, false)}, nil,
			[]string{"rollcall_last_certified_timestamp_seconds 1.7672328e+09", "rollcall_current_version_certified 0", "rollcall_last_success_timestamp_seconds 1.76731926e+09"}, nil},
		{"an attempt after what is on record", "20260101-1", []*pipeline.Summary{certified}, &Attempt{"crashed", at(2)}, []string{`rollcall_last_run_status{status="crashed"} 1`}, nil},
		{"an attempt before what is on record", "20260101-1", []*pipeline.Summary{after("20260101-1", "2026-01-04T02:00:00Z", pipeline.Certified, true)}, &Attempt{"crashed", at(2)},
			[]string{`rollcall_last_run_status{status="certified"} 1`}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := text(t, Options{Warehouse: warehouse(t, tt.current, tt.runs...), Attempt: func() *Attempt { return tt.attempt }})
			for _, want := range tt.want {
				if !strings.Contains(got, "\n"+want+"\n") {
					t.Errorf("without %q:\n%s", want, ours(got))
				}
			}
			for _, not := range tt.without {
				if strings.Contains(got, not) {
					t.Errorf("with %q:\n%s", not, ours(got))
				}
			}
		})
	}
}

// What cannot be read is an error to whoever asks, not a warehouse without users.
func TestADamagedRecord(t *testing.T) {
	s := night()
	w := warehouse(t, s.RunID, s)
	if err := os.WriteFile(w.RunRecord(s.RunID), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := NewRegistry(Options{Warehouse: w})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Gather(); err == nil || !strings.Contains(err.Error(), "read run "+s.RunID) {
		t.Errorf("%v", err)
	}
	if err := WriteFile(filepath.Join(t.TempDir(), "m.prom"), Options{Warehouse: w}); err == nil {
		t.Error("a file was written")
	}
}

func TestWriteFile(t *testing.T) {
	s := night()
	w := warehouse(t, s.RunID, s)
	dir := t.TempDir()
	path := filepath.Join(dir, "rollcall.prom")
	for range 2 { // there is none, there is one
		if err := WriteFile(path, Options{Warehouse: w, Statuses: statuses}); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	raw, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(raw), "\nrollcall_users 5000\n") || strings.Contains(string(raw), "\ngo_") || strings.Contains(string(raw), "rollcall_runs_total") {
		t.Errorf("%s, %v", raw, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := WriteFile(filepath.Join(dir, "nowhere", "m.prom"), Options{Warehouse: w}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// names are all metrics there are.
func names(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	s := night()
	r, err := NewRegistry(Options{Warehouse: warehouse(t, s.RunID, s), Statuses: statuses, Daemon: func() Daemon { return Daemon{Next: at(2)} }})
	if err != nil {
		t.Fatal(err)
	}
	var g prometheus.Gatherer = r
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*dto.MetricFamily{}
	for _, f := range families {
		out[f.GetName()] = f
	}
	return out
}

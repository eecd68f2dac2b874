package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fates are what Prune did, "run: why" or "run: removed" each.
func fates(t *testing.T, w *Warehouse, keep int) []string {
	t.Helper()
	fates, err := w.Prune(Retention{Versions: keep}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return describeFates(fates)
}

func describeFates(fates []Fate) []string {
	out := []string{}
	for _, f := range fates {
		what := f.Why
		if f.Removed {
			what = "removed"
		}
		out = append(out, f.Run+": "+what)
	}
	return out
}

func TestPrune(t *testing.T) {
	w := warehouse(t)
	if got := fates(t, w, 3); len(got) != 0 {
		t.Errorf("no warehouse: %q", got)
	}
	for i := range 5 {
		publish(t, w, fmt.Sprintf("run-%d", i))
	}
	if err := w.SetCurrent("run-1"); err != nil {
		t.Fatal(err)
	}
	want := []string{"run-0: removed", "run-1: current", "run-2: removed", "run-3: among the newest 3", "run-4: among the newest 3"}
	if d := cmp.Diff(want, fates(t, w, 3)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"run-1", "run-3", "run-4"}, left(t, w)); d != "" {
		t.Error(d)
	}
	isCurrent(t, w, "run-1")
	if d := cmp.Diff([]string{"run-1: current", "run-3: removed", "run-4: removed"}, fates(t, w, 0)); d != "" {
		t.Error(d)
	}
	isCurrent(t, w, "run-1")
}

// A version that an analyst has open in DuckDB is kept for as long as it is open.
func TestPruneKeepsWhatIsOpen(t *testing.T) {
	w := warehouse(t)
	for _, run := range []string{"run-1", "run-2", "run-3"} {
		publish(t, w, run)
	}
	v, err := w.Version("run-1")
	if err != nil {
		t.Fatal(err)
	}
	analyst := start(t, "open", v.Database())
	analyst.says(t, "ready")
	if d := cmp.Diff([]string{"run-1: open in DuckDB", "run-2: removed", "run-3: current"}, fates(t, w, 1)); d != "" {
		t.Error(d)
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Errorf("while it is open: %v", err)
	}
	if last, err := analyst.ends(); err != nil {
		t.Fatalf("%s, %v", last, err)
	}
	if d := cmp.Diff([]string{"run-1: removed", "run-3: current"}, fates(t, w, 1)); d != "" {
		t.Error(d)
	}
}

// A removal that was interrupted does not stop the next, nor is there ever half a version to be rolled back to.
func TestPruneAfterAnInterruptedRemoval(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	publish(t, w, "run-2")
	if err := os.MkdirAll(filepath.Join(w.Dir(), versionsName, ".removed-run-1", "parquet"), 0o700); err != nil {
		t.Fatal(err)
	}
	if runs, err := w.Versions(); err != nil || !cmp.Equal(runs, []string{"run-1", "run-2"}) {
		t.Errorf("%q, %v", runs, err)
	}
	if d := cmp.Diff([]string{"run-1: removed", "run-2: current"}, fates(t, w, 1)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"run-2"}, left(t, w)); d != "" {
		t.Error(d)
	}
}

// Readers of Parquet cannot be seen: what was current within keep_for is kept, whatever else says that it can go.
func TestPruneKeepsWhatWasCurrentLately(t *testing.T) {
	w := warehouse(t)
	begun := time.Now()
	for _, run := range []string{"run-1", "run-2", "run-3", "run-4"} {
		publish(t, w, run)
	}
	since := func(run string, ago time.Duration) { // when it was current last
		at := begun.Add(-ago)
		if err := os.Chtimes(filepath.Join(w.Dir(), versionsName, run), at, at); err != nil {
			t.Fatal(err)
		}
	}
	prune := func(keep Retention) []string {
		t.Helper()
		got, err := w.Prune(keep, begun)
		if err != nil {
			t.Fatal(err)
		}
		return describeFates(got)
	}
	since("run-1", time.Hour)
	since("run-2", 59*time.Minute)
	want := []string{"run-1: removed", "run-2: current until 59m0s ago, and kept for 1h0m0s after that", "run-3: current until 0s ago, and kept for 1h0m0s after that", "run-4: current"}
	if d := cmp.Diff(want, prune(Retention{Versions: 1, For: time.Hour})); d != "" {
		t.Error(d)
	}
	want = []string{"run-2: removed", "run-3: current until 0s ago, and kept for 1h0m0s after that", "run-4: current"}
	if d := cmp.Diff(want, prune(Retention{Versions: 1, For: time.Hour, Most: 2})); d != "" {
		t.Error(d)
	}
	since("run-3", -time.Minute) // the clock was set back
	since("run-4", 1000*time.Hour)
	if d := cmp.Diff([]string{"run-3: current until 0s ago, and kept for 1s after that", "run-4: current"}, prune(Retention{Versions: 1, For: time.Second})); d != "" {
		t.Error(d)
	}
	publish(t, w, "run-5") // run-4 was current until now, however old it is
	want = []string{"run-3: removed", "run-4: current until 0s ago, and kept for 1m0s after that", "run-5: current"}
	since("run-3", time.Minute)
	if d := cmp.Diff(want, prune(Retention{Versions: 1, For: time.Minute})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"run-4: removed", "run-5: current"}, prune(Retention{Versions: 1})); d != "" {
		t.Error(d)
	}
}

// TestRunRecords: whatever the folder is called, the runs on record are found, and nothing else that lies there.
func TestRunRecords(t *testing.T) {
	w := warehouse(t)
	if runs, err := w.RunRecords(); err != nil || len(runs) != 0 {
		t.Fatalf("%q, %v", runs, err)
	}
	for _, run := range []string{"run-2", "run-1"} {
		if err := WriteFile(w.RunRecord(run), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []string{".tmp-1.json", "note.txt"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(w.RunRecord("x")), other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if runs, err := w.RunRecords(); err != nil || !slices.Equal(runs, []string{"run-1", "run-2"}) {
		t.Errorf("%q, %v", runs, err)
	}
}

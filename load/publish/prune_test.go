package publish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fates are what Prune did, "run: why" or "run: removed" each.
func fates(t *testing.T, w *Warehouse, keep int) []string {
	t.Helper()
	fates, err := w.Prune(keep)
	if err != nil {
		t.Fatal(err)
	}
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

func TestLock(t *testing.T) {
	w := warehouse(t)
	l, err := w.Lock("sync", clock)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Lock("forget", clock)
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("%v", err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Holder{PID: os.Getpid(), Host: host, Command: "sync", Since: clock}, locked.Holder); d != "" {
		t.Error(d)
	}
	if want := fmt.Sprintf("another run holds the warehouse: sync, process %d on %s, since 2026-03-04T05:06:07Z", os.Getpid(), host); locked.Error() != want {
		t.Errorf("%s, want %s", locked, want)
	}
	if len(locked.Hints()) == 0 {
		t.Error("no hint")
	}
	if got := (&LockedError{}).Error(); got != "another run holds the warehouse" {
		t.Error(got)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := w.Lock("sync", clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Unlock(); err != nil {
		t.Error(err)
	}
}

// The lock holds between processes, says who has it, and is free when the process that had it is dead.
func TestLockBetweenProcesses(t *testing.T) {
	w := warehouse(t)
	other := start(t, "lock", w.Dir())
	other.says(t, "ready")
	_, err := w.Lock("sync", clock)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder.PID != other.cmd.Process.Pid || locked.Holder.Command != "sync" {
		t.Fatalf("%v", err)
	}
	second := start(t, "lock", w.Dir())
	if last, err := second.ends(); err == nil || !strings.Contains(last, "another run holds the warehouse") {
		t.Errorf("%s, %v", last, err)
	}
	other.kill()
	l, err := w.Lock("sync", clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestALockThatCannotBeTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(path, "warehouse")).Lock("sync", clock)
	var locked *LockedError
	if err == nil || errors.As(err, &locked) {
		t.Errorf("%v", err)
	}
}

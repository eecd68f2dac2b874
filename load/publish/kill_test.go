package publish

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/load/publish/faulttest"
)

// meddled publishes a version in a process of its own, which meets what meddle says.
func meddled(t *testing.T, w *Warehouse, run string, meddle func(faulttest.Operation) faulttest.Verdict) faulttest.Result {
	t.Helper()
	cmd := exec.Command(os.Args[0]) // faulttest waits for it
	cmd.Env = append(os.Environ(), part+"=once\n"+w.Dir()+"\n"+run)
	dir, err := filepath.EvalSymlinks(w.Dir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := faulttest.Run(cmd, dir, meddle)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("only kills at random: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// isWhole fails unless what is current is one of these runs' version, and whole; it returns which.
func isWhole(t *testing.T, w *Warehouse, after any, runs ...string) string {
	t.Helper()
	v, err := w.Current()
	if err != nil || v.Manifest.Run != v.Run || !slices.Contains(runs, v.Run) {
		t.Fatalf("after %v: current is %s (%s), %v; want one of %s", after, v.Run, v.Manifest.Run, err, runs)
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Fatalf("after %v: %s: %v", after, v.Run, err)
	}
	return v.Run
}

// goesOn finds a whole version after something was stopped. Every third time it publishes the run again that was stopped, or the next one where
// that was current already, and finds nothing left of the one before.
func goesOn(t *testing.T, w *Warehouse, after any, n int, before, stopped string) (current string) {
	t.Helper()
	current = isWhole(t, w, after, before, stopped)
	if n%3 != 0 {
		if err := w.sweep(); err != nil {
			t.Fatalf("after %v: %v", after, err)
		}
		return current
	}
	next := stopped
	if current == stopped {
		next = stopped + "-again"
	}
	if err := publishRun(w, next, 3); err != nil {
		t.Fatalf("after %v: the next run: %v", after, err)
	}
	if v, err := w.Current(); err != nil || v.Run != next {
		t.Fatalf("after %v: current is %s, %v; want %s", after, v.Run, err, next)
	}
	if _, err := w.Prune(Retention{Versions: 2}, time.Now()); err != nil {
		t.Fatalf("after %v: %v", after, err)
	}
	if got := left(t, w); len(got) != 2 || strings.HasPrefix(got[0], ".") {
		t.Errorf("after %v and the next run: %q", after, got)
	}
	if entries, err := os.ReadDir(w.Dir()); err != nil || len(entries) != 2 {
		t.Errorf("after %v and the next run: %v, %v", after, entries, err)
	}
	return next
}

// A publisher that is killed before any of its operations on files leaves a whole version current, and nothing that stops the next one.
func TestKilledBeforeEveryOperation(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	publish(t, w, "run-0000")
	current, kills := "run-0000", 0
	steps := map[string]bool{}
	for n := 1; ; n++ {
		if testing.Short() && n > 1 {
			n += 19
		}
		run := fmt.Sprintf("run-%04d", n)
		var before faulttest.Operation
		r := meddled(t, w, run, func(o faulttest.Operation) faulttest.Verdict {
			if o.Number < n {
				return faulttest.Verdict{}
			}
			before = o
			return faulttest.Kill
		})
		if !r.Killed() {
			if r.Status != 0 {
				t.Fatalf("%v: %s", r.Status, r.Output)
			}
			break
		}
		kills++
		steps[before.Call+" "+strings.ReplaceAll(filepath.Base(before.Path), run, "RUN")] = true
		current = goesOn(t, w, before, n, current, run)
	}
	t.Logf("killed %d times", kills)
	if testing.Short() {
		return
	}
	for _, step := range []string{
		"mkdir .building-RUN", "write users.duckdb", "sync users.duckdb", "write part-00000.parquet", "sync part-00000.parquet",
		"rename .building-RUN", "sync versions", "link .current.next", "rename .current.next",
	} {
		if !steps[step] {
			t.Errorf("never killed before: %s", step)
		}
	}
}

// A publisher that is killed at any instant, within an operation or between two, leaves the same.
func TestKilledAtAnyInstant(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	publish(t, w, "run-0000")
	current, kills := "run-0000", 120
	if testing.Short() {
		kills = 4
	}
	r := rand.New(rand.NewPCG(1, 2))
	var longest time.Duration
	for i := 0; kills > 0; i++ {
		run := fmt.Sprintf("run-%04d", i+1)
		p := start(t, "paused", w.Dir(), run)
		p.says(t, "ready")
		begun := time.Now()
		if err := p.stdin.Close(); err != nil { // it begins
			t.Fatal(err)
		}
		if i%10 == 0 { // to know how long it takes undisturbed, as the machine is now
			if last, err := p.ends(); err != nil {
				t.Fatalf("%s, %v", last, err)
			}
			longest = max(longest, time.Since(begun))
			current = goesOn(t, w, "no kill", 0, current, run)
			continue
		}
		kills--
		<-time.After(time.Duration(r.Int64N(int64(longest))))
		p.kill()
		current = goesOn(t, w, fmt.Sprintf("%d kills", i+1), i, current, run)
	}
}

// Whatever a disk refuses, and from whichever operation on it does: there is one error that says so, what was current or what is to be is whole,
// and the next run goes on.
func TestADiskThatRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		with  syscall.Errno
		says  []string
		calls []string
	}{
		"full":                  {syscall.ENOSPC, []string{"no space left", "No space left"}, []string{"write", "open", "mkdir", "link"}},
		"permission taken away": {syscall.EACCES, []string{"permission denied", "Permission denied"}, []string{"open", "mkdir", "rename", "link", "remove"}},
		"a sync that fails":     {syscall.EIO, []string{"input/output error", "fsync failed"}, []string{"sync"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := warehouse(t)
			publish(t, w, "run-0000")
			current := "run-0000"
			for n := 1; ; n++ {
				if testing.Short() && n > 1 {
					n += 19
				}
				run := fmt.Sprintf("run-%04d", n)
				var first *faulttest.Operation
				seen := 0
				r := meddled(t, w, run, func(o faulttest.Operation) faulttest.Verdict {
					if !slices.Contains(tt.calls, o.Call) {
						return faulttest.Verdict{}
					}
					if seen++; seen < n {
						return faulttest.Verdict{}
					}
					if first == nil {
						first = &o
					}
					return faulttest.Fail(tt.with)
				})
				if first == nil {
					break
				}
				said := strings.TrimSpace(r.Output)
				if r.Status == 0 && said == "" { // it was refused the removal of what is not there
					if current, err := w.Current(); err != nil || current.Run != run {
						t.Errorf("from %v on: published nothing, and said nothing", first)
					}
				} else if !r.Status.Exited() || r.Status.ExitStatus() != 1 || !strings.HasPrefix(said, "error:") || strings.Contains(said, "\n") ||
					!slices.ContainsFunc(tt.says, func(s string) bool { return strings.Contains(said, s) }) {
					t.Errorf("from %v on: %v: %s", first, r.Status, r.Output)
				}
				current = goesOn(t, w, *first, n, current, run)
			}
		})
	}
}

package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// life is the life of a run on a disk that may crash: what was asked to be recorded, and what was acknowledged.
type life struct {
	dir          string
	created      bool
	sealing      bool
	asked, acked []string
}

// run lives until done or until the disk crashes.
func (l *life) run(t *testing.T, d disk) {
	j, err := create(d, l.dir, header(testRun))
	if err != nil {
		return
	}
	l.created = true
	for n := range 3 {
		if n > 0 {
			if j, _, err = resume(t.Context(), d, l.dir, ResumeOptions{Now: clock}); err != nil {
				return
			}
		}
		for i := range 3 {
			// The third is what the first was, and is kept as a reference to it.
			body := fmt.Sprintf("answer %d of process %d", i%2, n) + strings.Repeat(".", minShared)
			l.asked = append(l.asked, body)
			if err := j.Record(t.Context(), modelCall(10*n+i), answer(body, 0), true); err == nil {
				l.acked = append(l.acked, body)
			}
		}
		if n == 2 {
			l.sealing = true
			err = j.Seal()
		} else {
			err = j.Close()
		}
		if err != nil {
			return
		}
	}
}

// TestCrashAnywhere crashes a run at each of its calls to the disk, once as a kill of the process and several times as a loss of power, and
// finds whatever was acknowledged.
func TestCrashAnywhere(t *testing.T) {
	total := 0
	for at := 1; ; at++ {
		var d *crashDisk
		for seed := range uint64(6) {
			d = newCrashDisk(at, seed)
			root := filepath.Join(t.TempDir(), "journal")
			l := life{dir: filepath.Join(root, testRun)}
			l.run(t, d)
			d.afterCrash(filepath.Dir(root), seed > 0)
			what := fmt.Sprintf("crash at call %d, seed %d", at, seed)
			must(clean(quickDisk{}, root))
			if _, err := os.Stat(l.dir); errors.Is(err, os.ErrNotExist) {
				if l.created {
					t.Fatalf("%s: the run is gone", what)
				}
				continue
			}
			l.verify(t, what)
			total++
		}
		if !d.dead {
			break
		}
	}
	t.Logf("%d crashes", total)
}

func (l *life) verify(t *testing.T, what string) {
	t.Helper()
	if err := Check(t.Context(), l.dir); err != nil {
		t.Fatalf("%s: Check: %v", what, err)
	}
	got := bodies(contents(t, l.dir))
	// What was asked for and not acknowledged may have come to the disk all the same.
	if len(got) < len(l.acked) || !slices.Equal(got[:len(l.acked)], l.acked) || len(got) > len(l.asked) || !slices.Equal(got, l.asked[:len(got)]) {
		t.Fatalf("%s: the run holds %q; acknowledged were %q", what, got, l.acked)
	}
	j, _, err := resume(t.Context(), quickDisk{}, l.dir, ResumeOptions{Now: clock})
	if errors.Is(err, ErrSealed) {
		if !l.sealing {
			t.Fatalf("%s: the run is sealed, and nobody sealed it", what)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: Resume: %v", what, err)
	}
	record(t, j, modelCall(99), "last")
	end(t, j.Seal)
	if err := Check(t.Context(), l.dir); err != nil {
		t.Fatalf("%s: Check after Resume: %v", what, err)
	}
	if again := bodies(contents(t, l.dir)); !slices.Equal(again, append(got, "last")) {
		t.Fatalf("%s: after Resume the run holds %q, before it %q", what, again, got)
	}
}

// TestKillThenPowerLoss kills a run at each of its calls, and then has the machine lose its power at each call of the process that resumes it:
// what that process was handed is as durable as what it recorded.
func TestKillThenPowerLoss(t *testing.T) {
	for first := 1; ; first++ {
		var killed bool
		for second := 1; ; second++ {
			d := newCrashDisk(first, uint64(second))
			root := filepath.Join(t.TempDir(), "journal")
			l := life{dir: filepath.Join(root, testRun)}
			l.run(t, d)
			killed = d.dead
			d.revive(second)
			l.runAgain(t, d, root)
			lost := d.dead
			d.afterCrash(filepath.Dir(root), true)
			what := fmt.Sprintf("kill at call %d, loss of power at call %d of the next process", first, second)
			must(clean(quickDisk{}, root))
			if _, err := os.Stat(l.dir); err == nil {
				l.verify(t, what)
			} else if len(l.acked) > 0 {
				t.Fatalf("%s: the run is gone", what)
			}
			if !lost {
				break
			}
		}
		if !killed {
			break
		}
	}
}

// runAgain continues the run after its process was killed.
func (l *life) runAgain(t *testing.T, d disk, root string) {
	if clean(d, root) != nil {
		return
	}
	var j *Journal
	var err error
	if _, statErr := os.Stat(l.dir); statErr != nil {
		j, err = create(d, l.dir, header(testRun))
	} else if j, _, err = resume(t.Context(), d, l.dir, ResumeOptions{Now: clock}); err == nil {
		l.acked = bodies(entriesOf(t, j))
	}
	if err != nil {
		return
	}
	l.asked = append(slices.Clone(l.acked), "of the next process")
	l.sealing = false
	if err := j.Record(t.Context(), modelCall(50), answer("of the next process", 0), true); err == nil {
		l.acked = append(l.acked, "of the next process")
	}
	l.sealing = true
	_ = j.Seal() // it may crash
}

// TestRewriteCrashAnywhere crashes a rewrite at each of its calls: each segment is then old or new, and to run it again finishes it.
func TestRewriteCrashAnywhere(t *testing.T) {
	unfinished, _, _ := threeSegments(t)
	j, shared := begin(t)
	for i := range 6 {
		record(t, j, modelCall(i), page(uint64(i%2), 2000))
	}
	end(t, j.Seal)
	for name, src := range map[string]string{"sealed": sealedRun(t), "unfinished": unfinished, "shared": shared} {
		t.Run(name, func(t *testing.T) {
			edit := func(e Entry) (Entry, bool, error) {
				if e.Call.ID() == modelCall(1).ID() {
					return e, false, nil
				}
				e.Answer.Body = append([]byte("rewritten: "), e.Answer.Body...)
				return e, true, nil
			}
			once := func(e Entry) (Entry, bool, error) {
				if len(e.Answer.Body) > 10 && string(e.Answer.Body[:10]) == "rewritten:" {
					return e, true, nil
				}
				return edit(e)
			}
			before := bodies(contents(t, src))
			var after []string
			for _, e := range contents(t, src) {
				if e, keep, _ := edit(e); keep {
					after = append(after, string(e.Answer.Body))
				}
			}
			for at := 1; ; at++ {
				var d *crashDisk
				for seed := range uint64(5) {
					d = newCrashDisk(at, seed)
					root := t.TempDir()
					dir := filepath.Join(root, testRun)
					copyDir(t, src, dir)
					_, err := rewrite(t.Context(), d, dir, once)
					d.afterCrash(root, seed > 0)
					what := fmt.Sprintf("crash at call %d, seed %d", at, seed)
					if (err != nil) != d.dead {
						t.Fatalf("%s: Rewrite: %v", what, err)
					}
					for _, b := range bodies(contents(t, dir)) {
						if !slices.Contains(before, b) && !slices.Contains(after, b) {
							t.Fatalf("%s: neither old nor new: %q", what, b)
						}
					}
					if _, err := rewrite(t.Context(), quickDisk{}, dir, once); err != nil {
						t.Fatalf("%s: Rewrite again: %v", what, err)
					}
					if err := Check(t.Context(), dir); err != nil {
						t.Fatalf("%s: Check: %v", what, err)
					}
					if diff := cmp.Diff(after, bodies(contents(t, dir))); diff != "" {
						t.Fatalf("%s (-want +got):\n%s", what, diff)
					}
				}
				if !d.dead {
					break
				}
			}
		})
	}
}

package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Runs come in the order of their clocks, and a damaged one hides no other.
func TestList(t *testing.T) {
	root := filepath.Join(t.TempDir(), "journal")
	if runs, err := List(root); len(runs) != 0 || err != nil {
		t.Errorf("a folder that is not there holds %v, %v", runs, err)
	}
	if err := Clean(root); err != nil {
		t.Error(err)
	}
	for _, r := range []struct {
		run     string
		started time.Duration
		seal    bool
	}{{"b", time.Hour, true}, {"a", 2 * time.Hour, false}, {"d", 0, true}, {"c", time.Hour, true}, {"broken", 0, true}} {
		j, err := create(quickDisk{}, filepath.Join(root, r.run), Header{Run: r.run, Started: clock.Add(r.started)})
		must(err)
		if r.seal {
			end(t, j.Seal)
		} else {
			end(t, j.Close)
		}
	}
	must(os.Mkdir(filepath.Join(root, ".new.tmp"), 0o700))
	writeFile(t, filepath.Join(root, "stray"), nil)
	writeFile(t, filepath.Join(root, "broken", "00001.rcj"), []byte("no"))
	runs, err := List(root)
	var damage *DamageError
	if !errors.As(err, &damage) {
		t.Errorf("List says nothing of the damaged run: %v", err)
	}
	var order string
	for _, r := range runs {
		order += r.Run
		info, err := os.Stat(filepath.Join(r.Dir, "00001.rcj"))
		must(err)
		if r.Sealed != (r.Run != "a") || r.Segments != 1 || r.Bytes < info.Size() {
			t.Errorf("%+v", r)
		}
	}
	if order != "dbca" {
		t.Errorf("order %q; want d, then b and c of the same time, then a", order)
	}
}

// A removed run is gone at once; what a crash leaves of it, or of one that was being made, Clean removes, and nothing else.
func TestRemoveAndClean(t *testing.T) {
	root := filepath.Join(t.TempDir(), "journal")
	sealed := func(run string) string {
		dir := filepath.Join(root, run)
		j, err := create(quickDisk{}, dir, Header{Run: run, Started: clock})
		must(err)
		end(t, j.Seal)
		return dir
	}
	kept := sealed("kept")
	if err := Remove(sealed("gone")); err != nil {
		t.Fatal(err)
	}
	for at := 1; ; at++ {
		d := newCrashDisk(at, 0)
		dir := sealed("halfgone")
		err := removeRun(d, dir)
		if (err != nil) != d.dead {
			t.Fatal(err)
		}
		d.afterCrash(root, false)
		if _, err := os.Stat(dir); err == nil {
			if err := Check(t.Context(), dir); err != nil {
				t.Errorf("crash at call %d: a run half removed: %v", at, err)
			}
			must(Remove(dir))
		}
		if !d.dead {
			break
		}
	}
	must(os.MkdirAll(filepath.Join(root, ".made.tmp", "x"), 0o700))
	must(os.MkdirAll(filepath.Join(root, ".gone.removed", "x"), 0o700))
	must(os.MkdirAll(filepath.Join(root, ".other"), 0o700))
	writeFile(t, filepath.Join(kept, "00001.rcj.tmp"), []byte("left by a rewrite"))
	writeFile(t, filepath.Join(root, "file"), nil)
	must(os.MkdirAll(filepath.Join(root, "norun"), 0o700))
	if err := Clean(root); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(root)
	must(err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	if len(names) != 4 || names[0] != ".other" || names[1] != "file" || names[2] != "kept" || names[3] != "norun" {
		t.Errorf("Clean left %q", names)
	}
	if err := Check(t.Context(), kept); err != nil {
		t.Error(err)
	}
	if err := Remove(filepath.Join(root, "never")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Remove of nothing: %v", err)
	}
}

package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
	if d := cmp.Diff(Holder{PID: os.Getpid(), Host: host, Boot: bootID(), Command: "sync", Since: clock}, locked.Holder); d != "" {
		t.Error(d)
	}
	if want := fmt.Sprintf("another run holds the warehouse: sync, process %d on %s, since 2026-03-04T05:06:07Z", os.Getpid(), host); locked.Error() != want {
		t.Errorf("%s, want %s", locked, want)
	}
	if len(locked.Hints()) == 0 || locked.Foreign {
		t.Errorf("foreign: %v, hints %q", locked.Foreign, locked.Hints())
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

// claim writes the lock's file as a process leaves it that was killed, or that holds a lock which this host does not see.
func claim(t *testing.T, w *Warehouse, h Holder) {
	t.Helper()
	raw, err := json.Marshal(h)
	if err == nil {
		err = errors.Join(os.MkdirAll(w.Dir(), 0o700), os.WriteFile(filepath.Join(w.Dir(), lockName), raw, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What a process on another host claims is refused, and taken only by BreakLock. What one claims that ran here and is dead is nothing.
func TestClaims(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if bootID() == "" {
		t.Error("the system does not say since when it runs")
	}
	for name, tt := range map[string]struct {
		holder  Holder
		foreign bool
	}{
		"another host":              {Holder{PID: 42, Host: "elsewhere", Boot: "7d2f", Command: "sync", Since: clock}, true},
		"another host, before us":   {Holder{PID: 42, Host: "elsewhere", Command: "sync", Since: clock}, true},
		"a dead process":            {Holder{PID: 42, Host: host, Boot: bootID(), Command: "sync", Since: clock}, false},
		"before a restart":          {Holder{PID: 42, Host: host, Boot: "7d2f", Command: "sync", Since: clock}, false},
		"another container of us":   {Holder{PID: 1, Host: "0a1b2c", Boot: bootID(), Command: "sync", Since: clock}, false},
		"nobody":                    {Holder{}, false},
		"an older rollcall's, ours": {Holder{PID: 42, Host: host, Command: "sync", Since: clock}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := warehouse(t)
			claim(t, w, tt.holder)
			l, err := w.Lock("gc", clock)
			if !tt.foreign {
				if err != nil {
					t.Fatal(err)
				}
				unlock(t, w, l)
				return
			}
			var locked *LockedError
			if !errors.As(err, &locked) || !locked.Foreign || locked.Holder != tt.holder || !strings.Contains(strings.Join(locked.Hints(), "\n"), "--break-lock") {
				t.Fatalf("%v", err)
			}
			if want := "another run holds the warehouse: sync, process 42 on elsewhere, since 2026-03-04T05:06:07Z"; locked.Error() != want {
				t.Errorf("%s, want %s", locked, want)
			}
			if _, err := w.Lock("gc", clock); !errors.As(err, &locked) || locked.Holder != tt.holder {
				t.Errorf("asked again: %v", err)
			}
			if l, err = w.BreakLock("gc", clock); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Lock("sync", clock); !errors.As(err, &locked) || locked.Foreign || locked.Holder.Command != "gc" {
				t.Errorf("the broken lock is not held: %v", err)
			}
			unlock(t, w, l)
		})
	}
}

// unlock gives a lock back and sees that the next one gets it.
func unlock(t *testing.T, w *Warehouse, l *Lock) {
	t.Helper()
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(filepath.Join(w.Dir(), lockName)); err != nil || len(raw) != 0 {
		t.Errorf("a claim is left: %q, %v", raw, err)
	}
	next, err := w.Lock("sync", clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Unlock(); err != nil {
		t.Error(err)
	}
}

// A living process of this host is never robbed; one elsewhere is, where a person says so, even if the file system keeps its lock.
func TestBreakingALockThatIsHeld(t *testing.T) {
	w := warehouse(t)
	l, err := w.Lock("sync", clock)
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, err := w.BreakLock("gc", clock); !errors.As(err, &locked) || locked.Foreign {
		t.Fatalf("%v", err)
	}
	elsewhere := Holder{PID: 42, Host: "elsewhere", Boot: "7d2f", Command: "sync", Since: clock}
	claim(t, w, elsewhere) // as if the lock in the system were that process's
	if _, err := w.Lock("gc", clock); !errors.As(err, &locked) || !locked.Foreign {
		t.Fatalf("%v", err)
	}
	broken, err := w.BreakLock("gc", clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil { // the one that was robbed ends after all
		t.Error(err)
	}
	if _, err := w.Lock("sync", clock); !errors.As(err, &locked) || locked.Holder.Command != "gc" {
		t.Errorf("the one that was robbed gave away what is not its own: %v", err)
	}
	unlock(t, w, broken)
}

package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestHeld(t *testing.T) {
	w := Open(filepath.Join(t.TempDir(), "w"))
	if held, err := w.Held(); held != nil || err != nil {
		t.Errorf("no warehouse: %v, %v", held, err)
	}
	l, err := w.Lock("sync", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if held, err := w.Held(); err != nil || held == nil || held.Foreign || held.Holder.PID != os.Getpid() {
		t.Errorf("by this process: %+v, %v", held, err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if held, err := w.Held(); held != nil || err != nil {
		t.Errorf("given back: %v, %v", held, err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const gone = 1 << 30 // more than any system numbers its processes
	for _, tt := range []struct {
		name    string
		doc     string
		held    bool
		foreign bool
	}{
		{"who died here", fmt.Sprintf(`{"pid":%d,"host":%q,"boot":%q}`, gone, host, bootID()), false, false},
		{"before this machine was started anew", fmt.Sprintf(`{"pid":%d,"host":%q,"boot":"another"}`, os.Getpid(), host), false, false},
		{"elsewhere", `{"pid":1,"host":"elsewhere","boot":"another"}`, true, true},
		{"what is no claim", `{"pid":`, false, false},
	} {
		if err := os.WriteFile(filepath.Join(w.dir, lockName), []byte(tt.doc), 0o600); err != nil {
			t.Fatal(err)
		}
		held, err := w.Held()
		if err != nil || (held != nil) != tt.held || held != nil && held.Foreign != tt.foreign {
			t.Errorf("%s: %+v, %v", tt.name, held, err)
		}
	}
}

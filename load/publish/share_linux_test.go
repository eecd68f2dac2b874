package publish

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSharingTouchesNothingThatIsShared: a part that two versions share is read while the second is made.
func TestSharingTouchesNothingThatIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "part")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := access{file: 0o640, group: anotherGroup(t)}
	if err := a.give(path, a.file); err != nil {
		t.Fatal(err)
	}
	changed := func() syscall.Timespec {
		var s syscall.Stat_t
		if err := syscall.Stat(path, &s); err != nil {
			t.Fatal(err)
		}
		return s.Ctim
	}
	before := changed()
	if err := a.give(path, a.file); err != nil {
		t.Fatal(err)
	}
	if changed() != before {
		t.Error("the file was changed again")
	}
}

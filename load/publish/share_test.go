package publish

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// modesOf are the modes below a folder, by path; it fails where something is not the group's.
func modesOf(t *testing.T, dir string, group int) map[string]fs.FileMode {
	t.Helper()
	modes := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if got := int(info.Sys().(*syscall.Stat_t).Gid); group != Private && got != group {
			t.Errorf("%s is of group %d", path, got)
		}
		modes[path] = info.Mode().Perm()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return modes
}

// anotherGroup is one that this process may give files to, and not the one that they have by themselves if there is another.
func anotherGroup(t *testing.T) int {
	t.Helper()
	if os.Geteuid() == 0 {
		return os.Getegid() + 1
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if g != os.Getegid() {
			return g
		}
	}
	return os.Getegid()
}

func TestAGroupReadsVersions(t *testing.T) {
	w, group := warehouse(t), anotherGroup(t)
	publish(t, w, "run-1")
	if err := w.Share(group); err != nil {
		t.Fatal(err)
	}
	publish(t, w, "run-2")
	for path, mode := range modesOf(t, isCurrent(t, w, "run-2").Dir, group) {
		want := fs.FileMode(0o640)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			want = 0o750
		}
		if mode != want {
			t.Errorf("%s has mode %04o, want %04o", path, mode, want)
		}
	}
	for _, dir := range []string{w.Dir(), filepath.Join(w.Dir(), versionsName)} {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o750 || int(info.Sys().(*syscall.Stat_t).Gid) != group {
			t.Errorf("%s: %v, %v: the group cannot look for the version in it", dir, info.Mode(), err)
		}
	}
	if err := w.Share(Private); err != nil {
		t.Fatal(err)
	}
	publish(t, w, "run-3")
	for path, mode := range modesOf(t, isCurrent(t, w, "run-3").Dir, Private) {
		if mode&0o077 != 0 {
			t.Errorf("%s has mode %04o after the group was taken back", path, mode)
		}
	}
}

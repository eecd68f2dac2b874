package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Private is the group of a warehouse that nobody but its owner reads.
const Private = -1

// access says who may read a version.
type access struct {
	file, dir fs.FileMode
	group     int // Private: the owner alone
}

// Share lets a group, by its number, read the versions that are made from now on; with Private, nobody but the owner. Journals and run records stay
// the owner's. The warehouse's folder and that of its versions remember it, so that whatever rewrites a version does as the run did that made it.
func (w *Warehouse) Share(group int) error {
	versions := filepath.Join(w.dir, versionsName)
	if err := os.MkdirAll(versions, dirMode); err != nil {
		return fmt.Errorf("share versions: %w", err)
	}
	now, err := w.access()
	if err != nil || now.group == group {
		return err
	}
	if group == Private {
		if err := os.Chmod(versions, dirMode); err != nil {
			return fmt.Errorf("share versions: %w", err)
		}
		return nil
	}
	a := access{dir: dirMode | groupReads, group: group}
	for _, dir := range []string{w.dir, versions} {
		if err := a.give(dir, a.dir); err != nil {
			return fmt.Errorf("share versions: %w", err)
		}
	}
	return nil
}

// groupReads is what a group that may look into a folder needs; of a file, the reading.
const groupReads = 0o050

// access is what was last given to Share.
func (w *Warehouse) access() (access, error) {
	private := access{file: fileMode, dir: dirMode, group: Private}
	info, err := os.Stat(filepath.Join(w.dir, versionsName))
	if errors.Is(err, fs.ErrNotExist) {
		return private, nil
	}
	if err != nil {
		return access{}, fmt.Errorf("look at the versions: %w", err)
	}
	system, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&groupReads != groupReads {
		return private, nil
	}
	return access{file: fileMode | groupReads&0o040, dir: dirMode | groupReads, group: int(system.Gid)}, nil
}

// give gives a file or folder its mode, and the group where there is one. What has them is left alone, for it may be read meanwhile: a part that two
// versions share is one file.
func (a access) give(path string, mode fs.FileMode) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if system, ok := info.Sys().(*syscall.Stat_t); a.group != Private && (!ok || int(system.Gid) != a.group) {
		if err := os.Lchown(path, -1, a.group); err != nil {
			return err
		}
	}
	if info.Mode().Perm() == mode {
		return nil
	}
	return os.Chmod(path, mode)
}

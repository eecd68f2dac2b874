package publish

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// RunRecord is the path of a run's record.
func (w *Warehouse) RunRecord(run string) string { return filepath.Join(w.dir, runsName, run+".json") }

// Fate is what Prune did with a version.
type Fate struct {
	Run     string
	Removed bool
	Why     string
}

// Prune removes the oldest versions beyond keep, but for the current one and those that somebody has open in DuckDB. The caller holds the
// lock. Versions are named oldest first.
func (w *Warehouse) Prune(keep int) ([]Fate, error) {
	runs, err := w.Versions()
	if err != nil {
		return nil, err
	}
	current, err := w.Current()
	if err != nil && !errors.Is(err, ErrNoVersion) {
		return nil, err
	}
	var fates []Fate
	left := len(runs)
	for _, run := range runs {
		f := Fate{Run: run}
		dir := filepath.Join(w.dir, versionsName, run)
		switch {
		case run == current.Run:
			f.Why = "current"
		case left <= keep:
			f.Why = fmt.Sprintf("among the newest %d", keep)
		case openElsewhere(filepath.Join(dir, databaseName)):
			f.Why = "open in DuckDB"
		default:
			if err := w.remove(run); err != nil {
				return fates, fmt.Errorf("remove version %s: %w", run, err)
			}
			f.Removed, f.Why = true, fmt.Sprintf("older than the newest %d", keep)
			left--
		}
		fates = append(fates, f)
	}
	return fates, nil
}

// remove removes a version that is not current: its name first, so that there is no half of a version under it at any time.
func (w *Warehouse) remove(run string) error {
	dir := filepath.Join(w.dir, versionsName)
	gone := filepath.Join(dir, removePrefix+run)
	if err := os.RemoveAll(gone); err != nil { // an interrupted removal's
		return err
	}
	if err := os.Rename(filepath.Join(dir, run), gone); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), os.RemoveAll(gone))
}

// sweep removes what interrupted builds and removals left.
func (w *Warehouse) sweep() error {
	dir := filepath.Join(w.dir, versionsName)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an unfinished version: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), buildPrefix) && !strings.HasPrefix(e.Name(), removePrefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove an unfinished version: %w", err)
		}
	}
	return nil
}

// openElsewhere tells whether another process has a DuckDB file open: DuckDB holds a lock on what it has open. The file must not be open in
// this process, whose lock this would drop.
func openElsewhere(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // read only
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	return unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock) == nil && lock.Type != unix.F_UNLCK
}

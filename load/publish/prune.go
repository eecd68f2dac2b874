package publish

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// RunRecord is the path of a run's record.
func (w *Warehouse) RunRecord(run string) string { return filepath.Join(w.dir, runsName, run+".json") }

// RunRecords lists the runs that have a record, oldest first. Run ids sort by time.
func (w *Warehouse) RunRecords() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(w.dir, runsName)) // not Glob: the folder's name may have any character in it
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var runs []string
	for _, e := range entries { // in the order of their names
		if run, ok := strings.CutSuffix(e.Name(), ".json"); ok && !strings.HasPrefix(run, ".") {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// Fate is what Prune did with a version.
type Fate struct {
	Run     string
	Removed bool
	Why     string
}

// Retention says which versions Prune keeps beside the current one.
type Retention struct {
	Versions int           // so many of the newest
	For      time.Duration // each so long after it was current last: for readers of Parquet, who cannot be seen
	Most     int           // versions that For keeps at most, with all others; 0: as many as there are
}

// Prune removes the oldest versions that are not kept, but for the current one and those that somebody has open in DuckDB. The caller holds the
// lock. Versions are named oldest first.
func (w *Warehouse) Prune(keep Retention, now time.Time) ([]Fate, error) {
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
		switch why, err := w.wanted(run, left, keep, now); {
		case err != nil:
			return fates, err
		case run == current.Run:
			f.Why = "current"
		case why != "":
			f.Why = why
		default:
			if err := w.remove(run); err != nil {
				return fates, fmt.Errorf("remove version %s: %w", run, err)
			}
			f.Removed, f.Why = true, fmt.Sprintf("older than the newest %d", keep.Versions)
			left--
		}
		fates = append(fates, f)
	}
	return fates, nil
}

// wanted is why a version is kept; empty: it is not. left are those that are there still.
func (w *Warehouse) wanted(run string, left int, keep Retention, now time.Time) (string, error) {
	if left <= keep.Versions {
		return fmt.Sprintf("among the newest %d", keep.Versions), nil
	}
	dir := filepath.Join(w.dir, versionsName, run)
	if openElsewhere(filepath.Join(dir, databaseName)) {
		return "open in DuckDB", nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("version %s: %w", run, err)
	}
	age := max(0, now.Sub(info.ModTime())) // see SetCurrent
	if age < keep.For && (keep.Most == 0 || left <= keep.Most) {
		return fmt.Sprintf("current until %s ago, and kept for %s after that", age.Round(time.Second), keep.For), nil
	}
	return "", nil
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

package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// RunInfo is one run's journal as [List] finds it.
type RunInfo struct {
	Header
	Dir       string // the run's folder
	Sealed    bool
	Encrypted bool // its first segment or its last
	Segments  int
	Bytes     int64 // of all files in the folder
}

const (
	// hiddenPrefix begins the name of a folder that is no run: one that is not made yet, or is being removed.
	hiddenPrefix  = "."
	removedSuffix = ".removed"
)

// List returns the runs whose journals are in root, the oldest first: by their clocks, and by their ids where those are equal. A root that is
// not there holds none. It reads only the first block of a segment or two for each run. A run that cannot be read is left out, and the error,
// which joins all such, tells why; the runs returned beside it are good.
func List(root string) ([]RunInfo, error) {
	names, err := runNames(root)
	if err != nil {
		return nil, err
	}
	var runs []RunInfo
	var faults []error
	for _, name := range names {
		r, err := inspect(filepath.Join(root, name))
		if err != nil {
			faults = append(faults, fmt.Errorf("run %s: %w", name, err))
			continue
		}
		runs = append(runs, r)
	}
	slices.SortFunc(runs, func(a, b RunInfo) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Run, b.Run))
	})
	return runs, errors.Join(faults...)
}

// runNames are the names of the folders in root that are runs.
func runNames(root string) ([]string, error) {
	list, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list the journals: %w", err)
	}
	var names []string
	for _, e := range list {
		if e.IsDir() && !strings.HasPrefix(e.Name(), hiddenPrefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func inspect(dir string) (RunInfo, error) {
	f, err := readFolder(dir)
	if err != nil {
		return RunInfo{}, err
	}
	r := RunInfo{Header: f.header, Dir: dir, Sealed: f.seal != nil, Encrypted: f.encrypted, Segments: len(f.segments)}
	files, err := os.ReadDir(dir)
	if err != nil {
		return RunInfo{}, fmt.Errorf("read a journal's folder: %w", err)
	}
	for _, e := range files {
		// A file that goes meanwhile takes no room any more.
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			r.Bytes += info.Size()
		}
	}
	return r, nil
}

// Remove removes the journal in dir. It is gone by one rename; what a crash leaves behind that, [Clean] removes. Nobody may have the run open.
func Remove(dir string) error { return removeRun(osDisk{}, dir) }

func removeRun(d disk, dir string) error {
	trash := filepath.Join(filepath.Dir(dir), hiddenPrefix+filepath.Base(dir)+removedSuffix)
	err := d.remove(trash)
	if err == nil {
		err = publish(d, dir, trash)
	}
	if err == nil {
		err = d.remove(trash)
	}
	if err != nil {
		return fmt.Errorf("remove a journal: %w", err)
	}
	return nil
}

// Clean finishes what crashes interrupted in root: runs half made or half removed go, seals get their names, temporary files of rewrites
// are removed, for a rewrite begins anew. It must be called under the warehouse's lock. A run that cannot be read is left as it is: that is
// for [Check] to report.
func Clean(root string) error { return clean(osDisk{}, root) }

func clean(d disk, root string) error {
	list, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clean the journals: %w", err)
	}
	for _, e := range list {
		name := e.Name()
		if strings.HasPrefix(name, hiddenPrefix) && (strings.HasSuffix(name, tempSuffix) || strings.HasSuffix(name, removedSuffix)) {
			if err := d.remove(filepath.Join(root, name)); err != nil {
				return fmt.Errorf("clean the journals: %w", err)
			}
			continue
		}
		if !e.IsDir() {
			continue
		}
		f, err := readFolder(filepath.Join(root, name))
		if err != nil || !f.sealPending && len(f.temps) == 0 {
			continue
		}
		if err := f.settle(d); err != nil {
			return fmt.Errorf("clean the journals: %w", err)
		}
	}
	return nil
}

package publish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// RunRecord is the path of a run's record.
func (w *Warehouse) RunRecord(run string) string { return filepath.Join(w.dir, runsName, run+".json") }

// Prune removes the oldest versions beyond keep. The current one stays whatever its age. It returns the runs whose versions are gone.
func (w *Warehouse) Prune(keep int) ([]string, error) {
	runs, err := w.Versions()
	if err != nil || len(runs) <= keep {
		return nil, err
	}
	current, err := w.Current()
	if err != nil && !errors.Is(err, ErrNoVersion) {
		return nil, err
	}
	var gone []string
	for _, run := range runs {
		if len(runs)-len(gone) <= keep {
			break
		}
		if run == current.Run {
			continue
		}
		if err := os.RemoveAll(filepath.Join(w.dir, versionsName, run)); err != nil {
			return gone, fmt.Errorf("remove version %s: %w", run, err)
		}
		gone = append(gone, run)
	}
	return gone, nil
}

package journal

import (
	"fmt"
	"path/filepath"
)

// DamageError says that a file of a run's journal is not what was written. What it wraps names no contents.
type DamageError struct {
	Run    string // the run's folder, its base name
	File   string // base name
	Offset int64  // of the block that is damaged, in bytes; 0 for a whole file
	Err    error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal file %s/%s is damaged at byte %d: %v", e.Run, e.File, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// damaged is the DamageError for the file at path.
func damaged(path string, off int64, err error) error {
	return &DamageError{Run: filepath.Base(filepath.Dir(path)), File: filepath.Base(path), Offset: off, Err: err}
}

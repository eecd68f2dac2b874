package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is an output file that is there whole or not at all: it is written aside and takes its name on Commit.
type File struct {
	io.Writer
	file   *os.File
	target string // what Commit replaces; empty: a device or pipe, written as it is
}

// Create begins the file at path. A link is followed; a device or pipe is written to as it is. Call Commit or Abort.
func Create(path string) (*File, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("write %s: %w", path, err)
	case info.IsDir():
		return nil, fmt.Errorf("write %s: it is a folder", path)
	case !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
		return &File{Writer: f, file: f}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &File{Writer: f, file: f, target: path}, nil
}

// Aside is the path at which the file is being written, for writers that want a path; false where there is none.
func (f *File) Aside() (string, bool) { return f.file.Name(), f.target != "" }

// Commit makes the file durable and gives it its name.
func (f *File) Commit() error {
	if f.target == "" {
		return f.file.Close()
	}
	err := errors.Join(f.file.Sync(), f.file.Close())
	if err == nil {
		err = os.Rename(f.file.Name(), f.target)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.target, err), os.Remove(f.file.Name()))
	}
	dir, err := os.Open(filepath.Dir(f.target))
	if err != nil {
		return fmt.Errorf("write %s: %w", f.target, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Abort forgets the file; one that was there before stays.
func (f *File) Abort() error {
	err := f.file.Close()
	if f.target != "" {
		err = errors.Join(err, os.Remove(f.file.Name()))
	}
	return err
}

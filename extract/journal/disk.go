package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// disk is the file system as the journal writes to it. Reading goes to package os.
type disk interface {
	// mkdir makes one folder, 0700 whatever the umask.
	mkdir(path string) error
	// create makes a new empty file, 0600 whatever the umask; one that exists is an error.
	create(path string) (file, error)
	// reopen cuts an existing file to size and continues it there.
	reopen(path string, size int64) (file, error)
	rename(from, to string) error
	// remove removes a file, or a folder with all that is in it; that it is not there is no error.
	remove(path string) error
	// syncDir makes the names in a folder durable.
	syncDir(path string) error
}

// file is a file being written.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

type osDisk struct{}

func (osDisk) mkdir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, 0o700)
}

func (osDisk) create(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o600); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (osDisk) reopen(path string, size int64) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(size)
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (osDisk) rename(from, to string) error { return os.Rename(from, to) }

func (osDisk) remove(path string) error { return os.RemoveAll(path) }

func (osDisk) syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeFolders makes dir and whatever is missing above it. The names are durable afterwards, dir's even if a process made it that was killed
// before it could see to that.
func makeFolders(d disk, dir string) error {
	if err := makeMissing(d, dir); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(dir))
}

func makeMissing(d disk, dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := makeFolders(d, filepath.Dir(dir)); err != nil {
		return err
	}
	return d.mkdir(dir)
}

// syncFile makes durable what a process that was killed had written to a file.
func syncFile(d disk, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := d.reopen(path, info.Size())
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// publish gives the durable file (or folder) from the name to, in the same folder, durably.
func publish(d disk, from, to string) error {
	if err := d.rename(from, to); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(to))
}

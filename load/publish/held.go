package publish

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Held says who holds the warehouse, nil where nobody does, by what the lock's file says: the lock itself is not touched, for a run that began in that
// moment would find it taken. What a process of this host left that is no more counts for nothing.
func (w *Warehouse) Held() (*LockedError, error) {
	them, err := readHolder(filepath.Join(w.dir, lockName))
	if errors.Is(err, fs.ErrNotExist) || err == nil && them.PID == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	us := Holder{Boot: bootID()}
	if us.Host, err = os.Hostname(); err != nil {
		us.Host = "unknown host"
	}
	if them.Host == us.Host && (them.Boot != us.Boot || errors.Is(syscall.Kill(them.PID, 0), syscall.ESRCH)) {
		return nil, nil
	}
	return &LockedError{Holder: them, Foreign: them.foreign(us)}, nil
}

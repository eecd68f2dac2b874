package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// LockedError says that another process holds the warehouse.
type LockedError struct {
	Holder Holder
}

// Holder is who holds a lock.
type Holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

func (e *LockedError) Error() string {
	if e.Holder.PID == 0 {
		return "another run holds the warehouse"
	}
	return fmt.Sprintf("another run holds the warehouse: %s, process %d on %s, since %s", e.Holder.Command, e.Holder.PID, e.Holder.Host,
		e.Holder.Since.UTC().Format(time.RFC3339))
}

// Hints says what to do.
func (e *LockedError) Hints() []string {
	return []string{"wait for it to end; readers and `rollcall query` need no lock"}
}

// Lock is the right to write to a warehouse. It ends with the process, however that ends.
type Lock struct {
	file *flock.Flock
}

// Lock takes the warehouse's lock at once or returns a *LockedError. The warehouse's folder is made if need be.
func (w *Warehouse) Lock(command string, now time.Time) (*Lock, error) {
	if err := os.MkdirAll(w.dir, dirMode); err != nil {
		return nil, fmt.Errorf("make the warehouse: %w", err)
	}
	path := filepath.Join(w.dir, lockName)
	l := flock.New(path, flock.SetPermissions(fileMode), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	held, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the warehouse: %w", err)
	}
	if !held {
		var h Holder
		if raw, err := os.ReadFile(path); err == nil {
			_ = json.Unmarshal(raw, &h) // who it is helps; that it is held is what counts
		}
		return nil, &LockedError{Holder: h}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	doc, err := json.Marshal(Holder{PID: os.Getpid(), Host: host, Command: command, Since: now})
	if err == nil {
		err = os.WriteFile(path, doc, fileMode)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the warehouse: %w", err), l.Unlock())
	}
	return &Lock{file: l}, nil
}

// Unlock gives the lock back. The file stays: removing it would let two processes lock two files of one name.
func (l *Lock) Unlock() error { return l.file.Unlock() }

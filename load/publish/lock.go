package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// LockedError says that another process holds the warehouse.
type LockedError struct {
	Holder  Holder
	Foreign bool // it runs on another host, or ran there and never gave the lock back
}

// Holder is who holds a lock.
type Holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Boot    string    `json:"boot,omitempty"` // what the running system calls itself since it was started; containers share it
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
	if e.Foreign {
		return []string{
			fmt.Sprintf("look on %s whether that process still runs: from here it cannot be told", e.Holder.Host),
			"if it certainly does not, the same command with --break-lock takes the lock; two runs at once would destroy each other's work",
		}
	}
	return []string{"wait for it to end; readers and `rollcall query` need no lock"}
}

// foreign tells whether the holder is, or was, on another host than us. What another container on this very system holds is held by the
// kernel that we ask too; and a host that was started anew since runs nothing of before.
func (h Holder) foreign(us Holder) bool {
	return h.PID != 0 && h.Host != us.Host && (h.Boot == "" || h.Boot != us.Boot)
}

// Lock is the right to write to a warehouse. It ends with the process, however that ends, for everybody on this host. On a shared file system
// a lock may mean nothing to another host: there, what tells is the file's content, which is a claim until it is cleared by Unlock.
type Lock struct {
	file *flock.Flock
	path string
	us   Holder
}

// Lock takes the warehouse's lock at once or returns a *LockedError. The warehouse's folder is made if need be.
func (w *Warehouse) Lock(command string, now time.Time) (*Lock, error) {
	return w.lock(command, now, false)
}

// BreakLock is Lock, but where the holder is on another host it takes the lock all the same. It is for a person to say that nothing runs
// there any more. A lock that is held on this host is not taken: it is held by a living process.
func (w *Warehouse) BreakLock(command string, now time.Time) (*Lock, error) {
	return w.lock(command, now, true)
}

func (w *Warehouse) lock(command string, now time.Time, breaking bool) (*Lock, error) {
	if err := os.MkdirAll(w.dir, dirMode); err != nil {
		return nil, fmt.Errorf("make the warehouse: %w", err)
	}
	us := Holder{PID: os.Getpid(), Host: "unknown host", Boot: bootID(), Command: command, Since: now}
	if host, err := os.Hostname(); err == nil {
		us.Host = host
	}
	l := &Lock{path: filepath.Join(w.dir, lockName), us: us}
	if err := l.take(breaking); err != nil {
		return nil, err
	}
	doc, err := json.Marshal(us)
	if err == nil {
		err = os.WriteFile(l.path, doc, fileMode)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the warehouse: %w", err), l.file.Unlock())
	}
	return l, nil
}

// take gets hold of the file where neither the system nor the file's content says that another has it.
func (l *Lock) take(breaking bool) error {
	held, err := l.try()
	if err != nil {
		return err
	}
	them, err := readHolder(l.path)
	if err != nil {
		return errors.Join(err, l.release(held))
	}
	foreign := them.foreign(l.us)
	switch {
	case held && (!foreign || breaking):
		return nil
	case !foreign || !breaking:
		return errors.Join(&LockedError{Holder: them, Foreign: foreign}, l.release(held))
	}
	// The file system keeps the lock of a host that is gone: a new file has none.
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("break the lock: %w", err)
	}
	if held, err = l.try(); err == nil && !held {
		err = &LockedError{}
	}
	return err
}

func (l *Lock) try() (held bool, err error) {
	l.file = flock.New(l.path, flock.SetPermissions(fileMode), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	if held, err = l.file.TryLock(); err != nil {
		return false, fmt.Errorf("lock the warehouse: %w", err)
	}
	return held, nil
}

func (l *Lock) release(held bool) error {
	if !held {
		return nil
	}
	return l.file.Unlock()
}

// readHolder is who wrote the lock's file; nobody where it is empty, or was written in the moment that it is read.
func readHolder(path string) (h Holder, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return h, fmt.Errorf("read who holds the warehouse: %w", err)
	}
	_ = json.Unmarshal(raw, &h) // who it is helps; that it is held is what counts
	return h, nil
}

// Unlock gives the lock back. The file stays, empty: removing it would let two processes lock two files of one name. Where the lock was broken
// meanwhile, what the other wrote is left to it.
func (l *Lock) Unlock() error {
	them, err := readHolder(l.path)
	them.Since, l.us.Since = them.Since.UTC(), l.us.Since.Round(0).UTC() // as JSON has it
	if err == nil && them == l.us {
		if err = os.Truncate(l.path, 0); err != nil {
			err = fmt.Errorf("unlock the warehouse: %w", err)
		}
	}
	if errors.Is(err, fs.ErrNotExist) { // nobody claims anything then
		err = nil
	}
	return errors.Join(err, l.file.Unlock())
}

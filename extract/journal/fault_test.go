package journal

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

var errCrash = errors.New("crashed")

// quickDisk is the real disk without its fsyncs, for tests that kill no machine.
type quickDisk struct{ osDisk }

type quickFile struct{ file }

func (quickFile) Sync() error { return nil }

func (d quickDisk) create(path string) (file, error) { return quick(d.osDisk.create(path)) }

func (d quickDisk) reopen(path string, size int64) (file, error) {
	return quick(d.osDisk.reopen(path, size))
}

func quick(f file, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return quickFile{f}, nil
}

func (quickDisk) syncDir(string) error { return nil }

// crashDisk writes to the real disk until its crash. From then on every call fails and nothing changes any more. If the machine lost its
// power, and not just the process its life, powerLoss then undoes some of what no fsync made durable.
type crashDisk struct {
	quickDisk
	rng   *rand.Rand
	at    int // the call that crashes, counted from 1; 0 for none
	calls int
	dead  bool
	files map[string]*crashFile // by the path under which they are written
	names []nameChange          // not yet durable, in order
}

// nameChange is a change of a name in a folder that a crash of the machine may undo.
type nameChange struct {
	path string
	undo func()
}

func newCrashDisk(at int, seed uint64) *crashDisk {
	return &crashDisk{at: at, rng: rand.New(rand.NewPCG(seed, uint64(at))), files: make(map[string]*crashFile)}
}

// step counts a call and says whether it may take place.
func (d *crashDisk) step() error {
	d.calls++
	if d.dead || d.calls == d.at {
		d.dead = true
		return errCrash
	}
	return nil
}

func (d *crashDisk) mkdir(path string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.names = append(d.names, nameChange{path, func() { must(os.RemoveAll(path)) }})
	return d.quickDisk.mkdir(path)
}

func (d *crashDisk) create(path string) (file, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	f, err := d.quickDisk.create(path)
	if err != nil {
		return nil, err
	}
	d.names = append(d.names, nameChange{path, func() { must(os.RemoveAll(path)) }})
	d.files[path] = &crashFile{file: f, disk: d, path: path}
	return d.files[path], nil
}

func (d *crashDisk) reopen(path string, size int64) (file, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	f, err := d.quickDisk.reopen(path, size)
	if err != nil {
		return nil, err
	}
	synced := size
	if before := d.files[path]; before != nil {
		synced = min(synced, before.synced)
	}
	d.files[path] = &crashFile{file: f, disk: d, path: path, size: size, synced: synced}
	return d.files[path], nil
}

func (d *crashDisk) rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	backup := to + ".before"
	replaced := os.Link(to, backup) == nil
	d.names = append(d.names, nameChange{to, func() {
		must(os.Rename(to, from))
		if replaced {
			must(os.Rename(backup, to))
		}
	}})
	if err := d.quickDisk.rename(from, to); err != nil {
		return err
	}
	for path, f := range d.files {
		if path == from || strings.HasPrefix(path, from+"/") {
			delete(d.files, path)
			f.path = to + strings.TrimPrefix(path, from)
			d.files[f.path] = f
		}
	}
	return nil
}

func (d *crashDisk) remove(path string) error {
	if err := d.step(); err != nil {
		return err
	}
	within := func(p string) bool { return p == path || strings.HasPrefix(p, path+"/") }
	maps.DeleteFunc(d.files, func(p string, _ *crashFile) bool { return within(p) })
	d.names = slices.DeleteFunc(d.names, func(c nameChange) bool { return within(c.path) })
	return d.quickDisk.remove(path)
}

func (d *crashDisk) syncDir(path string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.names = slices.DeleteFunc(d.names, func(c nameChange) bool { return filepath.Dir(c.path) == path })
	return nil
}

// afterCrash leaves the files as the next process finds them; power says that the machine lost its power.
func (d *crashDisk) afterCrash(root string, power bool) {
	if power {
		d.powerLoss()
	}
	must(filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".before") {
			return os.Remove(path)
		}
		return err
	}))
}

// revive has a new process run on the disk after the one before was killed; its at'th call crashes.
func (d *crashDisk) revive(at int) { d.dead, d.calls, d.at = false, 0, at }

// powerLoss undoes the last few changes of names that are not durable, and leaves of what was written since a file's fsync a part, with zeros
// for what did not reach the disk.
func (d *crashDisk) powerLoss() {
	for _, f := range d.files {
		keep := f.synced
		if f.size > f.synced {
			keep += d.rng.Int64N(f.size - f.synced + 1)
		}
		if keep == f.size {
			continue
		}
		must(os.Truncate(f.path, keep))
		if d.rng.IntN(2) == 0 {
			must(os.Truncate(f.path, f.size))
		}
	}
	undo := 0
	if len(d.names) > 0 {
		undo = d.rng.IntN(len(d.names) + 1)
	}
	for range undo {
		last := len(d.names) - 1
		d.names[last].undo()
		d.names = d.names[:last]
	}
}

type crashFile struct {
	file
	disk   *crashDisk
	path   string
	size   int64
	synced int64
}

// Write tears at any byte when it crashes.
func (f *crashFile) Write(b []byte) (int, error) {
	dead := f.disk.dead
	if err := f.disk.step(); err != nil {
		if dead {
			return 0, err
		}
		n, _ := f.file.Write(b[:f.disk.rng.IntN(len(b)+1)])
		f.size += int64(n)
		return n, err
	}
	n, err := f.file.Write(b)
	f.size += int64(n)
	return n, err
}

func (f *crashFile) Truncate(size int64) error {
	if err := f.disk.step(); err != nil {
		return err
	}
	f.size, f.synced = size, min(size, f.synced)
	return f.file.Truncate(size)
}

func (f *crashFile) Sync() error {
	if err := f.disk.step(); err != nil {
		return err
	}
	f.synced = f.size
	return nil
}

// faultDisk fails one kind of call while a fault is set, and works before and after.
type faultDisk struct {
	quickDisk
	mu    sync.Mutex
	fault map[string]error
	torn  int // bytes that a failing write still writes
	syncs int
	gate  chan struct{} // if set, each fsync takes from it first
}

func (d *faultDisk) set(op string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = map[string]error{op: err}
}

func (d *faultDisk) failure(op string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fault[op]
}

func (d *faultDisk) create(path string) (file, error) {
	if err := d.failure("create"); err != nil {
		return nil, err
	}
	f, err := d.quickDisk.create(path)
	if err != nil {
		return nil, err
	}
	return &faultFile{file: f, disk: d}, nil
}

func (d *faultDisk) mkdir(path string) error {
	if err := d.failure("mkdir"); err != nil {
		return err
	}
	return d.quickDisk.mkdir(path)
}

func (d *faultDisk) reopen(path string, size int64) (file, error) {
	if err := d.failure("reopen"); err != nil {
		return nil, err
	}
	f, err := d.quickDisk.reopen(path, size)
	if err != nil {
		return nil, err
	}
	return &faultFile{file: f, disk: d}, nil
}

func (d *faultDisk) rename(from, to string) error {
	if err := d.failure("rename"); err != nil {
		return err
	}
	return d.quickDisk.rename(from, to)
}

func (d *faultDisk) syncDir(string) error { return d.failure("syncdir") }

type faultFile struct {
	file
	disk *faultDisk
}

func (f *faultFile) Write(b []byte) (int, error) {
	if err := f.disk.failure("write"); err != nil {
		n, _ := f.file.Write(b[:min(len(b), f.disk.torn)])
		return n, err
	}
	return f.file.Write(b)
}

func (f *faultFile) Sync() error {
	if f.disk.gate != nil {
		<-f.disk.gate
	}
	f.disk.mu.Lock()
	f.disk.syncs++
	f.disk.mu.Unlock()
	return f.disk.failure("sync")
}

var errDiskFull error = syscall.ENOSPC

func must(err error) {
	if err != nil {
		panic(err)
	}
}

package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-data/rollcall/load/publish"
)

const gigabyte = 1e9

// file looks at the configuration file and at those that hold secrets. What they say was checked when it was read.
func (e *examination) file() {
	path := e.c.File()
	if path == "" {
		e.say("config", OK, "no file: environment and flags", "")
	} else if info, err := os.Stat(path); err != nil {
		e.say("config", Fail, "the file cannot be looked at: "+reason(err), "")
	} else {
		mode := info.Mode().Perm()
		found := fmt.Sprintf("%s, mode %04o", path, mode)
		switch {
		case mode&0o022 != 0:
			e.say("config", Fail, found+": others can write it, and so send the credentials elsewhere", "chmod go-w "+path)
		case mode&0o004 != 0:
			e.say("config", Warn, found+": everybody can read whom it asks and tells", "chmod o-r "+path)
		default:
			e.say("config", OK, found, "")
		}
	}
	for _, s := range e.c.SecretFiles() {
		info, err := os.Stat(s.Path)
		if err != nil { // that it cannot be read is said where it is used
			continue
		}
		if mode := info.Mode().Perm(); mode&0o006 != 0 {
			e.say("secret file", Fail, fmt.Sprintf("%s of %s has mode %04o: everybody can read it", s.Path, s.Key, mode), "chmod 600 "+s.Path)
		}
	}
}

// reason is the cause of a file error, without its path.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// disk compares what is free with what the next version takes: it lies beside the current one, and its journal beside that one's.
func (e *examination) disk(wh *publish.Warehouse) {
	dir := existing(wh.Dir())
	if err := syscall.Access(dir, 0x2); err != nil {
		e.say("disk", Fail, dir+" cannot be written to: "+err.Error(), "run as the user who owns the warehouse, or name another folder with --warehouse")
		return
	}
	var fsys syscall.Statfs_t
	if err := syscall.Statfs(dir, &fsys); err != nil {
		e.say("disk", Warn, "what is free cannot be told: "+err.Error(), "")
		return
	}
	free := float64(fsys.Bavail) * float64(fsys.Bsize)
	v, err := wh.Current()
	if errors.Is(err, publish.ErrNoVersion) {
		e.say("disk", OK, fmt.Sprintf("%.1f GB free; how much a version takes is known after the first", free/gigabyte), "")
		return
	}
	if err != nil {
		e.say("disk", Fail, err.Error(), "rollcall rollback makes an earlier version current")
		return
	}
	var version int64
	for _, f := range v.Manifest.Files {
		version += f.Size
	}
	journal := size(filepath.Join(wh.Journal(), v.Manifest.DataRun))
	need := float64(2*version + journal)
	found := fmt.Sprintf("%.1f GB free; the next version needs %.1f GB at most: %.1f GB and as much to build it, %.1f GB of journal", free/gigabyte, need/gigabyte,
		float64(version)/gigabyte, float64(journal)/gigabyte)
	mend := "free some space; fewer keep_versions and a shorter keep_journal take less, and rollcall gc removes what is no longer kept"
	switch {
	case free < float64(version+journal):
		e.say("disk", Fail, found, mend)
	case free < need:
		e.say("disk", Warn, found, mend)
	default:
		e.say("disk", OK, found, "")
	}
}

// existing is the folder, or the nearest one above that is there.
func existing(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	for {
		if _, err := os.Stat(abs); err == nil || abs == filepath.Dir(abs) {
			return abs
		}
		abs = filepath.Dir(abs)
	}
}

// size is what the files below a folder take; what cannot be seen takes nothing.
func size(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// modes looks whether others can read the warehouse: nobody, but the group that versions are shared with.
func (e *examination) modes(wh *publish.Warehouse) {
	root := wh.Dir()
	info, err := os.Stat(root)
	if errors.Is(err, fs.ErrNotExist) {
		e.say("file modes", Skip, "there is no warehouse yet", "")
		return
	}
	if err != nil {
		e.say("file modes", Fail, "the warehouse cannot be looked at: "+reason(err), "")
		return
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		e.say("owner", Warn, fmt.Sprintf("the warehouse belongs to user %d, and this is user %d: what a run makes now, that one's cannot remove", st.Uid, os.Geteuid()),
			"run rollcall as the user who owns the warehouse")
	}
	shared := e.c.ShareGroup != ""
	first, open := "", 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.Type()&fs.ModeSymlink != 0 {
			return nil // it went meanwhile; a link has no mode of its own
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info.Mode().Perm()&^allowed(root, path, d.IsDir(), shared) != 0 {
			if open++; first == "" {
				first = fmt.Sprintf("%s has mode %04o", path, info.Mode().Perm())
			}
		}
		return nil
	})
	switch {
	case err != nil:
		e.say("file modes", Fail, "the warehouse cannot be looked at: "+reason(err), "run as the user who owns the warehouse")
	case open > 0:
		e.say("file modes", Fail, fmt.Sprintf("%d files or folders are open to others: %s", open, first), "chmod -R o-rwx,g-w "+root+privately(shared))
	default:
		e.say("file modes", OK, "nobody else can read the warehouse"+except(shared, e.c.ShareGroup), "")
	}
}

func privately(shared bool) string {
	if shared {
		return ", and g-rwx but for its versions"
	}
	return ", and g-rwx: or name the group that may read in share_group"
}

func except(shared bool, group string) string {
	if shared {
		return ", but versions the group " + group
	}
	return ""
}

// allowed are the bits of a mode that a file of the warehouse may have.
func allowed(root, path string, dir, shared bool) fs.FileMode {
	mode := fs.FileMode(0o600)
	if dir {
		mode = 0o700
	}
	rel, err := filepath.Rel(root, path)
	if err != nil || !shared {
		return mode
	}
	if top, _, _ := strings.Cut(rel, string(filepath.Separator)); rel == "." || top == "versions" {
		mode |= mode >> 3 & 0o050
	}
	return mode
}

// lock says who holds the warehouse. That somebody does is no fault.
func (e *examination) lock(wh *publish.Warehouse) {
	held, err := wh.Held()
	switch {
	case err != nil:
		e.say("lock", Fail, err.Error(), "run as the user who owns the warehouse")
	case held == nil:
		e.say("lock", OK, "free", "")
	case held.Foreign:
		e.say("lock", Warn, held.Error(), strings.Join(held.Hints(), "; "))
	default:
		e.say("lock", OK, fmt.Sprintf("%s; that is %s", held.Error(), e.now().Sub(held.Holder.Since).Round(time.Second)), "")
	}
}

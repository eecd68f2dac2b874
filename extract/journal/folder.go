package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// folder is a run's folder as it lies on disk, before any segment has been read.
type folder struct {
	dir      string
	segments []string // base names, from 00001 on without a gap
	header   Header   // as the first segment has it
	// sweepsFrom is the last segment's word on which sweep counts.
	sweepsFrom int
	seal       *seal // nil: the run is not sealed
	// sealPending says that a crash came between sealing the last segment and giving the seal its name.
	sealPending bool
	encrypted   bool // its first segment or its last
	keys        keyring
	heads       bool     // walks are for heads
	temps       []string // what a crash left, of no more use
	strangers   []string // not ours
}

var (
	segmentPattern = regexp.MustCompile(`^\d{5}\.rcj$`)
	tempPattern    = regexp.MustCompile(`^\d{5}\.rcj\.tmp$`)
)

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

// readFolder lists dir, and reads the seal if there is one and the preambles it needs. Segments missing or too many are a *DamageError.
func readFolder(dir string) (folder, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return folder{}, fmt.Errorf("read a journal's folder: %w", err)
	}
	f := folder{dir: dir}
	sealed, temp := f.sort(list)
	if len(f.segments) == 0 {
		return folder{}, damaged(f.path(segmentName(1)), 0, errMissing)
	}
	for i, name := range f.segments {
		if want := segmentName(i + 1); name != want {
			return folder{}, damaged(f.path(want), 0, errMissing)
		}
	}
	first, err := readPreamble(f.path(f.segments[0]))
	if err != nil {
		return folder{}, err
	}
	last, err := readPreamble(f.path(f.segments[len(f.segments)-1]))
	if err != nil {
		return folder{}, err
	}
	f.header, f.sweepsFrom, f.encrypted = first.Header, last.SweepsFrom, first.Key != nil || last.Key != nil
	if err := f.readSeal(sealed, temp); err != nil {
		return folder{}, err
	}
	return f, nil
}

// sort puts each name where it belongs, and says whether there is a seal and one under its temporary name.
func (f *folder) sort(list []os.DirEntry) (sealed, temp bool) {
	for _, e := range list {
		switch name := e.Name(); {
		case name == sealName:
			sealed = true
		case name == sealName+tempSuffix:
			temp = true
		case segmentPattern.MatchString(name):
			f.segments = append(f.segments, name)
		case tempPattern.MatchString(name):
			f.temps = append(f.temps, name)
		default:
			f.strangers = append(f.strangers, name)
		}
	}
	return sealed, temp
}

// readSeal reads the seal from where it is, and compares it with the segments.
func (f *folder) readSeal(sealed, temp bool) (err error) {
	switch {
	case sealed:
		f.seal, err = readSeal(f.path(sealName))
		if temp {
			f.temps = append(f.temps, sealName+tempSuffix)
		}
	case temp && endsSealed(f.path(f.segments[len(f.segments)-1])):
		f.seal, err = readSeal(f.path(sealName + tempSuffix))
		f.sealPending = true
	case temp:
		f.temps = append(f.temps, sealName+tempSuffix)
	}
	if err != nil {
		return err
	}
	return f.compareSeal()
}

// compareSeal finds the segments that the seal names and that are not there, and the other way round.
func (f folder) compareSeal() error {
	if f.seal == nil {
		return nil
	}
	for i := range max(len(f.segments), len(f.seal.Segments)) {
		switch {
		case i >= len(f.segments):
			return damaged(f.path(f.seal.Segments[i].Name), 0, errMissing)
		case i >= len(f.seal.Segments):
			return damaged(f.path(f.segments[i]), 0, errExtra)
		}
	}
	return nil
}

// settle finishes what a crash interrupted: a seal gets its name, temporary files go, and names that were given are durable.
func (f *folder) settle(d disk) error {
	if f.sealPending {
		// The process may have been killed before the fsync of the trailer that seals the run, and the seal must not be there without it.
		err := syncFile(d, f.path(f.segments[len(f.segments)-1]))
		if err == nil {
			err = d.rename(f.path(sealName+tempSuffix), f.path(sealName))
		}
		if err != nil {
			return fmt.Errorf("seal a journal: %w", err)
		}
		f.sealPending = false
	}
	for _, name := range f.temps {
		if err := d.remove(f.path(name)); err != nil {
			return fmt.Errorf("remove what a crash left: %w", err)
		}
	}
	f.temps = nil
	for _, dir := range []string{f.dir, filepath.Dir(f.dir)} {
		if err := d.syncDir(dir); err != nil {
			return fmt.Errorf("finish what a crash interrupted: %w", err)
		}
	}
	return nil
}

// walk reads segment i, verifies it, and compares what it says of itself with its place in the run.
func (f folder) walk(ctx context.Context, i int, fn func(*block) error) (walked, error) {
	last := i == len(f.segments)-1
	w, err := walk{
		path:    f.path(f.segments[i]),
		limit:   -1,
		mayTear: last && f.seal == nil,
		verify:  true,
		heads:   f.heads,
		keys:    f.keys,
	}.run(ctx, fn)
	if err != nil {
		return walked{}, err
	}
	fault := func(off int64, err error) (walked, error) {
		return walked{}, damaged(f.path(w.name), off, err)
	}
	switch {
	case w.preamble.Segment != i+1 || w.preamble.Run != filepath.Base(f.dir) || !w.preamble.Header.equal(f.header),
		f.seal != nil && (f.seal.Run != w.preamble.Run || f.seal.Segments[i] != sealedSegment{Name: w.name, ID: segmentID(w.id)}):
		return fault(0, errOtherRun)
	case w.trailer == nil && (!last || f.seal != nil):
		return fault(w.size, errNoTrailer)
	case w.trailer == nil:
		return w, nil
	case w.trailer.Sealed && f.seal == nil && last:
		return walked{}, damaged(f.path(sealName), 0, errMissing)
	case w.trailer.Sealed != (f.seal != nil && last):
		return fault(w.size, errSealed)
	}
	return w, nil
}

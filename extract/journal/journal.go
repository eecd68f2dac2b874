package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Journal is one run's journal, open. It is safe for concurrent use. Whoever opened it closes or seals it.
type Journal struct {
	dir        string
	header     Header
	segments   []extent
	sweepsFrom int // the number of the first segment whose sweep answers count
	spots      []spot
	cache      *cache

	mu     sync.Mutex // guards what follows
	sweeps *index
	others *index
	notes  map[string]json.RawMessage
	failed error // the first failure; nothing is acknowledged after it

	disk    disk
	known   *known       // what the last segment has already
	writing *segment     // the last segment, nil if read-only; the committer's alone until it has stopped
	durable atomic.Int64 // bytes of it that are fsynced
	queue   chan *pending
	stop    chan struct{}
	stopped chan struct{}
	ending  sync.Mutex // guards ended
	ended   bool
}

// extent is what of a segment is to be read.
type extent struct {
	name  string
	id    uint64
	codec codec
	first uint32 // position of its block 1 among the run's blocks of entries
	end   int64  // of its whole blocks; of the segment being written, see Journal.durable
}

// Report says what was found when a run's journal was opened.
type Report struct {
	Sealed   bool
	Segments int // processes that worked on the run before
	Answers  int // usable answers that will be handed out
	SetAside int // usable answers of sweeps that were begun anew, now or at an earlier resume: they will not be handed out
	// SweepDropped says that it is this resume that set them aside, for their age.
	SweepDropped bool
	// TornFile is the base name of the file whose tail a crash tore, and TornBytes how much of it was never acknowledged; empty and 0 if
	// the last process came to an orderly end, or died between two blocks.
	TornFile  string
	TornBytes int64
}

// ResumeOptions is what [Resume] needs to know.
type ResumeOptions struct {
	// Now is the time by which answers are old. It must be given.
	Now time.Time
	// SweepMaxAge is how old the oldest answer of a sweep may be for the sweep to be resumed; 0 is six hours.
	SweepMaxAge time.Duration
	// Recipients are whom what this process records is encrypted for; none: it is plain. What is there already stays as it is.
	Recipients []Recipient
	// Identities open what is there already, where it is encrypted.
	Identities []*Identity
}

const defaultSweepMaxAge = 6 * time.Hour

// Create begins the journal of a new run in dir, whose base name is h.Run and which must not exist; folders above it are made. The folder
// appears whole, with the header durable in it, or not at all. Whatever is recorded is encrypted for the recipients, each of whom can open it
// alone; without recipients it is plain.
func Create(dir string, h Header, recipients ...Recipient) (*Journal, error) {
	return create(osDisk{}, dir, h, recipients...)
}

func create(d disk, dir string, h Header, recipients ...Recipient) (*Journal, error) {
	h, err := h.normal()
	if err != nil {
		return nil, fmt.Errorf("create a journal: %w", err)
	}
	if filepath.Base(dir) != h.Run || strings.HasPrefix(h.Run, hiddenPrefix) {
		return nil, fmt.Errorf("create a journal: the folder %s is not named by a run's id", dir)
	}
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("create a journal: %s is there already", dir)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("create a journal: %w", err)
	}
	temp := filepath.Join(filepath.Dir(dir), hiddenPrefix+h.Run+tempSuffix)
	seg, err := createFolder(d, temp, dir, preamble{Header: h, Segment: 1, SweepsFrom: 1}, recipients)
	if err != nil {
		return nil, fmt.Errorf("create a journal: %w", err)
	}
	j, _ := (&loader{
		folder: folder{dir: dir, header: h, sweepsFrom: 1},
		sweeps: newIndex(), others: newIndex(), notes: make(map[string]json.RawMessage),
	}).journal()
	j.start(d, seg, 1)
	return j, nil
}

// createFolder makes dir with its first segment, aside and then by one rename.
func createFolder(d disk, temp, dir string, p preamble, recipients []Recipient) (*segment, error) {
	if err := makeFolders(d, filepath.Dir(dir)); err != nil {
		return nil, err
	}
	if err := d.remove(temp); err != nil {
		return nil, err
	}
	if err := d.mkdir(temp); err != nil {
		return nil, err
	}
	seg, err := createSegment(d, temp, p, recipients)
	if err != nil {
		return nil, err
	}
	if err := publish(d, temp, dir); err != nil {
		return nil, errors.Join(err, seg.f.Close())
	}
	return seg, nil
}

// ErrSealed says that a run is sealed: nothing can be added to it.
var ErrSealed = errors.New("the run's journal is sealed")

// Resume continues the unfinished run in dir: what is torn is cut off, what was recorded will be handed out, and what this process records
// goes to a new segment. A sealed run is [ErrSealed], a damaged one a [*DamageError], one that the identities do not open a [*KeyError]; none of
// them is written to.
func Resume(ctx context.Context, dir string, o ResumeOptions) (*Journal, Report, error) {
	return resume(ctx, osDisk{}, dir, o)
}

func resume(ctx context.Context, d disk, dir string, o ResumeOptions) (*Journal, Report, error) {
	f, err := readFolder(dir)
	if err != nil {
		return nil, Report{}, err
	}
	if f.seal != nil {
		return nil, Report{}, ErrSealed
	}
	f.keys.identities = o.Identities
	if len(f.segments) == maxSegments {
		return nil, Report{}, fmt.Errorf("resume a journal: %s has %d segments, and there is no name for another", dir, maxSegments)
	}
	l, err := load(ctx, f)
	if err != nil {
		return nil, Report{}, err
	}
	if err := f.settle(d); err != nil {
		return nil, Report{}, err
	}
	next := len(f.segments) + 1
	drop := l.tooOld(o)
	if drop {
		l.dropSweep(next)
	}
	if err := endLast(d, dir, l.last); err != nil {
		return nil, Report{}, fmt.Errorf("resume a journal: %w", err)
	}
	seg, err := createSegment(d, dir, preamble{Header: f.header, Segment: next, SweepsFrom: l.folder.sweepsFrom}, o.Recipients)
	if err != nil {
		return nil, Report{}, fmt.Errorf("resume a journal: %w", err)
	}
	j, r := l.journal()
	r.SweepDropped = drop
	j.start(d, seg, next)
	return j, r, nil
}

// endLast gives the last segment, of a process that is gone, its orderly end, and makes durable what is about to be built upon.
func endLast(d disk, dir string, last walked) error {
	if last.trailer != nil {
		return syncFile(d, filepath.Join(dir, last.name))
	}
	s, err := reopenSegment(d, dir, last)
	if err != nil {
		return err
	}
	return s.finish(false)
}

// OpenReadOnly opens the run in dir, sealed or not, for a replay: it hands out whatever would have been handed out when the run was last
// worked on, however old, and writes nothing. A torn tail is left as it is and reported. An encrypted run that the identities do not open is a
// [*KeyError].
func OpenReadOnly(ctx context.Context, dir string, identities ...*Identity) (*Journal, Report, error) {
	f, err := readFolder(dir)
	if err != nil {
		return nil, Report{}, err
	}
	f.keys.identities = identities
	l, err := load(ctx, f)
	if err != nil {
		return nil, Report{}, err
	}
	j, r := l.journal()
	return j, r, nil
}

// Header returns what the run fixed when it began.
func (j *Journal) Header() Header { return j.header }

// Err returns the failure that ended the journal, nil if there is none. A replay that misses an answer asks this for the reason.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// fail ends the journal with its first failure, and returns that.
func (j *Journal) fail(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		j.failed = err
	}
	return j.failed
}

package pipeline

import (
	"cmp"
	"fmt"
	"iter"
	"os"
	"slices"
	"sync"

	"github.com/rollcall-data/rollcall/extract/mapped"
	"github.com/rollcall-data/rollcall/transform"
)

// spill keeps bytes on disk that are read again once, in another order. Its file has no name: it is gone with the process.
type spill struct {
	file *os.File

	mu   sync.Mutex // guards what follows
	end  int64      // of the file
	tail []byte     // belongs behind it
}

// spillBuffer is how much is written at once, in bytes.
const spillBuffer = 1 << 20

// extent is a place in a spill; a zero length is nothing.
type extent struct {
	off int64
	len int32
}

// spaceAfter is how much each list of what is known of users has in plain memory before it takes to the disk, in bytes.
const spaceAfter = 8 << 20

// newSpace makes the space of a run's lists in dir, which is made if need be.
func newSpace(dir string, after int) (*mapped.Space, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make room for the users: %w", err)
	}
	return mapped.New(dir, cmp.Or(after, spaceAfter))
}

// newSpill makes a spill in dir, which is made if need be.
func newSpill(dir string) (*spill, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make room for the users: %w", err)
	}
	f, err := os.CreateTemp(dir, ".spill-*")
	if err != nil {
		return nil, fmt.Errorf("make room for the users: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("make room for the users: %w", err)
	}
	return &spill{file: f}, nil
}

// put keeps what the parts are together.
func (s *spill) put(parts ...[]byte) (extent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := extent{off: s.end + int64(len(s.tail))}
	for _, b := range parts {
		s.tail = append(s.tail, b...)
		e.len += int32(len(b))
	}
	if len(s.tail) < spillBuffer {
		return e, nil
	}
	return e, s.flush()
}

// flush writes the tail.
func (s *spill) flush() error {
	if _, err := s.file.WriteAt(s.tail, s.end); err != nil {
		return fmt.Errorf("keep a user: %w", err)
	}
	s.end += int64(len(s.tail))
	s.tail = s.tail[:0]
	return nil
}

func (s *spill) get(e extent) ([]byte, error) { return s.read(e, make([]byte, e.len)) }

// read is get into memory of the caller's, e.len bytes.
func (s *spill) read(e extent, b []byte) ([]byte, error) {
	s.mu.Lock()
	if e.off+int64(e.len) > s.end {
		if err := s.flush(); err != nil {
			s.mu.Unlock()
			return nil, err
		}
	}
	s.mu.Unlock()
	if _, err := s.file.ReadAt(b, e.off); err != nil {
		return nil, fmt.Errorf("read a user back: %w", err)
	}
	return b, nil
}

func (s *spill) close() error { return s.file.Close() }

// inTurn reads a spill. As long as it is asked for what was put one after another, it reads much of the file at once.
type inTurn struct {
	*spill
	b   []byte
	at  int64 // of b in the file
	end int64 // of what was asked for last
}

// spillAhead is how much is read at once, in bytes.
const spillAhead = 64 << 10

// get is spill.get into memory that is used again for the next.
func (r *inTurn) get(e extent) ([]byte, error) {
	n := int64(e.len)
	if from := e.off - r.at; from < 0 || from+n > int64(len(r.b)) {
		size := n
		if e.off == r.end {
			size = max(n, min(spillAhead, r.size()-e.off))
		}
		b, err := r.read(extent{e.off, int32(size)}, slices.Grow(r.b[:0], int(size))[:size])
		if err != nil {
			r.b = r.b[:0]
			return nil, err
		}
		r.b, r.at = b, e.off
	}
	r.end = e.off + n
	return r.b[e.off-r.at:][:n], nil
}

// size is how much was put.
func (s *spill) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end + int64(len(s.tail))
}

// entry is what is known of a user of one organization in this run. There is one for each user, so it is kept small, and without a pointer.
type entry struct {
	item   extent // an outline, and the item
	raw    uint64 // hash of the item's bytes as they came, to know it again
	unkept bool   // seen, but gone by now: asked for by id and absent
	reused bool   // the item is, byte for byte, what the version before was made from
	listed bool   // it has context and models
	came   uint32 // the place in roster.came plus one; 0: nothing came beside the list

	itemHash   transform.Hash
	modelsHash transform.Hash // of listed or fetched models
	extras     int64
	stats      transform.StatsHash
}

// answers are what came about a user beside the list.
type answers struct {
	columns extent // completes the item with what the SQL endpoint has

	model      extent // the answer to a user_model request
	modelState transform.ModelsState
	modelAt    transform.Micros

	memories   []extent
	remembered bool // the memories were asked for in this run
}

// roster is every user of one organization as last seen.
type roster struct {
	defaults     transform.Defaults
	spill        *spill
	byKey[entry] // by user_id
	came         mapped.List[answers]
	rows         map[string][]byte // rows without an identity, by key of the sweep
	items        inTurn            // the spill, for reading items back
}

// newRoster makes an empty one. In the space, if there is one, is what is known of each user.
func newRoster(d transform.Defaults, s *spill, space *mapped.Space) *roster {
	r := &roster{defaults: d, spill: s, rows: map[string][]byte{}, items: inTurn{spill: s}}
	r.in(space)
	return r
}

// inOrder are the users who are there, in the order of their ids.
func (r *roster) inOrder() iter.Seq2[string, *entry] {
	return func(yield func(string, *entry) bool) {
		for _, n := range r.there() {
			if !yield(r.keys.Key(int(n)), r.values.At(int(n))) {
				return
			}
		}
	}
}

// answers are those that came about a user; zero where none did.
func (r *roster) answers(e *entry) answers {
	if e.came == 0 {
		return answers{}
	}
	return *r.came.At(int(e.came) - 1)
}

// answer is where to note one that comes.
func (r *roster) answer(e *entry) *answers {
	if e.came == 0 {
		r.came.Add(answers{})
		e.came = uint32(r.came.Len())
	}
	return r.came.At(int(e.came) - 1)
}

// row takes a user's item apart again. The row shares memory with the next one.
func (r *roster) row(e *entry) (transform.Row, []transform.Issue, error) {
	record, err := r.items.get(e.item)
	if err != nil {
		return transform.Row{}, nil, err
	}
	outline, raw := transform.CutOutline(record)
	digest := outline.Digest
	if where := r.answers(e).columns; where.len > 0 {
		columns, err := r.spill.get(where)
		if err != nil {
			return transform.Row{}, nil, err
		}
		raw, _ = transform.Complete(raw, columns)
		outline = transform.Outline{}
	}
	row, issues, _ := transform.Reread(raw, outline, r.defaults) // it was decoded when it came
	row.ItemHash, row.ExtrasHash, row.Digest = e.itemHash, e.extras, digest
	if row.State == transform.Listed {
		row.ModelsHash = e.modelsHash
	}
	return row, issues, nil
}

package journal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// block is one block as read. Its bytes are overwritten once the function that was given it returns.
type block struct {
	header  blockHeader
	head    [headerSize]byte
	off     int64
	payload []byte
	raw     []byte
	decoder *decoder // the walk's
	err     error    // io.EOF after the last block
}

// entries calls fn for each entry of the block with its offset in the decoded bytes.
func (b *block) entries(fn func(off int, e Entry) error) error {
	off := 0
	for range b.header.Entries {
		e, n, err := b.decoder.entry(b.raw[off:])
		if err != nil {
			return err
		}
		if err := fn(off, e); err != nil {
			return err
		}
		off += n
	}
	if off != len(b.raw) {
		return errEntries
	}
	return nil
}

// walked is what a walk through a segment found.
type walked struct {
	name     string
	preamble preamble
	id       uint64
	blocks   uint32    // whole blocks, a trailer left out
	entries  int64     // in them
	size     int64     // of them, in bytes: where the trailer is or belongs
	sum      hash.Hash // of them; nil if not asked for
	trailer  *trailer  // nil: the segment did not come to an orderly end
	torn     int64     // bytes after the last whole block that a crash left
}

// walk is one pass through a segment.
type walk struct {
	path string
	// limit ends the segment there, in bytes; negative: where the file ends. For a segment that is being written.
	limit int64
	// mayTear takes a torn tail for the end of the segment, not for damage.
	mayTear bool
	// verify compares the trailer's SHA-256.
	verify bool
}

// run calls fn for every block of entries, in order, while a goroutine reads and decodes the next ones. Damage is a *DamageError;
// what fn returns is returned as it is, but for a malformed entry, which is damage too.
func (w walk) run(ctx context.Context, fn func(*block) error) (walked, error) {
	f, err := os.Open(w.path)
	if err != nil {
		return walked{}, fmt.Errorf("%w: %w", errRead, err)
	}
	defer f.Close()
	s, err := w.newScanner(f)
	if err != nil {
		return walked{}, err
	}

	const ahead = 2
	full, free := make(chan *block, ahead), make(chan *block, ahead)
	decoder := newDecoder()
	for range ahead {
		free <- &block{decoder: decoder}
	}
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(full)
		for {
			var b *block
			select {
			case b = <-free:
			case <-done:
				return
			}
			s.next(b)
			full <- b
			if b.err != nil {
				return
			}
		}
	})
	defer reader.Wait()
	defer close(done)

	for b := range full {
		if err := ctx.Err(); err != nil {
			return walked{}, err
		}
		if b.err == io.EOF {
			break
		}
		if b.err != nil {
			return walked{}, b.err
		}
		if b.header.Type == entriesBlock {
			if err := fn(b); err != nil {
				if errors.Is(err, errMalformed) || errors.Is(err, errEntries) {
					err = s.damage(b.off, err)
				}
				return walked{}, err
			}
		}
		free <- b
	}
	return s.found, nil
}

// readSize is how much of a segment is read at a time, in bytes.
const readSize = 1 << 20

// scanner reads a segment block by block.
type scanner struct {
	walk
	f     *os.File
	r     *bufio.Reader
	off   int64
	found walked
}

func (w walk) newScanner(f *os.File) (*scanner, error) {
	if w.limit < 0 {
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errRead, err)
		}
		w.limit = info.Size()
	}
	s := &scanner{walk: w, f: f, r: bufio.NewReaderSize(f, int(min(w.limit, readSize)))}
	s.found.name = filepath.Base(w.path)
	if w.verify {
		s.found.sum = sha256.New()
	}
	return s, nil
}

func (s *scanner) damage(off int64, err error) error { return damaged(s.path, off, err) }

var (
	errTrailing = errors.New("bytes after the segment's trailer")
	errTrailer  = errors.New("the segment is not what its trailer says")
	errPreamble = errors.New("the segment does not begin with a preamble")
)

// next reads the next block into b; b.err is io.EOF at the segment's end.
func (s *scanner) next(b *block) {
	b.err = nil
	left := s.limit - s.off
	switch {
	case left == 0 && s.off > 0:
		b.err = io.EOF
		return
	case s.found.trailer != nil:
		b.err = s.damage(s.off, errTrailing)
		return
	}
	err := s.read(b, left)
	switch {
	case err == nil:
		if err := s.take(b); err != nil {
			b.err = s.damage(b.off, err)
		}
	case s.mayTear && s.off > 0 && s.tornAt(b.header, err):
		s.found.torn = left
		b.err = io.EOF
	case errors.Is(err, errRead):
		b.err = err
	default:
		b.err = s.damage(s.off, err)
	}
}

// errRead marks a failure of the disk, which is neither damage nor a torn tail.
var errRead = errors.New("read a journal segment")

// read reads and decodes the block at s.off, of which there are left bytes.
func (s *scanner) read(b *block, left int64) error {
	b.header, b.off = blockHeader{}, s.off
	if left < headerSize {
		return errShort
	}
	head, err := s.r.Peek(headerSize)
	if err != nil {
		return fmt.Errorf("%w: %w", errRead, err)
	}
	h, err := decodeHeader(head)
	if err != nil {
		return err
	}
	if s.off == 0 {
		s.found.id = h.Segment
	}
	if h.Segment != s.found.id || h.Number != s.found.blocks {
		return errForeign
	}
	if (s.off == 0) != (h.Type == preambleBlock) {
		return errPreamble
	}
	b.header = h
	if h.size() > left {
		return errShort
	}
	b.head = [headerSize]byte(head)
	if _, err := s.r.Discard(headerSize); err != nil {
		return fmt.Errorf("%w: %w", errRead, err)
	}
	b.payload = grow(b.payload, int(h.Payload))
	if _, err := io.ReadFull(s.r, b.payload); err != nil {
		return fmt.Errorf("%w: %w", errRead, err)
	}
	b.raw, err = h.decodePayload(b.raw, b.payload)
	return err
}

// take counts a whole block.
func (s *scanner) take(b *block) error {
	s.off += b.header.size()
	switch b.header.Type {
	case trailerBlock:
		t := new(trailer)
		if err := strictJSON(b.raw, t); err != nil {
			return err
		}
		if t.Blocks != s.found.blocks || t.Entries != s.found.entries || t.Size != s.found.size {
			return errTrailer
		}
		if s.found.sum != nil && t.SHA256 != hexSum(s.found.sum) {
			return errTrailer
		}
		s.found.trailer = t
		return nil
	case preambleBlock:
		if err := strictJSON(b.raw, &s.found.preamble); err != nil {
			return err
		}
	}
	if s.found.sum != nil {
		s.found.sum.Write(b.head[:])
		s.found.sum.Write(b.payload)
	}
	s.found.blocks++
	s.found.entries += int64(b.header.Entries)
	s.found.size = s.off
	return nil
}

// tornAt says whether the block at s.off that could not be read for err is what a crash left, and not damage. Blocks are fsynced one after
// the other, so only the last one can be torn: it is one only if nothing was written after it.
func (s *scanner) tornAt(h blockHeader, err error) bool {
	switch {
	case errors.Is(err, errShort):
		return true
	case errors.Is(err, errPayload):
		return s.off+h.size() == s.limit
	case errors.Is(err, errHeader):
		return !s.headerAfter(s.off)
	}
	return false
}

// headerAfter says whether a whole header of this segment, one that comes later, is anywhere after off. The segment's random id in it
// keeps the contents of an answer from passing for one. What cannot be read counts as one: it is not known to be torn.
func (s *scanner) headerAfter(off int64) bool {
	r := bufio.NewReaderSize(io.NewSectionReader(s.f, off, s.limit-off), 1<<16)
	for {
		b, err := r.Peek(headerSize)
		if err == io.EOF {
			return false
		}
		if err != nil {
			return true
		}
		h, err := decodeHeader(b)
		if err == nil && h.Segment == s.found.id && h.Number >= s.found.blocks {
			return true
		}
		if _, err := r.Discard(1); err != nil {
			return true
		}
	}
}

// grow returns n bytes, in b if it has the room.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// strictJSON decodes one line that this package wrote. Unknown fields are refused: a rewrite would lose them.
func strictJSON(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errMalformed
	}
	return nil
}

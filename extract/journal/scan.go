package journal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

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
func (s *scanner) next(ctx context.Context, b *block) {
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
		b.err = s.take(ctx, b)
		var key *KeyError
		if b.err != nil && !errors.As(b.err, &key) {
			b.err = s.damage(b.off, b.err)
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
		s.found.id, s.found.version = h.Segment, h.Version
	}
	if h.Segment != s.found.id || h.Number != s.found.blocks || h.Version != s.found.version {
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
	b.codec = s.found.codec
	_, b.shut = b.codec.(shutCodec)
	return s.decode(b)
}

// largeRaw is from how many decoded bytes on a block that holds one entry is not decoded for its head alone.
const largeRaw = 256 << 10

// decode decodes what the walk needs of a block. The checksum of the payload is compared in any case.
func (s *scanner) decode(b *block) (err error) {
	h := b.header
	if b.prefix = s.heads && h.Entries == 1 && h.Raw >= largeRaw; b.prefix {
		c, err := h.check(b.codec, b.payload)
		if err != nil {
			return err
		}
		if raw, err := c.prefix(b.raw, h, b.payload); err == nil {
			b.raw = raw
			return nil
		}
		b.prefix = false // why, decoding all of it will tell
	}
	b.raw, err = h.decodePayload(b.codec, b.raw, b.payload)
	return err
}

// take counts a whole block.
func (s *scanner) take(ctx context.Context, b *block) error {
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
		if err := s.begin(ctx, b.raw); err != nil {
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

// begin takes in the preamble.
func (s *scanner) begin(ctx context.Context, line []byte) (err error) {
	if err := strictJSON(line, &s.found.preamble); err != nil {
		return err
	}
	s.found.codec = s.codec
	if s.codec == nil {
		s.found.codec, err = s.keys.codec(ctx, s.found.preamble)
	}
	return err
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
		if errors.Is(err, io.EOF) {
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

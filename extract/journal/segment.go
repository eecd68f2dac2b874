package journal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Header is what a run's journal says about the run, fixed when the run begins. None of it is about a user.
type Header struct {
	// Run is the run's id and the base name of its folder.
	Run string `json:"run"`
	// Started is the run's clock: UTC, whole microseconds. A resumed or replayed run takes its time from here.
	Started time.Time `json:"started"`
	// Config is a JSON document of the settings that must be the same for the run to be resumed; nil if there are none.
	Config json.RawMessage `json:"config,omitempty"`
	// Facts is a JSON document of whatever else the run fixed at its start, such as the version it builds upon; nil if there is nothing.
	Facts json.RawMessage `json:"facts,omitempty"`
}

// normal is h as it will be read back: compact JSON, UTC, whole microseconds.
func (h Header) normal() (Header, error) {
	h.Started = h.Started.UTC().Truncate(time.Microsecond)
	if h.Run == "" {
		return h, errors.New("the run has no id")
	}
	for _, doc := range []*json.RawMessage{&h.Config, &h.Facts} {
		if len(*doc) == 0 {
			*doc = nil
			continue
		}
		var b bytes.Buffer
		if err := json.Compact(&b, *doc); err != nil {
			return h, fmt.Errorf("the header's config or facts: %w", err)
		}
		*doc = b.Bytes()
	}
	return h, nil
}

func (h Header) equal(o Header) bool {
	return h.Run == o.Run && h.Started.Equal(o.Started) && bytes.Equal(h.Config, o.Config) && bytes.Equal(h.Facts, o.Facts)
}

// preamble is the first block of each segment.
type preamble struct {
	Header
	// Segment is the number in the file's name.
	Segment int `json:"segment"`
	// SweepsFrom is the first segment whose sweep answers count; see the package comment on resuming.
	SweepsFrom int `json:"sweeps_from"`
	// Key is the key that the segment's entries are encrypted with, as an age file for the recipients; nil: they are plain.
	Key []byte `json:"key,omitempty"`
}

// trailer is the last block of a segment that came to its end.
type trailer struct {
	Blocks  uint32 `json:"blocks"`
	Entries int64  `json:"entries"`
	Size    int64  `json:"size"`   // of the blocks before this one, in bytes
	SHA256  string `json:"sha256"` // of the same, in hex
	Sealed  bool   `json:"sealed"` // the run is sealed, and this its last segment
}

const (
	segmentSuffix = ".rcj"
	tempSuffix    = ".tmp"
	maxSegments   = 99999
)

func segmentName(n int) string { return fmt.Sprintf("%05d%s", n, segmentSuffix) }

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// segment is a segment being written. After an error it is of no more use.
type segment struct {
	f       file
	codec   codec
	version byte
	id      uint64
	blocks  uint32
	entries int64
	size    int64
	sum     hash.Hash
	buf     []byte
}

// createSegment makes the segment that p begins, durably, with a key of its own for the recipients: it has its name once its preamble is on
// disk.
func createSegment(d disk, dir string, p preamble, recipients []Recipient) (*segment, error) {
	c, key, err := newSegmentKey(recipients)
	if err != nil {
		return nil, err
	}
	p.Key = key
	var id [8]byte
	rand.Read(id[:]) // never fails
	path := filepath.Join(dir, segmentName(p.Segment))
	f, err := d.create(path + tempSuffix)
	if err != nil {
		return nil, fmt.Errorf("create a journal segment: %w", err)
	}
	s := &segment{f: f, codec: c, version: version, id: binary.LittleEndian.Uint64(id[:]), sum: sha256.New()}
	line, err := jsonLine(p)
	if err == nil {
		err = s.write(preambleBlock, 0, line)
	}
	if err == nil {
		err = s.f.Sync()
	}
	if err == nil {
		err = publish(d, path+tempSuffix, path)
	}
	if err != nil {
		s.f.Close()
		return nil, fmt.Errorf("create a journal segment: %w", err)
	}
	return s, nil
}

// reopenSegment continues, behind its last whole block, a segment that a crash ended. w must have been walked with verify.
func reopenSegment(d disk, dir string, w walked) (*segment, error) {
	f, err := d.reopen(filepath.Join(dir, w.name), w.size)
	if err != nil {
		return nil, fmt.Errorf("cut the torn tail of a journal segment: %w", err)
	}
	// A process that was killed may not have come to the last block's fsync, and no block may follow one that is not durable.
	if err := f.Sync(); err != nil {
		f.Close()
		return nil, fmt.Errorf("cut the torn tail of a journal segment: %w", err)
	}
	return &segment{f: f, codec: w.codec, version: w.version, id: w.id, blocks: w.blocks, entries: w.entries, size: w.size, sum: w.sum}, nil
}

// write appends a block that holds raw. It is not durable yet.
func (s *segment) write(t blockType, entries int, raw []byte) error {
	h := blockHeader{Version: s.version, Type: t, Entries: uint16(entries), Segment: s.id, Number: s.blocks}
	c := s.codec
	if t != entriesBlock {
		c = zstdCodec{}
	}
	var err error
	if s.buf, err = appendBlock(s.buf[:0], c, h, raw); err != nil {
		return err
	}
	if cap(s.buf) > 2*maxBatch {
		// The rare answer of hundreds of megabytes must not hold its memory for the rest of the run.
		defer func() { s.buf = nil }()
	}
	return s.append(s.buf, entries)
}

// copy appends a block as it was read, under this segment's next number. An encrypted one is bound to its number.
func (s *segment) copy(b *block) error {
	h := b.header
	if h.Codec == codecCipher && h.Number != s.blocks {
		return s.write(h.Type, int(h.Entries), b.raw)
	}
	h.Number = s.blocks
	s.buf = append(h.append(s.buf[:0]), b.payload...)
	return s.append(s.buf, int(h.Entries))
}

// prefix appends what an older file of this segment has before off, which is entries in blocks whole blocks.
func (s *segment) prefix(path string, off int64, blocks uint32, entries int64) error {
	old, err := os.Open(path)
	if err != nil {
		return err
	}
	defer old.Close()
	if _, err := io.Copy(io.MultiWriter(s.f, s.sum), io.NewSectionReader(old, 0, off)); err != nil {
		return err
	}
	s.blocks, s.entries, s.size = blocks, entries, off
	return nil
}

func (s *segment) append(b []byte, entries int) error {
	if _, err := s.f.Write(b); err != nil {
		return err
	}
	s.sum.Write(b)
	s.blocks++
	s.entries += int64(entries)
	s.size += int64(len(b))
	return nil
}

// finish appends the trailer, makes all durable and closes the file.
func (s *segment) finish(sealed bool) error {
	line, err := jsonLine(trailer{Blocks: s.blocks, Entries: s.entries, Size: s.size, SHA256: hexSum(s.sum), Sealed: sealed})
	if err == nil {
		err = s.write(trailerBlock, 0, line)
	}
	if err == nil {
		err = s.f.Sync()
	}
	if cerr := s.f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("end a journal segment: %w", err)
	}
	return nil
}

// jsonLine is v as one line of JSON, its strings as they are.
func jsonLine(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

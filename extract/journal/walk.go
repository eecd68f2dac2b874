package journal

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
)

// block is one block as read. Its bytes are overwritten once the function that was given it returns.
type block struct {
	header  blockHeader
	head    [headerSize]byte
	off     int64
	payload []byte
	raw     []byte
	prefix  bool  // raw is only the beginning
	codec   codec // of its segment's entries
	shut    bool  // raw is not to be had: there is no key
	walk    *blocks
	err     error // io.EOF after the last block
}

// blocks is what the blocks of a walk share.
type blocks struct {
	decoder *decoder
	bodies  seenBodies
	again   again // the blocks that later ones refer to
}

// again reads blocks of a walk once more. Answers come a second time in about the order in which they came first, so a few blocks are enough.
type again struct {
	f    *os.File
	last [4]struct {
		number uint32 // 0, the preamble's: there is none
		buffers
	}
	next int
}

// get returns the decoded bytes of the block of that number, which lies at s. They are valid until the next call.
func (a *again) get(number uint32, s spot, c codec) ([]byte, error) {
	for i := range a.last {
		if a.last[i].number == number {
			return a.last[i].raw, nil
		}
	}
	b := &a.last[a.next]
	a.next = (a.next + 1) % len(a.last)
	b.number = 0
	if err := readEntries(a.f, s, c, &b.buffers); err != nil {
		return nil, err
	}
	b.number = number
	return b.raw, nil
}

// spot is where the block lies in its segment.
func (b *block) spot() spot { return spot{off: b.off, raw: b.header.Raw} }

// entries calls fn for each entry of the block. It must be called once for every block of a segment in turn, for it finds references that lead
// nowhere. What an entry shares with an earlier one is in [block.whole]; in a walk for heads an answer may lack its body altogether.
func (b *block) entries(fn func(item) error) error {
	if b.prefix {
		it, ok := b.walk.decoder.large(b.raw, int(b.header.Raw))
		if ok {
			if err := b.walk.bodies.take(b.header, b.spot(), 0, it); err != nil {
				return err
			}
			return fn(it)
		}
		if err := b.decode(); err != nil {
			return err
		}
	}
	off := 0
	for n := range int(b.header.Entries) {
		it, err := b.walk.decoder.entry(b.raw[off:])
		if err != nil {
			return err
		}
		it.off = off
		if err := b.walk.bodies.take(b.header, b.spot(), n, it); err != nil {
			return err
		}
		if err := fn(it); err != nil {
			return err
		}
		off += it.size
	}
	if off != len(b.raw) {
		return errEntries
	}
	return nil
}

// decode decodes all of a block of which there was the beginning.
func (b *block) decode() (err error) {
	b.prefix = false
	b.raw, err = b.header.decodePayload(b.codec, b.raw, b.payload)
	if err != nil {
		return fmt.Errorf("%w: %w", errEntries, err)
	}
	return nil
}

// whole is an entry of b with its body, wherever that is. Its bytes are valid until the function that was given b returns.
func (b *block) whole(it item) (Entry, error) {
	if it.same == nil {
		return it.Entry, nil
	}
	seen, err := b.walk.bodies.find(b.header, it)
	if err != nil {
		return Entry{}, err
	}
	raw := b.raw
	if it.same.Block != b.header.Number {
		if raw, err = b.walk.again.get(it.same.Block, seen.spot, b.codec); err != nil {
			return Entry{}, err
		}
	}
	it.Answer.Body, err = b.walk.decoder.bodyOf(raw, it.same.Entry, it.body)
	return it.Entry, err
}

// walked is what a walk through a segment found.
type walked struct {
	name     string
	preamble preamble
	id       uint64
	version  byte
	codec    codec     // of the blocks of entries
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
	// heads spares decoding the bodies of large answers. That they are what was written is for their block's checksum to say.
	heads bool
	// codec is the codec of the segment's entries where it is known already; else keys open it.
	codec codec
	keys  keyring
}

// run calls fn for every block of entries, in order, while a goroutine reads and decodes the next ones. Damage is a *DamageError;
// what fn returns is returned as it is, but for a malformed entry, which is damage too. Blocks that stay shut are not shown to fn.
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
	shared := &blocks{decoder: newDecoder(), again: again{f: f}}
	for range ahead {
		free <- &block{walk: shared}
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
			s.next(ctx, b)
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
		if errors.Is(b.err, io.EOF) {
			break
		}
		if b.err != nil {
			return walked{}, b.err
		}
		if b.header.Type == entriesBlock && !b.shut {
			if err := fn(b); err != nil {
				if isContents(err) {
					err = s.damage(b.off, err)
				}
				return walked{}, err
			}
		}
		free <- b
	}
	return s.found, nil
}

// isContents says whether it is what a block holds that is at fault.
func isContents(err error) bool {
	return errors.Is(err, errMalformed) || errors.Is(err, errEntries) || errors.Is(err, errReference)
}

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
	codec   codec    // of its segment's entries
	shut    bool     // raw is not to be had: there is no key
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

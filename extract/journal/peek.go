package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// buffers are a block's bytes as they lie and decoded. They may be used for one block after the other.
type buffers struct{ payload, raw []byte }

// readBlock reads and decodes into b the block at off of an open segment file whose entries are of codec c; what is not a whole block there is a
// *DamageError.
func readBlock(f *os.File, c codec, off int64, b *buffers) (blockHeader, error) {
	h, err := readHeader(f, off)
	if err != nil {
		return h, err
	}
	info, err := f.Stat()
	if err != nil {
		return h, fmt.Errorf("%w: %w", errRead, err)
	}
	if off+h.size() > info.Size() {
		return h, damaged(f.Name(), off, errShort)
	}
	b.payload = grow(b.payload, int(h.Payload))
	if _, err := f.ReadAt(b.payload, off+headerSize); err != nil {
		return h, fmt.Errorf("%w: %w", errRead, err)
	}
	if b.raw, err = h.decodePayload(c, b.raw, b.payload); err != nil {
		return h, damaged(f.Name(), off, err)
	}
	return h, nil
}

func readHeader(f *os.File, off int64) (blockHeader, error) {
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return blockHeader{}, fmt.Errorf("%w: %w", errRead, err)
	}
	h, err := decodeHeader(b[:n])
	if err != nil {
		return h, damaged(f.Name(), off, err)
	}
	return h, nil
}

// readPreamble reads the first block of the segment at path.
func readPreamble(path string) (preamble, error) {
	var p preamble
	f, err := os.Open(path)
	if err != nil {
		return p, fmt.Errorf("%w: %w", errRead, err)
	}
	defer f.Close()
	var b buffers
	h, err := readBlock(f, zstdCodec{}, 0, &b)
	if err == nil && h.Type != preambleBlock {
		err = damaged(path, 0, errPreamble)
	}
	if err != nil {
		return p, err
	}
	if err := strictJSON(b.raw, &p); err != nil {
		return p, damaged(path, 0, err)
	}
	return p, nil
}

// endsSealed hops from header to header through the segment at path and says whether it has a trailer that seals the run. Whatever is wrong
// with it is for a walk to find.
func endsSealed(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for off := int64(0); ; {
		h, err := readHeader(f, off)
		if err != nil {
			return false
		}
		if h.Type != trailerBlock {
			off += h.size()
			continue
		}
		var t trailer
		var b buffers
		_, err = readBlock(f, zstdCodec{}, off, &b)
		return err == nil && strictJSON(b.raw, &t) == nil && t.Sealed
	}
}

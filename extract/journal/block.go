package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

const (
	headerSize = 48
	// skippable opens a zstd frame that decoders pass over; 8 bytes of it, magic and length, come before its content.
	skippable = 0x184D2A57
	// version is what is written. Segments of firstVersion, in which every answer has its body, are read, ended and rewritten as such.
	version      = 2
	firstVersion = 1
	// maxBlockEntries bounds how much shares one fsync, with maxBatch.
	maxBlockEntries = 64
)

var blockMagic = [3]byte{'R', 'C', 'J'}

// blockType says what a block holds.
type blockType byte

const (
	preambleBlock blockType = 1 + iota
	entriesBlock
	trailerBlock
)

// blockHeader is the skippable frame before each payload; the package comment has the bytes.
type blockHeader struct {
	Version byte // the segment's
	Type    blockType
	Codec   byte
	Entries uint16
	Segment uint64
	Number  uint32
	Payload uint32
	Raw     uint32
	Sum     uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (h blockHeader) append(dst []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, skippable)
	dst = binary.LittleEndian.AppendUint32(dst, headerSize-8)
	dst = append(dst, blockMagic[:]...)
	dst = append(dst, h.Version, byte(h.Type), h.Codec)
	dst = binary.LittleEndian.AppendUint16(dst, h.Entries)
	dst = binary.LittleEndian.AppendUint64(dst, h.Segment)
	dst = binary.LittleEndian.AppendUint32(dst, h.Number)
	dst = binary.LittleEndian.AppendUint32(dst, h.Payload)
	dst = binary.LittleEndian.AppendUint32(dst, h.Raw)
	dst = binary.LittleEndian.AppendUint32(dst, h.Sum)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

var (
	errShort     = errors.New("the file ends in the middle of a block")
	errHeader    = errors.New("no block header, or its checksum differs")
	errPayload   = errors.New("the payload's checksum differs")
	errEntries   = errors.New("the block's entries are not as its header says")
	errForeign   = errors.New("a block of another segment, or out of order")
	errTooLarge  = errors.New("the block claims to be larger than any block")
	errBlockType = errors.New("an unknown kind of block")
)

// decodeHeader reads the header at the start of b. It returns errShort or errHeader where a crash may have left it so, another error where
// the header is whole and still not one this package writes.
func decodeHeader(b []byte) (blockHeader, error) {
	if len(b) < headerSize {
		return blockHeader{}, errShort
	}
	b = b[:headerSize]
	if binary.LittleEndian.Uint32(b) != skippable || [3]byte(b[8:11]) != blockMagic ||
		binary.LittleEndian.Uint32(b[44:]) != crc32.Checksum(b[:44], castagnoli) {
		return blockHeader{}, errHeader
	}
	if b[11] < firstVersion || b[11] > version {
		return blockHeader{}, fmt.Errorf("journal version %d; this program reads versions %d to %d", b[11], firstVersion, version)
	}
	h := blockHeader{
		Version: b[11],
		Type:    blockType(b[12]),
		Codec:   b[13],
		Entries: binary.LittleEndian.Uint16(b[14:]),
		Segment: binary.LittleEndian.Uint64(b[16:]),
		Number:  binary.LittleEndian.Uint32(b[24:]),
		Payload: binary.LittleEndian.Uint32(b[28:]),
		Raw:     binary.LittleEndian.Uint32(b[32:]),
		Sum:     binary.LittleEndian.Uint32(b[36:]),
	}
	switch {
	case h.Type < preambleBlock || h.Type > trailerBlock:
		return blockHeader{}, errBlockType
	case (h.Type == entriesBlock) != (h.Entries > 0) || h.Entries > maxBlockEntries:
		return blockHeader{}, errEntries
	case h.Raw > maxRaw || h.Payload > maxRaw+maxRaw/8:
		return blockHeader{}, errTooLarge
	}
	return h, nil
}

// size is the whole block's, in bytes.
func (h blockHeader) size() int64 { return headerSize + int64(h.Payload) }

// decodePayload returns the decoded bytes of the block, in dst if that has the room. The payload is the h.Payload bytes after the header, c
// the codec of the segment's entries; the other blocks are always plain.
func (h blockHeader) decodePayload(c codec, dst, payload []byte) ([]byte, error) {
	c, err := h.check(c, payload)
	if err != nil {
		return nil, err
	}
	raw, err := c.decode(dst, h, payload)
	if err != nil {
		return nil, fmt.Errorf("decode the payload: %w", err)
	}
	return raw, nil
}

// check compares the payload's checksum and returns the codec to decode it with.
func (h blockHeader) check(c codec, payload []byte) (codec, error) {
	if crc32.Checksum(payload, castagnoli) != h.Sum {
		return nil, errPayload
	}
	if h.Type != entriesBlock {
		c = zstdCodec{}
	}
	if h.Codec != c.id() {
		return nil, fmt.Errorf("the payload is of codec %d, and should be of codec %d", h.Codec, c.id())
	}
	return c, nil
}

// appendBlock appends to dst a whole block that holds raw, with h's Version, Type, Entries, Segment and Number.
func appendBlock(dst []byte, c codec, h blockHeader, raw []byte) ([]byte, error) {
	if len(raw) > maxRaw || uint64(h.Number) == math.MaxUint32 {
		return dst, errTooLarge
	}
	start := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	h.Codec, h.Raw = c.id(), uint32(len(raw))
	dst, err := c.encode(dst, h, raw)
	if err != nil {
		return dst[:start], fmt.Errorf("encode the payload: %w", err)
	}
	payload := dst[start+headerSize:]
	h.Payload, h.Sum = uint32(len(payload)), crc32.Checksum(payload, castagnoli)
	h.append(dst[:start])
	return dst, nil
}

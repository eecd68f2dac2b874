package journal

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/valyala/gozstd"
)

// maxRaw is the most a block may decode to, in bytes: the largest answer a client takes, with room to spare. A header that claims more is
// damage, so a decoder never allocates more than this.
const maxRaw = 512 << 20

// codec turns the decoded bytes of a block into its payload and back. The block's header names the codec; its length and its checksum are
// the payload's, so that they can be compared without a key.
type codec interface {
	id() byte
	// encode appends to dst the payload of raw in the block of h, all of whose fields but Payload and Sum are set.
	encode(dst []byte, h blockHeader, raw []byte) ([]byte, error)
	// decode returns the payload's h.Raw decoded bytes, in dst if that has the room. The payload is left as it is.
	decode(dst []byte, h blockHeader, payload []byte) ([]byte, error)
	// prefix returns the first prefixSize of the payload's decoded bytes, of which there are more, in dst if that has the room.
	prefix(dst []byte, h blockHeader, payload []byte) ([]byte, error)
}

// prefixSize is how much is decoded of a block of which only the head is wanted, in bytes: a look-up that names a hundred ids has its place.
const prefixSize = 16 << 10

const codecZstd = 0

// zstdCodec is one plain zstd frame a block, which says its decoded size, by the reference library: it takes half the time of the one in Go to encode, and
// less to decode. What is decoded may be anything: nothing is allocated but for the size that header and frame agree on.
type zstdCodec struct{}

const zstdLevel = 1

func (zstdCodec) id() byte { return codecZstd }

func (zstdCodec) encode(dst []byte, _ blockHeader, raw []byte) ([]byte, error) {
	return gozstd.CompressLevel(dst, raw, zstdLevel), nil
}

var errFrame = errors.New("the zstd frame is not of the size its header says")

func (zstdCodec) decode(dst []byte, h blockHeader, payload []byte) ([]byte, error) {
	size := int(h.Raw)
	if err := checkFrame(payload, size); err != nil {
		return nil, err
	}
	limit := max(size, 1) // to the library 0 is no limit
	if cap(dst) < limit {
		dst = make([]byte, 0, limit)
	}
	raw, err := gozstd.DecompressLimited(dst[:0:limit], payload, limit)
	if err != nil {
		return nil, err
	}
	if len(raw) != size {
		return nil, errFrame
	}
	return raw, nil
}

// checkFrame says whether the frame agrees with the header, before either is believed with an allocation; one of under 256 bytes need not say
// its size.
func checkFrame(payload []byte, size int) error {
	var f zstd.Header
	if err := f.Decode(payload); err != nil {
		return err
	}
	if f.Skippable || f.HasFCS && f.FrameContentSize != uint64(size) || !f.HasFCS && size >= 256 {
		return errFrame
	}
	return nil
}

// streams are decoders for prefixes. The library in Go stops where it is told to, without a buffer outside of Go to give back; a frame whose
// window is larger than zstdLevel ever makes one is not worth the memory.
var streams = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		panic(err) // these options are good
	}
	return d
}}

func (zstdCodec) prefix(dst []byte, h blockHeader, payload []byte) ([]byte, error) {
	if err := checkFrame(payload, int(h.Raw)); err != nil {
		return nil, err
	}
	d := streams.Get().(*zstd.Decoder)
	defer streams.Put(d)
	if err := d.Reset(bytes.NewReader(payload)); err != nil {
		return nil, err
	}
	dst = grow(dst, prefixSize)
	_, err := io.ReadFull(d, dst)
	_ = d.Reset(nil) // the payload is not the pool's to hold
	return dst, err
}

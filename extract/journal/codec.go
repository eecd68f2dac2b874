package journal

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxRaw is the most a block may decode to, in bytes: the largest answer a client takes, with room to spare. A header that claims more is
// damage, so a decoder never allocates more than this.
const maxRaw = 512 << 20

// codec turns the decoded bytes of a block into its payload and back. The block's header names the codec, its length and its checksum are
// the payload's, so a codec that encrypts wraps zstdCodec and nothing else here changes.
type codec interface {
	id() byte
	// encode appends the payload of raw to dst.
	encode(dst, raw []byte) ([]byte, error)
	// decode returns payload's size decoded bytes, in dst if that has the room.
	decode(dst, payload []byte, size int) ([]byte, error)
}

const codecZstd = 0

// codecByID returns the codec that a block's header names.
func codecByID(id byte) (codec, error) {
	if id != codecZstd {
		return nil, fmt.Errorf("unknown codec %d", id)
	}
	return zstdCodec{}, nil
}

// zstdCodec is one plain zstd frame a block. The frame says its decoded size and has a checksum of its own.
type zstdCodec struct{}

// The encoder and decoder keep tables worth reusing, start no goroutine for whole frames, and are safe for concurrent use.
var (
	zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	})
	zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecodeAllCapLimit(true))
	})
)

func (zstdCodec) id() byte { return codecZstd }

func (zstdCodec) encode(dst, raw []byte) ([]byte, error) {
	e, err := zstdEncoder()
	if err != nil {
		return nil, err
	}
	return e.EncodeAll(raw, dst), nil
}

var errFrame = errors.New("the zstd frame is not of the size its header says")

func (zstdCodec) decode(dst, payload []byte, size int) ([]byte, error) {
	d, err := zstdDecoder()
	if err != nil {
		return nil, err
	}
	// The frame must agree with the header before either is believed with an allocation; one of under 256 bytes need not say its size.
	var h zstd.Header
	if err := h.Decode(payload); err != nil {
		return nil, err
	}
	if h.Skippable || h.HasFCS && h.FrameContentSize != uint64(size) || !h.HasFCS && size >= 256 {
		return nil, errFrame
	}
	if cap(dst) < size {
		dst = make([]byte, 0, size)
	}
	raw, err := d.DecodeAll(payload, dst[:0:size])
	if err != nil {
		return nil, err
	}
	if len(raw) != size {
		return nil, errFrame
	}
	return raw, nil
}

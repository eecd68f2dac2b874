package parquet

import (
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/valyala/gozstd"
)

// zstdCodec is the reference library, which takes half the CPU time of the one in Go that the Parquet library brings, and whose tables are no work for
// the collector. What it does not override is as it was.
type zstdCodec struct{ compress.Codec }

// init replaces the codec of the whole process: the library has no other way.
func init() {
	codec, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil { // it is built in
		panic(err)
	}
	compress.RegisterCodec(compress.Codecs.Zstd, zstdCodec{codec})
}

// Encode compresses src into dst, or into memory of its own where that has not the room.
func (c zstdCodec) Encode(dst, src []byte) []byte { return c.EncodeLevel(dst, src, zstdLevel) }

// EncodeLevel is Encode with the library's levels.
func (zstdCodec) EncodeLevel(dst, src []byte, level int) []byte {
	return gozstd.CompressLevel(dst[:0], src, level)
}

// Decode decompresses src into dst, which the Parquet library makes as large as the page says it is: more is damage. Like the codec of that library it
// panics at damage, which Reader turns into an error.
func (zstdCodec) Decode(dst, src []byte) []byte {
	out, err := gozstd.DecompressLimited(dst[:0], src, cap(dst))
	if err != nil {
		panic(err)
	}
	return out
}

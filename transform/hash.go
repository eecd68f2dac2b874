package transform

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// Hash is half of a row's canonical hash; see the package comment.
type Hash [16]byte

var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// sumOf hashes what fill appends.
func sumOf(fill func([]byte) []byte) [sha256.Size]byte {
	buf := scratch.Get().(*[]byte)
	*buf = fill((*buf)[:0])
	sum := sha256.Sum256(*buf)
	scratch.Put(buf)
	return sum
}

func appendText(b []byte, t Text) []byte {
	if !t.Valid {
		return append(b, 0)
	}
	b = binary.AppendUvarint(append(b, 1, 's'), uint64(len(t.String)))
	return append(b, t.String...)
}

func appendJSON(b, v []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	return rawjson.AppendCanonical(append(b, 1), v)
}

// decoding is counted up with every change of what [Decode] makes of an item, so that no digest of before tells that an item is what it was.
const decoding = 1

// Digest is a hash of an item's bytes and of what decides beside them about its row: where the digest is that of another time, so are all that
// Decode returns.
func (d Defaults) Digest(item []byte) Hash {
	sum := sumOf(func(b []byte) []byte {
		b = appendText(append(b, decoding), Text{d.Scope, true})
		return append(appendText(appendText(b, d.Org), d.Region), item...)
	})
	return Hash(sum[:16])
}

func (r *Row) hashItem() Hash {
	sum := sumOf(func(b []byte) []byte {
		for _, t := range []Text{r.ID, r.Email, r.FirstName, r.LastName, r.Org} {
			b = appendText(b, t)
		}
		b = appendJSON(b, r.Preferences)
		b = appendText(appendText(b, r.Region), r.Role)
		if r.Observed || !r.UpdatedAt.Valid {
			b = append(b, 0)
		} else {
			b = binary.BigEndian.AppendUint64(append(b, 1), uint64(r.UpdatedAt.At))
		}
		return appendText(b, Text{r.UserID, true})
	})
	return Hash(sum[:16])
}

// SetModels gives the row its context and models, nil for NULL, and their hash.
func (r *Row) SetModels(context, models []byte) {
	r.Context, r.Models = context, models
	sum := sumOf(func(b []byte) []byte { return appendJSON(appendJSON(b, context), models) })
	r.ModelsHash = Hash(sum[:16])
}

// sum is a hash of the extras and of what the issues of the row say.
func (e Extras) sum(issues []Issue) int64 {
	return shortSum(func(b []byte) []byte {
		for _, v := range [][]byte{e.Stats, e.Variables, e.Sensitive, e.Actions} {
			b = appendRaw(b, v)
		}
		for _, i := range issues {
			b = appendRaw(appendText(b, Text{i.Path, true}), i.Raw)
		}
		return b
	})
}

// StatsSum is a hash of user_stats.
func (e Extras) StatsSum() StatsHash {
	if e.Stats == nil {
		return StatsHash{}
	}
	return StatsHash{shortSum(func(b []byte) []byte { return appendRaw(b, e.Stats) }), true}
}

// appendRaw is appendJSON for a value as it came, which may hold what no text can: then its bytes count, for the encoding could not tell one
// lone surrogate from another.
func appendRaw(b, v []byte) []byte {
	if _, exact := rawjson.Sanitize(v); !exact {
		b = binary.AppendUvarint(append(b, 2), uint64(len(v)))
		return append(b, v...)
	}
	return appendJSON(b, v)
}

func shortSum(fill func([]byte) []byte) int64 {
	sum := sumOf(fill)
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

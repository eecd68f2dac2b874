// Package keyset numbers keys: user ids, by the million. A key is about 50 bytes of memory with ids of thirty, and holds no pointer, so that
// the collector has nothing to walk; in a [mapped.Space], a large set takes 7 to 14 of them, and the rest of disk.
//
// What a caller knows of a key it keeps in a list of its own, at the key's number. Nothing is ever taken out, and nothing fails.
package keyset

import (
	"encoding/binary"
	"hash/maphash"
	"unsafe"

	"github.com/rollcall-data/rollcall/extract/mapped"
)

// Set gives each key a number, from 0, in the order in which they came. The zero value is an empty set in plain memory. Only one goroutine may use it while
// one adds to it; else any number may look.
type Set struct {
	seed   maphash.Seed
	slots  []uint32 // open addressing with linear probing; the key's number plus one, 0 for a free slot
	tags   []byte   // by slot: a part of the key's hash, so that others need not be compared
	places mapped.List[place]
	chunks mapped.List[[chunkSize]byte] // the keys, each behind its length; a key never spans two chunks
	used   int                          // of the last chunk, in bytes
	long   [][]byte                     // keys too long for a chunk
}

// place is where a key is: a chunk and the offset in it, or, where the offset is inLong, the place in long.
type place struct {
	chunk, offset uint32
}

const (
	chunkSize = 1 << 16
	inLong    = chunkSize
	minSlots  = 1 << 8
)

// In has the set grow in a space once it is large. It comes before the first Add.
func (s *Set) In(space *mapped.Space) {
	s.places.In(space)
	s.chunks.In(space)
}

// Len is how many keys there are.
func (s *Set) Len() int { return s.places.Len() }

// Add returns the key's number, and whether it is new. There is room for 2³²-2 keys.
func (s *Set) Add(key string) (n int, added bool) {
	if len(s.slots) == 0 {
		s.seed = maphash.MakeSeed()
		s.resize(minSlots)
	}
	hash := maphash.String(s.seed, key)
	slot, n := s.slot(key, hash)
	if n >= 0 {
		return n, false
	}
	if 4*(s.Len()+1) > 3*len(s.slots) {
		s.resize(2 * len(s.slots))
		slot, _ = s.slot(key, hash)
	}
	n = s.Len()
	s.places.Add(s.store(key))
	s.take(slot, n, hash)
	return n, true
}

// Find returns the key's number, or -1.
func (s *Set) Find(key string) int {
	if len(s.slots) == 0 {
		return -1
	}
	_, n := s.slot(key, maphash.String(s.seed, key))
	return n
}

// Key returns the nth key: a copy where it lies on disk.
func (s *Set) Key(n int) string {
	text := s.text(n)
	if p := s.places.At(n); p.offset != inLong && !s.chunks.Stays(int(p.chunk)) {
		return string(text)
	}
	return unsafe.String(unsafe.SliceData(text), len(text)) //nolint:gosec // the bytes of a key never change
}

// AppendKey appends the nth key to dst.
func (s *Set) AppendKey(dst []byte, n int) []byte { return append(dst, s.text(n)...) }

// text is the nth key where it lies.
func (s *Set) text(n int) []byte {
	p := *s.places.At(n)
	if p.offset == inLong {
		return s.long[p.chunk]
	}
	b := s.chunks.At(int(p.chunk))[p.offset:]
	length, head := binary.Uvarint(b)
	return b[head : head+int(length)]
}

// tagOf is the part of a hash that slots have beside them.
func tagOf(hash uint64) byte { return byte(hash >> 56) }

// slot returns where the key is, or would go (n is -1).
func (s *Set) slot(key string, hash uint64) (slot, n int) {
	mask := len(s.slots) - 1
	for slot = int(hash) & mask; ; slot = (slot + 1) & mask {
		n := s.slots[slot]
		if n == 0 {
			return slot, -1
		}
		if s.tags[slot] == tagOf(hash) && string(s.text(int(n)-1)) == key {
			return slot, int(n) - 1
		}
	}
}

func (s *Set) take(slot, n int, hash uint64) { s.slots[slot], s.tags[slot] = uint32(n)+1, tagOf(hash) }

func (s *Set) resize(slots int) {
	s.slots, s.tags = make([]uint32, slots), make([]byte, slots)
	mask := slots - 1
	for n := range s.Len() {
		hash := maphash.Bytes(s.seed, s.text(n))
		slot := int(hash) & mask
		for s.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		s.take(slot, n, hash)
	}
}

// store copies the key behind the last one.
func (s *Set) store(key string) place {
	need := binary.MaxVarintLen64 + len(key)
	if need > chunkSize {
		s.long = append(s.long, []byte(key))
		return place{uint32(len(s.long) - 1), inLong}
	}
	if s.chunks.Len() == 0 || s.used+need > chunkSize {
		s.chunks.Add([chunkSize]byte{})
		s.used = 0
	}
	last := s.chunks.Len() - 1
	p := place{uint32(last), uint32(s.used)}
	b := s.chunks.At(last)[s.used:]
	head := binary.PutUvarint(b, uint64(len(key)))
	s.used += head + copy(b[head:], key)
	return p
}

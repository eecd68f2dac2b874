// Package keyset numbers keys: user ids, by the million. A key is about 50 bytes of memory with ids of thirty, and holds no pointer, so that
// the collector has nothing to walk.
//
// What a caller knows of a key it keeps in a list of its own, at the key's number. Nothing is ever taken out, and nothing fails.
package keyset

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"strings"
)

// Set gives each key a number, from 0, in the order in which they came. The zero value is an empty set. It is not safe for concurrent use.
type Set struct {
	seed   maphash.Seed
	slots  []uint32 // open addressing with linear probing; the key's number plus one, 0 for a free slot
	places []place
	chunks []*strings.Builder // the keys, each behind its length; a key never spans two chunks
}

// place is where a key is.
type place struct {
	chunk  uint32
	offset uint16
}

const (
	chunkSize = 1 << 16 // what place.offset can address
	minSlots  = 1 << 8
)

// Len is how many keys there are.
func (s *Set) Len() int { return len(s.places) }

// Add returns the key's number, and whether it is new. There is room for 2³²-2 keys.
func (s *Set) Add(key string) (n int, added bool) {
	slot, n := s.slot(key)
	if n >= 0 {
		return n, false
	}
	if 4*(len(s.places)+1) > 3*len(s.slots) {
		s.grow()
		slot, _ = s.slot(key)
	}
	n = len(s.places)
	s.places = append(s.places, s.store(key))
	s.slots[slot] = uint32(n) + 1
	return n, true
}

// Find returns the key's number, or -1.
func (s *Set) Find(key string) int {
	_, n := s.slot(key)
	return n
}

// Key returns the nth key. It shares memory with the set.
func (s *Set) Key(n int) string {
	p := s.places[n]
	text := s.chunks[p.chunk].String()[p.offset:]
	length, shift := 0, 0
	for i := 0; ; i++ { // binary.Uvarint wants bytes, and they would have to be copied
		b := text[i]
		length |= int(b&0x7f) << shift
		if shift += 7; b < 0x80 {
			return text[i+1 : i+1+length]
		}
	}
}

// slot returns where the key is, or would go (n is -1).
func (s *Set) slot(key string) (slot, n int) {
	if len(s.slots) == 0 {
		return 0, -1
	}
	mask := len(s.slots) - 1
	for slot = int(maphash.String(s.seed, key)) & mask; ; slot = (slot + 1) & mask {
		n := s.slots[slot]
		if n == 0 {
			return slot, -1
		}
		if s.Key(int(n)-1) == key {
			return slot, int(n) - 1
		}
	}
}

func (s *Set) grow() {
	if len(s.slots) == 0 {
		s.seed = maphash.MakeSeed()
	}
	s.slots = make([]uint32, max(minSlots, 2*len(s.slots)))
	mask := len(s.slots) - 1
	for n := range s.places {
		slot := int(maphash.String(s.seed, s.Key(n))) & mask
		for s.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		s.slots[slot] = uint32(n) + 1
	}
}

// store copies the key behind the last one. A key too long for a chunk gets one of its own.
func (s *Set) store(key string) place {
	need := binary.MaxVarintLen64 + len(key)
	last := len(s.chunks) - 1
	if last < 0 || s.chunks[last].Len() > math.MaxUint16 || s.chunks[last].Len()+need > s.chunks[last].Cap() {
		chunk := new(strings.Builder)
		chunk.Grow(max(chunkSize, need))
		s.chunks = append(s.chunks, chunk)
		last++
	}
	chunk := s.chunks[last]
	p := place{uint32(last), uint16(chunk.Len())}
	var length [binary.MaxVarintLen64]byte
	chunk.Write(length[:binary.PutUvarint(length[:], uint64(len(key)))])
	chunk.WriteString(key)
	return p
}

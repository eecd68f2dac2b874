package sweep

import (
	"encoding/binary"
	"hash/maphash"
)

// ledger remembers of every key when it was first and last sighted. It is built for millions of keys: about 55 bytes each with ids of
// thirty, no pointer per key, so that the collector has nothing to walk. Entries are numbered in the order of their first sighting.
type ledger struct {
	seed    maphash.Seed
	slots   []uint32 // open addressing with linear probing; the entry's number plus one, 0 for a free slot
	entries []entry
	chunks  [][]byte // the keys, each behind its length; a key never spans two chunks
}

// entry is what is known of a key. Requests are numbered from 1 over the whole sweep.
type entry struct {
	chunk       uint32
	offset      uint16
	walk        uint16 // the last walk that took the key in, see pass.id; 0 for none
	first, last uint32 // the requests that sighted it
}

const (
	chunkSize = 1 << 16 // what entry.offset can address
	minSlots  = 1 << 8
)

func newLedger() *ledger {
	return &ledger{seed: maphash.MakeSeed(), slots: make([]uint32, minSlots)}
}

func (l *ledger) len() int { return len(l.entries) }

// sight records a sighting and returns the key's entry number and what was known before; known.first is 0 for a key that is new.
func (l *ledger) sight(key string, request uint32) (i int, known entry) {
	slot, i := l.slot(key)
	if i < 0 {
		if 4*(len(l.entries)+1) > 3*len(l.slots) {
			l.grow()
			slot, _ = l.slot(key)
		}
		chunk, offset := l.store(key)
		i = len(l.entries)
		l.entries = append(l.entries, entry{chunk: chunk, offset: offset, first: request, last: request})
		l.slots[slot] = uint32(i) + 1
		return i, entry{}
	}
	known = l.entries[i]
	l.entries[i].last = request
	return i, known
}

// find returns the key's entry number, or -1.
func (l *ledger) find(key string) int {
	_, i := l.slot(key)
	return i
}

// key returns the bytes of entry i's key, not to be changed.
func (l *ledger) key(i int) []byte {
	e := &l.entries[i]
	b := l.chunks[e.chunk][e.offset:]
	n, used := binary.Uvarint(b)
	return b[used : uint64(used)+n]
}

// slot returns where the key is, or would go (i is -1).
func (l *ledger) slot(key string) (slot, i int) {
	mask := len(l.slots) - 1
	for slot = int(maphash.String(l.seed, key)) & mask; ; slot = (slot + 1) & mask {
		n := l.slots[slot]
		if n == 0 {
			return slot, -1
		}
		if string(l.key(int(n)-1)) == key {
			return slot, int(n) - 1
		}
	}
}

func (l *ledger) grow() {
	l.slots = make([]uint32, 2*len(l.slots))
	mask := len(l.slots) - 1
	for i := range l.entries {
		slot := int(maphash.Bytes(l.seed, l.key(i))) & mask
		for l.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		l.slots[slot] = uint32(i) + 1
	}
}

// store copies the key behind the last one. A key too long for a chunk gets one of its own.
func (l *ledger) store(key string) (chunk uint32, offset uint16) {
	need := binary.MaxVarintLen64 + len(key)
	last := len(l.chunks) - 1
	if last < 0 || len(l.chunks[last])+need > cap(l.chunks[last]) {
		l.chunks = append(l.chunks, make([]byte, 0, max(chunkSize, need)))
		last++
	}
	b := l.chunks[last]
	offset = uint16(len(b))
	b = binary.AppendUvarint(b, uint64(len(key)))
	l.chunks[last] = append(b, key...)
	return uint32(last), offset
}

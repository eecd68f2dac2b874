package journal

import (
	"crypto/sha256"

	"github.com/rollcall-data/rollcall/extract"
)

// inSweep says whether an answer proves something only as part of the sequence that its sweep asked.
func inSweep(k extract.Kind) bool {
	switch k {
	case extract.KindList, extract.KindLookup, extract.KindSQL, extract.KindFreddyList:
		return true
	}
	return false
}

// callKey stands for a call's ID, which may take hundreds of bytes. It is cut from a SHA-256: two calls with one key are not to be had.
type callKey [16]byte

func keyOf(id string) callKey {
	sum := sha256.Sum256([]byte(id))
	return callKey(sum[:16])
}

// index holds, for each call, the places of its answers in the order in which they came. It takes about 60 bytes an answer.
type index struct {
	queues map[callKey]queue
	places []place
	taken  int
}

// queue is the ends of a call's chain of places, as positions in index.places.
type queue struct{ first, last uint32 }

// place is where an answer lies: a block, by its position among all, and the offset in its decoded bytes.
type place struct {
	block uint32
	off   uint32
	next  uint32 // the next place of the same call; the place's own position ends the chain
}

func newIndex() *index { return &index{queues: make(map[callKey]queue)} }

// len is the number of answers not yet taken.
func (x *index) len() int { return len(x.places) - x.taken }

func (x *index) add(k callKey, block, off uint32) {
	n := uint32(len(x.places))
	x.places = append(x.places, place{block: block, off: off, next: n})
	q, ok := x.queues[k]
	if !ok {
		q.first = n
	} else {
		x.places[q.last].next = n
	}
	q.last = n
	x.queues[k] = q
}

// take removes and returns the first place of a call.
func (x *index) take(k callKey) (place, bool) {
	q, ok := x.queues[k]
	if !ok {
		return place{}, false
	}
	x.taken++
	p := x.places[q.first]
	if q.first == q.last {
		delete(x.queues, k)
	} else {
		q.first = p.next
		x.queues[k] = q
	}
	return p, true
}

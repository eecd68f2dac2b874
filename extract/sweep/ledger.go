package sweep

import (
	"hash/maphash"

	"github.com/rollcall-data/rollcall/extract/keyset"
	"github.com/rollcall-data/rollcall/extract/mapped"
)

// ledger remembers of every key when it was first and last sighted. It is built for millions of keys: about 70 bytes each with ids of
// thirty, no pointer per key, and in a space most of them on disk. Entries are numbered in the order of their first sighting.
type ledger struct {
	keys    keyset.Set
	entries mapped.List[entry]
	seed    maphash.Seed
}

// entry is what is known of a key. Requests are numbered from 1 over the whole sweep.
type entry struct {
	bytes       uint64 // a hash of the row's, when it was last sighted
	first, last uint32 // the requests that sighted it
	changed     uint32 // the request that sighted it with other bytes than the one before, or first
	walk        uint16 // the last walk that took the key in, see pass.id; 0 for none
}

// newLedger makes one that grows in a space, if there is one.
func newLedger(space *mapped.Space) *ledger {
	l := &ledger{seed: maphash.MakeSeed()}
	l.keys.In(space)
	l.entries.In(space)
	return l
}

func (l *ledger) len() int { return l.entries.Len() }

// sight records a sighting and returns the key's entry number, what was known before, known.first being 0 for a key that is new, and whether the row's
// bytes are new.
func (l *ledger) sight(item Item, request uint32) (i int, known entry, fresh bool) {
	bytes := maphash.Bytes(l.seed, item.Raw)
	i, added := l.keys.Add(item.Key)
	if added {
		l.entries.Add(entry{bytes: bytes, first: request, last: request, changed: request})
		return i, entry{}, true
	}
	known = l.again(i, request)
	if known.bytes == bytes {
		return i, known, false
	}
	e := l.entries.At(i)
	e.bytes, e.changed = bytes, request
	return i, known, true
}

// again records that an entry was sighted as it was before, and returns what was known of it.
func (l *ledger) again(i int, request uint32) (known entry) {
	e := l.entries.At(i)
	known = *e
	e.last = request
	return known
}

// find returns the key's entry number, or -1.
func (l *ledger) find(key string) int { return l.keys.Find(key) }

// key returns entry i's key.
func (l *ledger) key(i int) string { return l.keys.Key(i) }

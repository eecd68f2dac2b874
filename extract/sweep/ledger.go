package sweep

import (
	"github.com/rollcall-data/rollcall/extract/keyset"
	"github.com/rollcall-data/rollcall/extract/mapped"
)

// ledger remembers of every key when it was first and last sighted. It is built for millions of keys: about 60 bytes each with ids of
// thirty, no pointer per key, and in a space most of them on disk. Entries are numbered in the order of their first sighting.
type ledger struct {
	keys    keyset.Set
	entries mapped.List[entry]
}

// entry is what is known of a key. Requests are numbered from 1 over the whole sweep.
type entry struct {
	first, last uint32 // the requests that sighted it
	walk        uint16 // the last walk that took the key in, see pass.id; 0 for none
}

// newLedger makes one that grows in a space, if there is one.
func newLedger(space *mapped.Space) *ledger {
	l := new(ledger)
	l.keys.In(space)
	l.entries.In(space)
	return l
}

func (l *ledger) len() int { return l.entries.Len() }

// sight records a sighting and returns the key's entry number and what was known before; known.first is 0 for a key that is new.
func (l *ledger) sight(key string, request uint32) (i int, known entry) {
	i, added := l.keys.Add(key)
	if added {
		l.entries.Add(entry{first: request, last: request})
		return i, entry{}
	}
	e := l.entries.At(i)
	known = *e
	e.last = request
	return i, known
}

// find returns the key's entry number, or -1.
func (l *ledger) find(key string) int { return l.keys.Find(key) }

// key returns entry i's key.
func (l *ledger) key(i int) string { return l.keys.Key(i) }

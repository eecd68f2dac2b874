package sweep

import "github.com/rollcall-data/rollcall/extract/keyset"

// ledger remembers of every key when it was first and last sighted. It is built for millions of keys: about 60 bytes each with ids of
// thirty, no pointer per key. Entries are numbered in the order of their first sighting.
type ledger struct {
	keys    keyset.Set
	entries []entry
}

// entry is what is known of a key. Requests are numbered from 1 over the whole sweep.
type entry struct {
	first, last uint32 // the requests that sighted it
	walk        uint16 // the last walk that took the key in, see pass.id; 0 for none
}

func (l *ledger) len() int { return len(l.entries) }

// sight records a sighting and returns the key's entry number and what was known before; known.first is 0 for a key that is new.
func (l *ledger) sight(key string, request uint32) (i int, known entry) {
	i, added := l.keys.Add(key)
	if added {
		l.entries = append(l.entries, entry{first: request, last: request})
		return i, entry{}
	}
	known = l.entries[i]
	l.entries[i].last = request
	return i, known
}

// find returns the key's entry number, or -1.
func (l *ledger) find(key string) int { return l.keys.Find(key) }

// key returns entry i's key.
func (l *ledger) key(i int) string { return l.keys.Key(i) }

package sweep

import (
	"hash/maphash"
	"iter"
)

// recurrences knows the pages of a sweep by their bytes. A list that holds still gives every page of the first pass to the second as it was; there is
// nothing in such a page that would have to be looked at again.
type recurrences struct {
	ledger *ledger
	seed   maphash.Seed
	pages  map[uint64]*recurrence // by the hash of the answer's bytes
	named  map[uint64]*recurrence // by the recorder's name of them
}

// recurrence is a page without its rows, but for whose they are.
type recurrence struct {
	page    Page
	size    int    // bytes of the answer
	request uint32 // that brought it last
	rows    []stretch
	n       int // rows
}

// stretch is so many entries of the ledger, one after another.
type stretch struct{ from, n uint32 }

func newRecurrences(l *ledger) *recurrences {
	return &recurrences{ledger: l, seed: maphash.MakeSeed(), pages: map[uint64]*recurrence{}, named: map[uint64]*recurrence{}}
}

// Again is the page that an answer of these bytes was before in this sweep; ok is false where there was none, or where what is in it has changed since.
// A source that decodes an answer need not do so then.
func (q Query) Again(body []byte) (p Page, ok bool) {
	if q.before == nil {
		return Page{}, false
	}
	r := q.before.pages[maphash.Bytes(q.before.seed, body)]
	if r == nil || r.size != len(body) {
		return Page{}, false
	}
	return q.before.again(r)
}

// AgainNamed is Again for an answer whose bytes have that name; see [extract.Answer].
func (q Query) AgainNamed(name uint64) (p Page, ok bool) {
	if q.before == nil || q.before.named[name] == nil {
		return Page{}, false
	}
	return q.before.again(q.before.named[name])
}

func (k *recurrences) again(r *recurrence) (p Page, ok bool) {
	for i := range r.entries() {
		if k.ledger.entries.At(i).changed > r.request {
			return Page{}, false
		}
	}
	p = r.page
	p.again = r
	return p, true
}

// note remembers a page, with the entries of its rows.
func (k *recurrences) note(p Page, rows []int, request uint32) {
	if p.again != nil {
		p.again.request = request
		return
	}
	if p.Body == nil {
		return
	}
	r := &recurrence{page: p, size: len(p.Body), request: request, n: len(rows)}
	r.page.Items, r.page.Body = nil, nil
	for _, i := range rows {
		if last := len(r.rows) - 1; last >= 0 && r.rows[last].from+r.rows[last].n == uint32(i) {
			r.rows[last].n++
		} else {
			r.rows = append(r.rows, stretch{uint32(i), 1})
		}
	}
	k.pages[maphash.Bytes(k.seed, p.Body)] = r
	if p.Name != 0 {
		k.named[p.Name] = r
	}
}

// entries are those of the rows, in their order.
func (r *recurrence) entries() iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, s := range r.rows {
			for i := s.from; i < s.from+s.n; i++ {
				if !yield(int(i)) {
					return
				}
			}
		}
	}
}

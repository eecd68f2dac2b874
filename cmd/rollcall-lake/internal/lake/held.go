package lake

import "github.com/zeebo/xxh3"

// place is where a row of the lake is: the number of its file in a comparison, and its position there.
type place uint64

// positionBits are those of a place that are the position: a file of 2^40 rows, and 2^24 files, are beyond what is written.
const positionBits = 40

func placeOf(file int, position int64) place { return place(file)<<positionBits | place(position) }

func (p place) file() int       { return int(p >> positionBits) }
func (p place) position() int64 { return int64(p & (1<<positionBits - 1)) }

// heldRow is a row of the lake that the version has not been found to have.
type heldRow struct {
	hash xxh3.Uint128
	at   place
	user uint64 // half of its key
}

// held is rows of the lake by their hashes, in 40 bytes each: a hash table with chains, whose rows are told apart by their places where they are the same.
type held struct {
	rows  []heldRow
	next  []uint32 // of the same chain, plus 1; 0: none
	heads []uint32 // as next
	left  int
}

// newHeld has room for n rows. More are taken, in chains that become longer.
func newHeld(n int) *held {
	chains := 1
	for chains < n {
		chains <<= 1
	}
	return &held{rows: make([]heldRow, 0, n), next: make([]uint32, 0, n), heads: make([]uint32, chains)}
}

func (h *held) chain(hash xxh3.Uint128) *uint32 { return &h.heads[hash.Lo&uint64(len(h.heads)-1)] }

func (h *held) add(r heldRow) {
	head := h.chain(r.hash)
	h.rows, h.next = append(h.rows, r), append(h.next, *head)
	*head = uint32(len(h.rows))
	h.left++
}

// take lets go of one row with a hash, and tells whether there was one.
func (h *held) take(hash xxh3.Uint128) bool {
	for link := h.chain(hash); *link != 0; link = &h.next[*link-1] {
		if at := *link - 1; h.rows[at].hash == hash {
			*link = h.next[at]
			h.left--
			return true
		}
	}
	return false
}

// each calls with the rows that are left.
func (h *held) each(f func(heldRow)) {
	if h.left == 0 {
		return
	}
	for _, link := range h.heads {
		for ; link != 0; link = h.next[link-1] {
			f(h.rows[link-1])
		}
	}
}

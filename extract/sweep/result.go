package sweep

import (
	"fmt"
	"iter"
)

// Result is what a sweep found.
type Result struct {
	Certificate Certificate
	// Hidden reports that pages which claimed more held fewer rows than they could have: the list has rows that this identity may not see.
	Hidden bool
	// Opaque reports that the cursor did not prove to be a skip count. False for a list of one page, which needs no cursor.
	Opaque bool
	// Lookups counts the keys that were asked for by id.
	Lookups int

	ledger *ledger
	absent map[int]uint32
	since  uint32
}

// Seen reports whether the key was sighted at all.
func (r *Result) Seen(key string) bool { return r.ledger.find(key) >= 0 }

// Present reports whether the key counts as present at the end. In a certified sweep that is who was sighted at the proving instant or
// after it (count: the answer that told the list's length; anchored and agreement: the first of the last pass), and not found absent
// by a later look-up. In an uncertified one it is whoever was sighted and not found absent since: nobody is dropped on a doubt.
func (r *Result) Present(key string) bool {
	i := r.ledger.find(key)
	return i >= 0 && r.present(i)
}

func (r *Result) present(i int) bool {
	last := r.ledger.entries.At(i).last
	return last >= r.since && last > r.absent[i]
}

// Keys yields every key that was sighted, in the order of first sighting, with whether it counts as present.
func (r *Result) Keys() iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for i := range r.ledger.len() {
			if !yield(r.ledger.key(i), r.present(i)) {
				return
			}
		}
	}
}

// result writes the certificate. An empty list is never certified unasked: a list that is filtered by permission looks the same.
func (s *sweep) result(v verdict) *Result {
	r := &Result{Hidden: s.gaps, Opaque: s.cursor == opaque, Lookups: s.lookups, ledger: s.ledger, absent: s.absent, since: v.since}
	c := &r.Certificate
	*c = Certificate{Certified: true, Proof: v.proof, Reasons: []string{}, Sweeps: s.passes, Pages: s.pages, Shifts: s.shifts}
	keyed := 0
	for i := range r.ledger.len() {
		if !r.present(i) {
			continue
		}
		c.Users++
		if key := r.ledger.key(i); len(key) > 0 && key[0] != unkeyedMark {
			keyed++
		}
	}
	switch {
	case v.proof == "":
		c.Reasons = s.reasons()
	case keyed == 0 && !s.o.AllowEmpty:
		c.Reasons = append(c.Reasons, "the list has no users; one that is filtered by permission looks the same")
	}
	if len(c.Reasons) > 0 {
		c.Certified, c.Proof = false, ""
	}
	return r
}

// reasons says why no proof holds.
func (s *sweep) reasons() []string {
	out := []string{fmt.Sprintf("no proof held after %s and %s: the list moved under them %s",
		plural(s.passes, "pass", "passes"), plural(s.pages, "request", "requests"), plural(s.shifts, "time", "times"))}
	if s.unfinished > 0 {
		out = append(out, fmt.Sprintf("%s could not be read to the list's end: it grew as fast as it was read, or an answer said neither that more follows nor where",
			plural(s.unfinished, "pass", "passes")))
	}
	if s.contradicted {
		out = append(out, "more users were proved to have been in the list than it had rows: users left it and returned, or its end was not the end")
	}
	switch {
	case s.gaps && s.dialect == Offset:
		out = append(out, "the list has rows that these credentials may not see, and an offset does not tell how many")
	case s.gaps:
		out = append(out, "the list has rows that these credentials may not see, so its length proves nothing, and no two passes in a row showed the same users once each")
	case s.cursor == opaque:
		out = append(out, "the continuation token is not a count of rows, and no two passes in a row showed the same users once each")
	default:
		for _, b := range s.bounds[max(0, len(s.bounds)-1):] {
			out = append(out, fmt.Sprintf("at the last count the list had up to %s, and %s proved to have been among them",
				plural(int(b.length), "row", "rows"), plural(b.got, "user is", "users are")))
		}
	}
	return out
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

package amigosql

import (
	"fmt"
	"iter"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// Result is what a sweep found.
type Result struct {
	Certificate sweep.Certificate

	sighted []string        // every key, in the order of first sighting
	present map[string]bool // of all of these
}

// Seen reports whether the key was sighted at all.
func (r *Result) Seen(key string) bool {
	_, ok := r.present[key]
	return ok
}

// Present reports whether the key counts as present at the end. In a certified sweep that is who was in the table when their stretch of it
// was last read; in an uncertified one, whoever was sighted: nobody is dropped on a doubt.
func (r *Result) Present(key string) bool { return r.present[key] }

// Keys yields every key that was sighted, in the order of first sighting, with whether it counts as present.
func (r *Result) Keys() iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for _, key := range r.sighted {
			if !yield(key, r.present[key]) {
				return
			}
		}
	}
}

// result writes the certificate over the last two counts.
func (w *sweeper) result(before, after int64) *Result {
	held, keyed := w.held()
	r := &Result{sighted: w.sighted, present: w.known}
	c := &r.Certificate
	*c = sweep.Certificate{Reasons: []string{}, Sweeps: w.round, Pages: w.requests(), Shifts: w.reread}
	if w.repeated {
		c.Reasons = append(c.Reasons, "a user_id came twice in one reading: the table has two rows of it, or cannot be read in the order of user_id")
	}
	if before != after || after != int64(held) {
		c.Reasons = append(c.Reasons, fmt.Sprintf("the table and its count did not come to agree in %d queries: the last two counts are %d and %d rows, and %d were read",
			w.requests(), before, after, held))
	}
	if len(c.Reasons) == 0 && keyed == 0 && !w.s.o.AllowEmpty {
		c.Reasons = append(c.Reasons, "the table has no users; one that is not filled, or that these credentials may not see, looks the same")
	}
	if len(c.Reasons) > 0 {
		c.Users = len(w.sighted)
		return r
	}
	c.Certified, c.Proof, c.Users = true, sweep.ProofCount, held
	for key := range w.known {
		w.known[key] = false
	}
	w.each(func(key string) { w.known[key] = true })
	return r
}

// held is how many different rows the table has by what was last read of each stretch, and how many of them have a usable id.
func (w *sweeper) held() (rows, keyed int) {
	distinct := make(map[string]struct{}, len(w.order)+len(w.bare))
	w.each(func(key string) {
		if _, again := distinct[key]; again {
			return
		}
		distinct[key] = struct{}{}
		if (sweep.Item{Key: key}).Keyed() {
			keyed++
		}
	})
	return len(distinct), keyed
}

func (w *sweeper) each(visit func(key string)) {
	for _, key := range w.order {
		visit(key)
	}
	for key := range w.bare {
		visit(key)
	}
}

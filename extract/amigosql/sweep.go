package amigosql

import (
	"context"
	"fmt"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

const (
	maxRounds = 8  // rounds of reading again what the counts say has changed
	slack     = 64 // queries that these may take besides twice those of the pass
)

// Sweep reads the whole table and certifies that it did; see the package comment. seen is called for each sighting of a row, again for each later
// one: the last one wins. The item is the caller's to keep. Errors are the client's, seen's, and ctx's, wrapped where that helps.
func (s *Source) Sweep(ctx context.Context, seen func(sweep.Item) error) (*Result, error) {
	w := &sweeper{s: s, seen: seen, pager: newPager(s, maxRows), known: map[string]bool{}, bare: map[string]struct{}{}, round: 1}
	before, err := w.count(ctx, stretch{})
	if err != nil {
		return nil, err
	}
	if w.order, err = w.read(ctx, stretch{}, before); err != nil {
		return nil, err
	}
	w.budget = 3*w.requests() + slack
	w.report(0)
	for {
		after, err := w.count(ctx, stretch{})
		if err != nil {
			return nil, err
		}
		held, _ := w.held()
		if before == after && after == int64(held) || w.repeated || w.round > maxRounds || w.spent() {
			return w.result(before, after), nil
		}
		w.round++
		stretches, err := w.mend(ctx, after)
		if err != nil {
			return nil, err
		}
		w.reread += stretches
		w.report(stretches)
		before = after
	}
}

// sweeper is one sweep.
type sweeper struct {
	s     *Source
	seen  func(sweep.Item) error
	pager *pager

	sighted []string        // every key, in the order of first sighting
	known   map[string]bool // the same, all true

	// What the table is made of, as far as it was last read.
	order []string            // the keys of rows with a place in the order, in that order
	bare  map[string]struct{} // the keys of rows whose user_id is NULL

	bareAsked bool // rows whose user_id is NULL were asked for
	repeated  bool // an id came twice in one reading, which no reading again mends
	round     int  // the pass is the first
	counts    int  // counting queries
	reread    int  // stretches that were read again
	reported  int  // requests when the last round was reported
	budget    int  // requests there may be in all
}

func (w *sweeper) requests() int { return w.pager.asked + w.counts }

func (w *sweeper) spent() bool { return w.requests() >= w.budget }

func (w *sweeper) count(ctx context.Context, in stretch) (int64, error) {
	w.counts++
	n, err := w.s.count(ctx, in)
	if err != nil {
		return 0, fmt.Errorf("count the users of %s: %w", w.s.o.Org, err)
	}
	return n, nil
}

// read reads a stretch of the table and returns the keys of those of its rows that have a place in the order, in that order. An empty page is its
// end; so is one that is not full, if the server says that it is not truncated and no rows are missing of those expected.
func (w *sweeper) read(ctx context.Context, in stretch, expected int64) ([]string, error) {
	var keys []string
	here := map[string]struct{}{}
	for rows := int64(0); ; {
		a, err := w.pager.ask(ctx, func(limit int) string { return pageQuery(w.s.columns, in, limit) })
		if err != nil {
			return nil, fmt.Errorf("read the users of %s: %w", w.s.o.Org, err)
		}
		moved := false
		for _, r := range a.rows {
			if err := w.sight(r); err != nil {
				return nil, err
			}
			if r.null {
				rows++
				continue
			}
			if _, again := here[r.Key]; again {
				w.repeated = w.repeated || r.Keyed()
				continue
			}
			rows++
			here[r.Key] = struct{}{}
			keys = append(keys, r.Key)
			if r.Keyed() {
				in.after, moved = at(r.Key), true
			}
		}
		w.paged()
		switch last := a.cut == sweep.No && len(a.rows) < a.limit; {
		case len(a.rows) == 0 || last && rows >= expected:
			return keys, nil
		case moved:
		case in.after.closed:
			return nil, &sweep.StuckError{Pass: w.round, Page: w.requests() - w.reported, Run: 1}
		default: // rows without a usable id come first
			in.after = at("")
		}
	}
}

// sight takes in a row.
func (w *sweeper) sight(r row) error {
	if !w.known[r.Key] {
		w.known[r.Key] = true
		w.sighted = append(w.sighted, r.Key)
	}
	if r.null {
		w.bare[r.Key] = struct{}{}
	}
	if err := w.seen(r.Item); err != nil {
		return fmt.Errorf("take in a user of %s: %w", w.s.o.Org, err)
	}
	return nil
}

func (w *sweeper) paged() {
	if w.s.o.Hooks.OnPage != nil {
		w.s.o.Hooks.OnPage(w.round, w.requests()-w.reported, len(w.sighted))
	}
}

// report tells of a round that is over, in which so many stretches were read again.
func (w *sweeper) report(stretches int) {
	if w.s.o.Hooks.OnPass != nil {
		w.s.o.Hooks.OnPass(sweep.PassReport{
			Pass: w.round, Pages: w.requests() - w.reported, Users: len(w.order) + len(w.bare), Shifts: stretches, Whole: !w.spent(),
		})
	}
	w.reported = w.requests()
}

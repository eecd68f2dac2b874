package amigosql

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// mend reads again those stretches of the table that do not have as many rows as were read, and says how many they are. total is the last count of
// all rows.
func (w *sweeper) mend(ctx context.Context, total int64) (stretches int, err error) {
	if held, _ := w.held(); total > int64(held) && !w.bareAsked {
		if err := w.readBare(ctx); err != nil {
			return 0, err
		}
	}
	m := &mending{sweeper: w}
	if err := m.compare(ctx, 0, len(w.order), total-int64(len(w.bare))); err != nil {
		return 0, err
	}
	// From the last one backwards, so that the places of the others stay what they were.
	for _, p := range slices.Backward(m.patches) {
		w.order = slices.Replace(w.order, p.from, p.to, p.keys...)
	}
	return len(m.patches), nil
}

// readBare asks for the rows whose user_id is NULL: no stretch with an end has them, and where they come last in the order no page does. A server
// that does not take the query has none that can be had.
func (w *sweeper) readBare(ctx context.Context) error {
	w.bareAsked = true
	a, err := w.pager.ask(ctx, func(limit int) string { return nullQuery(w.s.columns, limit) }, http.StatusBadRequest)
	if errors.Is(err, errNotTaken) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the rows without a user_id of %s: %w", w.s.o.Org, err)
	}
	for _, r := range a.rows {
		if !r.null {
			continue // a server that does not heed the condition
		}
		if err := w.sight(r); err != nil {
			return err
		}
	}
	return nil
}

// mending collects what was read again in one round.
type mending struct {
	*sweeper
	patches []patch // in the order of the table
}

// patch is what replaces the keys from from up to to, without to.
type patch struct {
	from, to int
	keys     []string
}

// compare goes down to where the table differs: n is how many rows it has now where the keys from from to to were read. Of two halves only one is
// counted; while the table changes the other's number may be wrong, and the next round finds that out.
func (m *mending) compare(ctx context.Context, from, to int, n int64) error {
	if n == int64(to-from) || m.spent() {
		return nil
	}
	middle := m.split(from, to)
	if size := m.pager.size; n < int64(size) || to-from < size || middle < 0 {
		keys, err := m.read(ctx, m.stretch(from, to), n)
		if err != nil {
			return err
		}
		m.patches = append(m.patches, patch{from, to, keys})
		return nil
	}
	left, err := m.count(ctx, m.stretch(from, middle))
	if err != nil {
		return err
	}
	if err := m.compare(ctx, from, middle, left); err != nil {
		return err
	}
	return m.compare(ctx, middle, to, n-left)
}

// stretch is where the keys from from to to were read. It begins behind the key before it: who came since has a place in one stretch.
func (m *mending) stretch(from, to int) (in stretch) {
	if from > 0 {
		in.after = at(m.order[from-1])
	}
	if to < len(m.order) {
		in.upTo = at(m.order[to-1])
	}
	return in
}

// split is where to halve: behind a row with an id that a query can name; -1 if there is no such place.
func (m *mending) split(from, to int) int {
	for middle := (from + to) / 2; middle > from; middle-- {
		if (sweep.Item{Key: m.order[middle-1]}).Keyed() {
			return middle
		}
	}
	return -1
}

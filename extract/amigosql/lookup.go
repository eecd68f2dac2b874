package amigosql

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

const (
	maxLookup      = 500      // ids in one query
	maxLookupQuery = 64 << 10 // bytes of the ids in one query
)

// Lookup asks for users by id and returns the rows of those who are in the table, each once, as [Source.Sweep] gives them. Rows nobody asked
// for are left out.
func (s *Source) Lookup(ctx context.Context, ids []string) ([]sweep.Item, error) {
	wanted := map[string]bool{}
	var open []string
	for _, id := range ids {
		if !wanted[id] && (sweep.Item{Key: id}).Keyed() {
			wanted[id] = true
			open = append(open, id)
		}
	}
	var found []sweep.Item
	p := newPager(s, maxLookup)
	for len(open) > 0 {
		n := 0
		a, err := p.ask(ctx, func(rows int) string {
			n = chunk(open, rows)
			return lookupQuery(s.columns, open[:n])
		})
		if err != nil {
			return nil, fmt.Errorf("look up %d users of %s: %w", n, s.o.Org, err)
		}
		before := len(found)
		for _, r := range a.rows {
			if wanted[r.Key] {
				wanted[r.Key] = false
				found = append(found, r.Item)
			}
		}
		switch {
		case a.cut == sweep.No || len(a.rows) == 0 || n == 1:
			open = open[n:]
		case len(found) == before:
			p.shrink()
		default: // of the others nobody knows who was left out
			open = slices.DeleteFunc(open, func(id string) bool { return !wanted[id] })
		}
	}
	return found, nil
}

// chunk is how many of the ids fit one query; at least one does.
func chunk(ids []string, most int) int {
	size := 0
	for i, id := range ids[:min(len(ids), most)] {
		if size += len(literal(id)) + 2; size > maxLookupQuery && i > 0 {
			return i
		}
	}
	return min(len(ids), most)
}

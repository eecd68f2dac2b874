package pipeline

import (
	"context"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// carry takes over what the version before has of the past: its history, with the rows that this run closes closed, its changes, its
// deletions but for users who are back, and its runs.
func (b *build) carry(ctx context.Context) error {
	b.verdicts, b.opened = map[identity]*decision{}, map[identity]opened{}
	if !b.prior.exists {
		return nil
	}
	for i := range b.d.list {
		if x := &b.d.list[i]; x.what != same && x.what != kept && x.what != added {
			b.verdicts[x.id] = x
		}
	}
	if err := b.carryHistory(ctx); err != nil {
		return err
	}
	for _, table := range []string{schema.NameUsersChanges, schema.NameRuns} {
		if err := b.carryRows(ctx, table, func(transform.Columns, int) bool { return true }); err != nil {
			return err
		}
	}
	return b.carryRows(ctx, schema.NameUsersDeleted, func(c transform.Columns, i int) bool {
		x := b.verdicts[identity{c.Text("_scope", i).String, c.Text("user_id", i).String}]
		return x == nil || x.what != returned
	})
}

// carryHistory closes the open rows of users who changed, were deleted or are back, and leaves out those that are written anew because
// models came to complete them. Batches that none of this touches go through as they are.
func (b *build) carryHistory(ctx context.Context) error {
	at := transform.MicrosOf(b.clock)
	return eachBatch(ctx, b.prior.version, b.mem, schema.NameUsersHistory, nil, func(c transform.Columns) error {
		touched := map[int]*decision{}
		for i := range c.Rows() {
			if open, _ := c.Bool("_is_current", i); !open {
				continue
			}
			id := identity{c.Text("_scope", i).String, c.Text("user_id", i).String}
			x := b.verdicts[id]
			if x == nil {
				continue
			}
			touched[i] = x
			if x.what == enriched {
				b.opened[x.id] = opened{c.Micros("_valid_from", i), strings.Clone(c.Text("_run_id", i).String)}
			}
		}
		if len(touched) == 0 {
			return b.rowsOf.Pass(schema.NameUsersHistory, c)
		}
		for i := range c.Rows() {
			x := touched[i]
			if x != nil && x.what == enriched {
				continue
			}
			v := transform.HistoryRow(c, i)
			if x != nil {
				v.To = at
			}
			if err := b.rowsOf.History(v); err != nil {
				return err
			}
		}
		return nil
	})
}

// carryRows takes over the rows of a table that keep says to keep.
func (b *build) carryRows(ctx context.Context, table string, keep func(c transform.Columns, row int) bool) error {
	return eachBatch(ctx, b.prior.version, b.mem, table, nil, func(c transform.Columns) error {
		from := 0
		for i := 0; i <= c.Rows(); i++ {
			if i < c.Rows() && keep(c, i) {
				continue
			}
			if i > from {
				if err := b.rowsOf.PassRows(table, c, from, i); err != nil {
					return err
				}
			}
			from = i + 1
		}
		return nil
	})
}

// keptVariables are the variables of users who are kept though they were not seen.
func (b *build) keptVariables(ctx context.Context) (map[identity][]transform.Variable, error) {
	keep := b.keptKeys()
	out := map[identity][]transform.Variable{}
	if len(keep) == 0 {
		return out, nil
	}
	return out, eachBatch(ctx, b.prior.version, b.mem, schema.NameVariables, nil, func(c transform.Columns) error {
		for i := range c.Rows() {
			id, ok := keep[[2]string{c.Text("org_id", i).String, c.Text("user_id", i).String}]
			if !ok {
				continue
			}
			v := transform.Variable{Name: clone(c.Text("name", i)), Value: clone(c.Text("value", i))}
			v.Sensitive, _ = c.Bool("is_sensitive", i)
			out[id] = append(out[id], v)
		}
		return nil
	})
}

// keptKeys are the users who are kept though they were not seen, by the key that their tables have.
func (b *build) keptKeys() map[[2]string]identity {
	keep := map[[2]string]identity{}
	for i := range b.d.list {
		if x := &b.d.list[i]; x.what == kept {
			keep[[2]string{x.before.Org.String, x.id.user}] = x.id
		}
	}
	return keep
}

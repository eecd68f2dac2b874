package pipeline

import (
	"cmp"
	"context"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// carry takes over what the version before has of the past: its history, with the rows that this run closes closed, its changes, its
// deletions but for users who are back, and its runs. Where that version is amended, also what is flattened from users who are not touched.
func (b *build) carry(ctx context.Context) error {
	b.verdicts, b.opened = map[identity]verdict{}, map[identity]opened{}
	if !b.prior.exists {
		return nil
	}
	for x := range b.d.each() {
		if x.what != same && x.what != kept && x.what != added {
			b.verdicts[x.id] = x.what
		}
	}
	if b.amends {
		if err := b.remove(); err != nil {
			return err
		}
		if err := b.carryChildren(ctx); err != nil {
			return err
		}
	}
	if err := b.carryHistory(ctx); err != nil {
		return err
	}
	for _, table := range []string{schema.NameUsersChanges, schema.NameRuns} {
		if err := b.carryTable(ctx, table, true, nil, nil); err != nil {
			return err
		}
	}
	return b.carryTable(ctx, schema.NameUsersDeleted, b.d.any(deleted), []string{"_scope", "user_id"}, func(c transform.Columns, i int) bool {
		what, ok := b.verdicts[scoped(c, i)]
		return ok && what == returned
	})
}

// carryHistory closes the open rows of users who changed, were deleted or are back, and leaves out those that are written anew because
// models came to complete them.
func (b *build) carryHistory(ctx context.Context) error {
	const table = schema.NameUsersHistory
	if !b.out.Keeps(table) {
		return eachBatch(ctx, b.prior.version, b.mem, table, nil, func(c transform.Columns) error {
			return b.closeRows(c, func(now arrow.Record) error { return b.carryBatch(table, transform.ColumnsOf(now), nil) })
		})
	}
	if err := b.out.Over(table, b.leastLinked()); err != nil {
		return err
	}
	var columns []string // all of them, where rows go
	if !b.d.any(enriched) {
		columns = append([]string{"_scope", "user_id"}, transform.ClosedColumns...)
	}
	return eachBatch(ctx, b.prior.version, b.mem, table, columns, func(c transform.Columns) error {
		return b.closeRows(c, func(now arrow.Record) error { return b.out.Revise(table, c.Batch(), now) })
	})
}

// openVerdict is the verdict on the user of an open row of the history; same where the row stays as it is.
func (b *build) openVerdict(c transform.Columns, i int) verdict {
	if open, _ := c.Bool("_is_current", i); !open {
		return same
	}
	return b.verdicts[scoped(c, i)]
}

// closeRows gives take a batch of the history as it is to be: with the rows closed that are to be, and without those that are written anew.
func (b *build) closeRows(c transform.Columns, take func(now arrow.Record) error) error {
	var stay []schema.Span
	closed, gone := false, false
	for i := range c.Rows() {
		what := b.openVerdict(c, i)
		if what == enriched {
			b.open(c, i)
			gone = true
			continue
		}
		closed = closed || what != same
		stay = schema.AddRow(stay, false, int64(i))
	}
	now := c
	if closed {
		cells := transform.Closed(b.mem, c, transform.MicrosOf(b.clock), func(i int) bool { return b.openVerdict(c, i) != same })
		defer cells.Release()
		now = c.With(cells)
		defer now.Release()
	}
	if !gone {
		return take(now.Batch())
	}
	left, err := schema.Splice(b.mem, now.Batch(), nil, stay)
	if err != nil {
		return err
	}
	defer left.Release()
	return take(left)
}

// open notes of an open row that it is written anew.
func (b *build) open(c transform.Columns, i int) {
	id := scoped(c, i)
	b.opened[identity{strings.Clone(id.scope), strings.Clone(id.user)}] = opened{c.Micros("_valid_from", i), strings.Clone(c.Text("_run_id", i).String)}
}

// carryTable takes over the rows of a table of the version before. Those that are touched, which their columns keys tell, are left out. Where
// the version is amended, parts without such rows are linked, but for a small last one behind which the table grows.
func (b *build) carryTable(ctx context.Context, table string, grows bool, keys []string, touched func(c transform.Columns, row int) bool) error {
	if !b.out.Keeps(table) {
		return eachBatch(ctx, b.prior.version, b.mem, table, nil, func(c transform.Columns) error { return b.carryBatch(table, c, touched) })
	}
	parts := b.prior.version.Parts(table)
	for i, part := range parts {
		if part.Rows >= b.leastLinked() || i < len(parts)-1 || !grows {
			is, err := b.anyTouched(ctx, part, keys, touched)
			if err != nil {
				return err
			}
			if !is {
				if err := b.rowsOf.Flush(table); err != nil {
					return err
				}
				if err := b.out.Link(table, part); err != nil {
					return err
				}
				continue
			}
		}
		path := b.prior.version.Path(part)
		err := eachBatchOf(ctx, parquet.OpenPart(b.mem, path), func(c transform.Columns) error { return b.carryBatch(table, c, touched) })
		if err != nil {
			return err
		}
	}
	return nil
}

// leastLinked is how many rows the last part of a table must have to be linked: behind a smaller one, the new rows go into one part with it.
func (b *build) leastLinked() int64 { return cmp.Or(b.o.leastLinked, 100_000) }

func (b *build) anyTouched(ctx context.Context, part publish.FileEntry, keys []string, touched func(c transform.Columns, row int) bool) (is bool, err error) {
	if touched == nil {
		return false, nil
	}
	err = eachBatchOf(ctx, parquet.OpenPart(b.mem, b.prior.version.Path(part), keys...), func(c transform.Columns) error {
		for i := range c.Rows() {
			is = is || touched(c, i)
		}
		return nil
	})
	return is, err
}

func (b *build) carryBatch(table string, c transform.Columns, touched func(c transform.Columns, row int) bool) error {
	var constants map[string]string
	if table == schema.NameIssues { // they are issues of this run, too
		constants = map[string]string{"run_id": b.dataRun()}
	}
	from := 0
	for i := 0; i <= c.Rows(); i++ {
		if i < c.Rows() && (touched == nil || !touched(c, i)) {
			continue
		}
		if i > from {
			if err := b.old(table, c, from, i, constants); err != nil {
				return err
			}
		}
		from = i + 1
	}
	return nil
}

// old takes over rows of the version before: where the database has them still, for Parquet alone.
func (b *build) old(table string, c transform.Columns, from, to int, constants map[string]string) error {
	take := b.out.Append
	if b.out.Keeps(table) {
		take = b.out.Keep
	}
	return b.rowsOf.Old(table, c, from, to, constants, take)
}

// keptVariables are the variables of users who are kept though they were not seen.
func (b *build) keptVariables(ctx context.Context) (map[identity][]transform.Variable, error) {
	keep := b.d.keysOf(func(x *decision) bool { return x.what == kept })
	out := map[identity][]transform.Variable{}
	if len(keep) == 0 {
		return out, nil
	}
	return out, eachBatch(ctx, b.prior.version, b.mem, schema.NameVariables, nil, func(c transform.Columns) error {
		for i := range c.Rows() {
			id, ok := keep[keyAt(c, i)]
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

// keysOf are users of the version before, by the key that their tables have.
func (d *decisions) keysOf(is func(*decision) bool) map[userKey]identity {
	keys := map[userKey]identity{}
	for x := range d.each() {
		if x.known && is(x) {
			keys[keyOf(x.before)] = x.id
		}
	}
	return keys
}

package lake

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"
)

// difference is what of a table is not as the version has it.
type difference struct {
	users   int         // in either
	whole   bool        // the table is replaced
	stale   map[key]sum // users whose rows differ
	seed    uint64
	deleted []string // of them, those who have rows in the lake
	orphans bool     // rows without a user_id differ, and the lake has some
}

func (d *difference) empty() bool { return len(d.stale) == 0 && !d.whole }

// compare reads a table and a version's rows of it. It takes some 40 bytes of memory for each user.
func compare(ctx context.Context, t *table.Table, src Source, e *evolution) (*difference, error) {
	d := &difference{whole: e.replace}
	if t.CurrentSnapshot() == nil {
		d.whole = true
	}
	if d.whole {
		return d, nil
	}
	g, err := newDigester(src.Schema())
	if err != nil {
		return nil, err
	}
	d.seed = g.seed
	sums, err := differences(ctx, t, src, g)
	if err != nil {
		return nil, err
	}
	d.users = len(sums)
	for of, s := range sums {
		if s == (sum{}) {
			delete(sums, of)
		}
	}
	d.stale = sums
	if len(sums) == 0 {
		return d, nil
	}
	if !g.user || float64(len(sums)) > ReplaceShare*float64(d.users) {
		d.whole = true
		return d, nil
	}
	return d, d.findDeleted(ctx, t)
}

// differences sums up, for each user, the hashes of the version's rows less those of the table's. Both are read at once.
func differences(ctx context.Context, t *table.Table, src Source, g *digester) (map[key]sum, error) {
	type hashed struct {
		of   key
		hash xxh3.Uint128
	}
	var mu sync.Mutex
	sums := map[key]sum{}
	side := func(count func(*sum, xxh3.Uint128)) func(arrow.RecordBatch) error {
		own := &digester{seed: g.seed, columns: g.columns, user: g.user}
		var batch []hashed
		return func(b arrow.RecordBatch) error {
			batch = batch[:0]
			if err := own.rows(b, func(of key, h xxh3.Uint128) { batch = append(batch, hashed{of, h}) }); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, row := range batch {
				s := sums[row.of]
				count(&s, row.hash)
				sums[row.of] = s
			}
			return nil
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		add := side((*sum).add)
		for b, err := range src.Read(ctx) {
			if err != nil {
				return err
			}
			if err := add(b); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		_, has, err := t.Scan().ToArrowRecords(ctx)
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		if err := each(has, side((*sum).subtract)); err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return sums, nil
}

// each calls for every batch, and releases it.
func each(records iter.Seq2[arrow.RecordBatch, error], f func(arrow.RecordBatch) error) error {
	for b, err := range records {
		if err != nil {
			return err
		}
		err = f(b)
		b.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// findDeleted looks up who the users are whose rows are to be deleted.
func (d *difference) findDeleted(ctx context.Context, t *table.Table) error {
	_, ids, err := t.Scan(table.WithSelectedFields(userColumn)).ToArrowRecords(ctx)
	if err != nil {
		return fmt.Errorf("scan for users: %w", err)
	}
	found := map[key]struct{}{}
	err = each(ids, func(b arrow.RecordBatch) error {
		of, err := userKeys(b, d.seed)
		if err != nil {
			return err
		}
		text, err := textOf(b.Column(0))
		if err != nil {
			return err
		}
		for row := range int(b.NumRows()) {
			k := of(row)
			if _, ok := d.stale[k]; !ok {
				continue
			}
			if _, ok := found[k]; ok {
				continue
			}
			found[k] = struct{}{}
			if k == nobody {
				d.orphans = true
			} else {
				d.deleted = append(d.deleted, string([]byte(text(row)))) // the batch's own memory goes
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("scan for users: %w", err)
	}
	slices.Sort(d.deleted)
	return nil
}

// filter is the rows that are deleted; nil where there are none.
func (d *difference) filter() iceberg.BooleanExpression {
	var f iceberg.BooleanExpression
	if len(d.deleted) > 0 {
		f = iceberg.IsIn(iceberg.Reference(userColumn), d.deleted...)
	}
	switch {
	case d.orphans && f == nil:
		return iceberg.IsNull(iceberg.Reference(userColumn))
	case d.orphans:
		return iceberg.NewOr(f, iceberg.IsNull(iceberg.Reference(userColumn)))
	}
	return f
}

// changed are the rows of the version that are appended: those of users who differ.
func (d *difference) changed(ctx context.Context, src Source) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range src.Read(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			some, err := d.pick(ctx, b)
			if err != nil {
				yield(nil, err)
				return
			}
			if some == nil {
				continue
			}
			goesOn := yield(some, nil)
			some.Release()
			if !goesOn {
				return
			}
		}
	}
}

// pick is the rows of a batch that are appended; nil where it has none.
func (d *difference) pick(ctx context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	of, err := userKeys(b, d.seed)
	if err != nil {
		return nil, err
	}
	mask := array.NewBooleanBuilder(compute.GetAllocator(ctx))
	defer mask.Release()
	mask.Reserve(int(b.NumRows()))
	some := false
	for row := range int(b.NumRows()) {
		_, stale := d.stale[of(row)]
		mask.UnsafeAppend(stale)
		some = some || stale
	}
	if !some {
		return nil, nil //nolint:nilnil // no rows are an answer
	}
	picked := mask.NewArray()
	defer picked.Release()
	out, err := compute.FilterRecordBatch(ctx, b, picked, compute.DefaultFilterOptions())
	if err != nil {
		return nil, fmt.Errorf("pick the changed rows: %w", err)
	}
	return out, nil
}

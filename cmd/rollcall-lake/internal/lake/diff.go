package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/zeebo/xxh3"
)

// HeldRows is how many of a table's rows are held in memory at a time where nothing else is said. A larger table is compared in several passes, each over the rows
// whose hashes are its own, so twice the rows take four times as long from there on.
const HeldRows = 8 << 20

// change is what makes a table's rows those of a version.
type change struct {
	whole bool // the table is replaced, and nothing else is said

	added   []iceberg.DataFile // of rows that the table lacks
	rows    int64              // in them
	deletes []iceberg.DataFile // of rows that the version lacks
	users   int                // of either
}

func (c *change) empty() bool { return !c.whole && len(c.added)+len(c.deletes) == 0 }

// comparison compares a table's rows with a version's: first the table's are held by their hashes, then each of the version's takes one that is the same, or is
// written where there is none. What is left in the end is deleted.
type comparison struct {
	table, target *table.Table // as it is; with the columns of the version
	src           Source
	digests       *digester
	files         []table.FileScanTask
	deleted       []positions // in these files
	rows          int64       // of the table
	passes        uint64
	limit         int64 // of rows that differ on either side; with more the table is replaced

	lacking int64 // rows of the version that the table lacks
	gone    []place
	users   map[uint64]struct{} // who differ
}

// change compares a table with a version. The rows that the table lacks are written to target, which is the table with the version's columns.
func (l *Lake) change(ctx context.Context, t, target *table.Table, src Source, e *evolution) (*change, error) {
	if e.replace || t.CurrentSnapshot() == nil || t.Metadata().Version() != tableVersion {
		return &change{whole: true}, nil
	}
	c, err := l.comparison(ctx, t, target, src)
	if c == nil || err != nil {
		return &change{whole: true}, notMissing(err)
	}
	added, rows, err := write(ctx, target, c.changed(ctx))
	if err != nil {
		return &change{whole: true}, notMissing(err)
	}
	if c.tooMuch() {
		c.discard(ctx, added)
		return &change{whole: true}, nil
	}
	deletes, err := writeDeletes(ctx, target, c.files, c.gone)
	if err != nil {
		return nil, err
	}
	return &change{added: added, rows: rows, deletes: deletes, users: len(c.users)}, nil
}

// notMissing is the error of a comparison, but that a file of the table is gone: then there is nothing to compare with, and the table is replaced.
func notMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// comparison is one that is to be carried out; nil where the table is to be replaced in any case.
func (l *Lake) comparison(ctx context.Context, t, target *table.Table, src Source) (*comparison, error) {
	g, err := newDigester(src.Schema())
	if err != nil {
		return nil, err
	}
	c := &comparison{table: t, target: target, src: src, digests: g, users: map[uint64]struct{}{}}
	if c.files, err = filesOf(ctx, t); err != nil {
		return nil, err
	}
	for _, f := range c.files {
		if len(f.EqualityDeleteFiles)+len(f.DeletionVectorFiles) > 0 { // not ours
			return nil, nil //nolint:nilnil // no comparison is an answer
		}
		c.rows += f.File.Count()
	}
	if c.deleted, err = deletedOf(ctx, t, c.files); err != nil {
		return nil, err
	}
	for _, d := range c.deleted {
		c.rows -= d.count()
	}
	if g.user {
		c.limit = int64(ReplaceShare * float64(max(c.rows, src.Rows())))
	}
	if apart := c.rows - src.Rows(); apart > c.limit || -apart > c.limit {
		return nil, nil //nolint:nilnil // no comparison is an answer
	}
	c.passes = uint64(c.rows)/uint64(l.opts.HeldRows) + 1
	return c, nil
}

func (c *comparison) tooMuch() bool { return c.lacking > c.limit || int64(len(c.gone)) > c.limit }

// changed are the rows of the version that the table lacks. It ends early where they are too many.
func (c *comparison) changed(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for pass := range c.passes {
			h, err := c.hold(ctx, pass)
			if err != nil {
				yield(nil, err)
				return
			}
			for b, err := range c.lacked(ctx, h, pass) {
				if !yield(b, err) || err != nil {
					return
				}
			}
			if c.lacking > c.limit {
				return
			}
			h.each(func(r heldRow) {
				c.gone = append(c.gone, r.at)
				c.users[r.user] = struct{}{}
			})
		}
	}
}

// hold reads those of the table's rows that a pass is over.
func (c *comparison) hold(ctx context.Context, pass uint64) (*held, error) {
	h := newHeld(int(uint64(c.rows)/c.passes + uint64(c.rows)/c.passes/16))
	for i, task := range c.files {
		rows, err := readFile(ctx, c.table, task)
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		var at int64
		err = each(rows, func(b arrow.RecordBatch) error {
			from := at
			at += b.NumRows()
			return c.digests.rows(b, func(row int, of key, hash xxh3.Uint128) {
				if position := from + int64(row); hash.Hi%c.passes == pass && !c.deleted[i].has(position) {
					h.add(heldRow{hash, placeOf(i, position), of.Lo})
				}
			})
		})
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		if at != task.File.Count() { // then positions are not what they seem
			return nil, fmt.Errorf("scan: a file has %d rows, and %d are said to be there", at, task.File.Count())
		}
	}
	return h, nil
}

// lacked are the rows of the version that a pass is over and that are not held; those that are held are let go of.
func (c *comparison) lacked(ctx context.Context, h *held, pass uint64) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range ahead(c.src.Read(ctx)) {
			if err != nil {
				yield(nil, err)
				return
			}
			some, err := c.pick(ctx, b, h, pass)
			b.Release()
			if err != nil {
				yield(nil, err)
				return
			}
			if some == nil {
				continue
			}
			goesOn := c.lacking <= c.limit && yield(some, nil)
			some.Release()
			if !goesOn {
				return
			}
		}
	}
}

// pick is the rows of a batch that are lacked; nil where it has none.
func (c *comparison) pick(ctx context.Context, b arrow.RecordBatch, h *held, pass uint64) (arrow.RecordBatch, error) {
	var rows []int
	err := c.digests.rows(b, func(row int, of key, hash xxh3.Uint128) {
		if hash.Hi%c.passes == pass && !h.take(hash) {
			rows = append(rows, row)
			c.users[of.Lo] = struct{}{}
		}
	})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	c.lacking += int64(len(rows))
	mask := array.NewBooleanBuilder(compute.GetAllocator(ctx))
	defer mask.Release()
	mask.Reserve(int(b.NumRows()))
	for row := range int(b.NumRows()) {
		lacked := len(rows) > 0 && rows[0] == row
		if lacked {
			rows = rows[1:]
		}
		mask.UnsafeAppend(lacked)
	}
	picked := mask.NewArray()
	defer picked.Release()
	out, err := compute.FilterRecordBatch(ctx, b, picked, compute.DefaultFilterOptions())
	if err != nil {
		return nil, fmt.Errorf("pick the changed rows: %w", err)
	}
	return out, nil
}

// discard removes files that were written and are not to be committed. What cannot be removed is an orphan, as those of a killed publisher.
func (c *comparison) discard(ctx context.Context, files []iceberg.DataFile) {
	storage, err := c.target.FS(ctx)
	if err != nil {
		return
	}
	for _, f := range files {
		_ = storage.Remove(f.FilePath())
	}
}

// ahead reads a batch while the one before is worked on. Who is given a batch releases it.
func ahead(records iter.Seq2[arrow.RecordBatch, error]) iter.Seq2[arrow.RecordBatch, error] {
	type read struct {
		b   arrow.RecordBatch
		err error
	}
	return func(yield func(arrow.RecordBatch, error) bool) {
		batches, stop := make(chan read), make(chan struct{})
		go func() {
			defer close(batches)
			for b, err := range records {
				if err == nil {
					b.Retain()
				}
				select {
				case batches <- read{b, err}:
				case <-stop:
					if err == nil {
						b.Release()
					}
					return
				}
			}
		}()
		defer func() {
			close(stop)
			for r := range batches { // until the reader has ended: what it reads from is closed after this
				if r.err == nil {
					r.b.Release()
				}
			}
		}()
		for r := range batches {
			if !yield(r.b, r.err) {
				return
			}
		}
	}
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

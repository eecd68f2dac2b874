package lake

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// bufferedBatches is how many batches wait for the writer of a file: a batch may be of some megabytes.
const bufferedBatches = 4

// write writes rows as data files of a table; no snapshot has them yet. It returns their number too. The library says nothing of a file that it could not open
// where no more rows of that partition come: rows are counted on both sides.
func write(ctx context.Context, t *table.Table, records iter.Seq2[arrow.RecordBatch, error]) (files []iceberg.DataFile, rows int64, err error) {
	schema, err := table.SchemaToArrowSchema(t.Schema(), nil, true, false)
	if err != nil {
		return nil, 0, fmt.Errorf("write: %w", err)
	}
	var given int64
	conformed := func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range records {
			if err == nil && b.NumRows() == 0 {
				continue
			}
			if err == nil {
				given += b.NumRows()
				b, err = conform(ctx, schema, b)
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
	for f, err := range table.WriteRecords(ctx, t, schema, conformed, table.WithRecordBatchBufferSize(bufferedBatches)) {
		if err != nil {
			return nil, 0, fmt.Errorf("write: %w", err)
		}
		files = append(files, f)
		rows += f.Count()
	}
	if rows != given {
		return nil, 0, fmt.Errorf("write: the storage took %d of %d rows, and did not say why: is it full, or are too many files open?", rows, given)
	}
	return files, rows, nil
}

// conform is a batch with the columns of a table: in its order and with its ids, widened where it is wider, NULL where the batch has none.
func conform(ctx context.Context, schema *arrow.Schema, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, 0, schema.NumFields())
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for _, f := range schema.Fields() {
		at := b.Schema().FieldIndices(f.Name)
		if len(at) == 0 {
			columns = append(columns, array.MakeArrayOfNull(compute.GetAllocator(ctx), f.Type, int(b.NumRows())))
			continue
		}
		a := b.Column(at[0])
		if arrow.TypeEqual(a.DataType(), f.Type) {
			a.Retain()
			columns = append(columns, a)
			continue
		}
		wider, err := compute.CastArray(ctx, a, compute.SafeCastOptions(f.Type))
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		columns = append(columns, wider)
	}
	return array.NewRecordBatch(schema, columns, b.NumRows()), nil
}

// content is the live files of a snapshot.
type content struct {
	data, deletes []iceberg.DataFile
}

// contents lists the files of a table's present snapshot.
func contents(ctx context.Context, t *table.Table) (*content, error) {
	c := &content{}
	s := t.CurrentSnapshot()
	if s == nil {
		return c, nil
	}
	fs, err := t.FS(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the storage: %w", err)
	}
	manifests, err := s.Manifests(fs)
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	for _, m := range manifests {
		for entry, err := range m.Entries(fs, true) {
			if err != nil {
				return nil, fmt.Errorf("read the manifests: %w", err)
			}
			if f := entry.DataFile(); f.ContentType() == iceberg.EntryContentData {
				c.data = append(c.data, f)
			} else {
				c.deletes = append(c.deletes, f)
			}
		}
	}
	return c, nil
}

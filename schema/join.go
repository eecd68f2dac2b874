package schema

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Join copies batches, one at least, into one behind each other; their columns must be the first one's. What it returns has memory of its own, also where
// a batch is a slice of a larger one.
func Join(mem memory.Allocator, batches ...arrow.Record) (arrow.Record, error) {
	first := batches[0]
	columns := make([]arrow.Array, first.NumCols())
	defer func() {
		for _, c := range columns {
			if c != nil {
				c.Release()
			}
		}
	}()
	rows := int64(0)
	for _, b := range batches {
		if b.NumCols() != first.NumCols() {
			return nil, fmt.Errorf("join batches: one has %d columns, one %d", first.NumCols(), b.NumCols())
		}
		rows += b.NumRows()
	}
	parts := make([]arrow.Array, len(batches))
	for i := range columns {
		for k, b := range batches {
			if b.ColumnName(i) != first.ColumnName(i) {
				return nil, fmt.Errorf("join batches: column %d is %s in one, %s in one", i+1, first.ColumnName(i), b.ColumnName(i))
			}
			parts[k] = b.Column(i)
		}
		var err error
		if columns[i], err = array.Concatenate(parts, mem); err != nil {
			return nil, fmt.Errorf("join column %s: %w", first.ColumnName(i), err)
		}
	}
	return array.NewRecord(first.Schema(), columns, rows), nil
}

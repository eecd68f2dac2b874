package schema

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Span is a run of rows of one of two batches.
type Span struct {
	Fresh    bool  // of the second one
	From, To int64 // the first row, and the one behind the last
}

// AddRow puts a row of one of the batches behind the spans.
func AddRow(spans []Span, fresh bool, row int64) []Span {
	if n := len(spans) - 1; n >= 0 && spans[n].Fresh == fresh && spans[n].To == row {
		spans[n].To++
		return spans
	}
	return append(spans, Span{Fresh: fresh, From: row, To: row + 1})
}

// Splice puts runs of rows of two batches of the same columns behind each other; fresh may be nil where no span is of it. A column that comes out as it
// is in before, cell by cell, is before's own array; the others have memory of their own.
func Splice(mem memory.Allocator, before, fresh arrow.Record, spans []Span) (arrow.Record, error) {
	at := make([]int64, len(spans)) // where they come to be
	var rows int64
	for i, s := range spans {
		at[i] = rows
		rows += s.To - s.From
	}
	columns := make([]arrow.Array, 0, before.NumCols())
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i, old := range before.Columns() {
		var other arrow.Array
		if fresh != nil {
			if fresh.ColumnName(i) != before.ColumnName(i) {
				return nil, fmt.Errorf("splice batches: column %d is %s in one, %s in the other", i+1, before.ColumnName(i), fresh.ColumnName(i))
			}
			other = fresh.Column(i)
		}
		if rows == before.NumRows() && stays(old, other, spans, at) {
			old.Retain()
			columns = append(columns, old)
			continue
		}
		column, err := splice(mem, old, other, spans)
		if err != nil {
			return nil, fmt.Errorf("splice column %s: %w", before.ColumnName(i), err)
		}
		columns = append(columns, column)
	}
	return array.NewRecord(before.Schema(), columns, rows), nil
}

// stays tells whether the spans, which come to be at these rows, are what old has there.
func stays(old, fresh arrow.Array, spans []Span, at []int64) bool {
	for i, s := range spans {
		from := old
		if s.Fresh {
			from = fresh
		} else if s.From == at[i] {
			continue
		}
		if !array.SliceEqual(old, at[i], at[i]+s.To-s.From, from, s.From, s.To) {
			return false
		}
	}
	return true
}

func splice(mem memory.Allocator, old, fresh arrow.Array, spans []Span) (arrow.Array, error) {
	pieces := make([]arrow.Array, 0, len(spans)+1)
	defer func() {
		for _, p := range pieces {
			p.Release()
		}
	}()
	pieces = append(pieces, array.NewSlice(old, 0, 0)) // there is one at least
	for _, s := range spans {
		from := old
		if s.Fresh {
			from = fresh
		}
		pieces = append(pieces, array.NewSlice(from, s.From, s.To))
	}
	return array.Concatenate(pieces, mem)
}

package schema

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// BatchBytes is roughly how much memory the cells of a batch take, in bytes. A slice of a larger batch counts for its own rows.
func BatchBytes(batch arrow.Record) (n int64) {
	for _, c := range batch.Columns() {
		n += ArrayBytes(c)
	}
	return n
}

// ArrayBytes is BatchBytes of a column.
func ArrayBytes(a arrow.Array) int64 {
	rows := int64(a.Len())
	if rows == 0 {
		return 0
	}
	switch a := a.(type) {
	case *array.String:
		return 4*rows + int64(a.ValueOffset(a.Len())-a.ValueOffset(0))
	case *array.Binary:
		return 4*rows + int64(len(a.ValueBytes()))
	case *array.List:
		from, _ := a.ValueOffsets(0)
		_, to := a.ValueOffsets(a.Len() - 1)
		elements := array.NewSlice(a.ListValues(), from, to)
		defer elements.Release()
		return 4*rows + ArrayBytes(elements)
	}
	if t, ok := a.DataType().(arrow.FixedWidthDataType); ok {
		return (rows*int64(t.BitWidth()) + 7) / 8
	}
	return 0
}

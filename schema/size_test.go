package schema_test

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
)

func TestBatchBytes(t *testing.T) {
	table := schema.Table{Columns: []schema.Column{
		{Name: "s", Type: schema.T(schema.String)}, {Name: "n", Type: schema.T(schema.Int)}, {Name: "b", Type: schema.T(schema.Bool)},
		{Name: "x", Type: schema.T(schema.Blob)}, {Name: "l", Type: schema.T(schema.StringList)},
	}}
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	b := array.NewRecordBuilder(mem, table.Arrow())
	defer b.Release()
	for i := range 16 {
		b.Field(0).(*array.StringBuilder).Append("0123456789")
		b.Field(1).(*array.Int64Builder).Append(int64(i))
		b.Field(2).(*array.BooleanBuilder).Append(true)
		b.Field(3).(*array.BinaryBuilder).Append([]byte{1, 2, 3})
		list := b.Field(4).(*array.ListBuilder)
		list.Append(true)
		for range 2 {
			list.ValueBuilder().(*array.StringBuilder).Append("abc")
		}
	}
	whole := b.NewRecord()
	defer whole.Release()
	const row = (4 + 10) + 8 + (4 + 3) + (4 + 2*(4+3)) // and a bit
	slice := whole.NewSlice(4, 12)
	defer slice.Release()
	none := whole.NewSlice(3, 3)
	defer none.Release()
	for _, tt := range []struct {
		batch arrow.Record
		want  int64
	}{{whole, 16*row + 2}, {slice, 8*row + 1}, {none, 0}} {
		if got := schema.BatchBytes(tt.batch); got != tt.want {
			t.Errorf("%d rows have %d bytes, want %d", tt.batch.NumRows(), got, tt.want)
		}
	}
}

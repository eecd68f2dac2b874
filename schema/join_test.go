package schema_test

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
)

func flags(mem memory.Allocator, name string, values ...bool) arrow.Record {
	b := array.NewRecordBuilder(mem, arrow.NewSchema([]arrow.Field{{Name: name, Type: arrow.FixedWidthTypes.Boolean, Nullable: true}}, nil))
	defer b.Release()
	b.Field(0).(*array.BooleanBuilder).AppendValues(values, nil)
	return b.NewRecord()
}

func TestJoin(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	whole, other := flags(mem, "a", true, false, true, true), flags(mem, "b", true)
	defer whole.Release()
	defer other.Release()
	slice := whole.NewSlice(1, 3)
	defer slice.Release()
	got, err := schema.Join(mem, slice, whole)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	want := flags(mem, "a", false, true, true, false, true, true)
	defer want.Release()
	if !array.RecordEqual(want, got) || got.Column(0).Data().Offset() != 0 {
		t.Errorf("%v, want %v", got, want)
	}
	if joined, err := schema.Join(mem, whole, other); err == nil {
		joined.Release()
		t.Error("batches of other columns were joined")
	}
}

package parquet

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// everything has a column of every kind.
var everything = schema.Table{
	Name: "everything", Comment: "A column of every kind",
	Columns: []schema.Column{
		{Name: "text", Type: schema.T(schema.String)}, {Name: "json", Type: schema.T(schema.JSON)}, {Name: "at", Type: schema.T(schema.Timestamp)},
		{Name: "yes", Type: schema.T(schema.Bool)}, {Name: "n", Type: schema.T(schema.Int)}, {Name: "x", Type: schema.T(schema.Double)},
		{Name: "d0", Type: schema.Type{Kind: schema.Decimal}}, {Name: "d38", Type: schema.Type{Kind: schema.Decimal, Scale: 38}},
		{Name: "list", Type: schema.T(schema.StringList)}, {Name: "blob", Type: schema.T(schema.Blob)}, {Name: "role", Type: schema.T(schema.String)},
	},
	LowCardinality: []string{"role"},
}

// oddJSON is JSON that must come out byte for byte.
var oddJSON = []string{
	"null", "{}", "[]", `""`, "9007199254740993", "-0", "1e400", `{"a":1,"a":{"b":2}}`, `{ "a"	: [ 1 ,2 ] }`, `"a\u0000b\/\u00e9é😀"`,
	strings.Repeat("[", 32) + "-0" + strings.Repeat("]", 32), `{"n":123456789012345678901234567890.10}`,
}

// batch makes rows from to to-1 of the table of everything. Every column but the last is NULL in every fifth row; what it holds depends on
// the row alone.
func batch(t testing.TB, mem memory.Allocator, from, to int) arrow.Record {
	t.Helper()
	b := array.NewRecordBuilder(mem, everything.Arrow())
	defer b.Release()
	for i := from; i < to; i++ {
		if i%5 == 4 {
			for c := range len(everything.Columns) - 1 {
				b.Field(c).AppendNull()
			}
		} else {
			fill(b, i)
		}
		b.Field(10).(*array.StringBuilder).Append([]string{"admin", "user"}[i%2])
	}
	return b.NewRecord()
}

func fill(b *array.RecordBuilder, i int) {
	b.Field(0).(*array.StringBuilder).Append([]string{"", "a\x00b", "😀 é e\u0301", "'\";--\n", "\ufffd\u202e"}[i%5])
	b.Field(1).(*array.StringBuilder).Append(oddJSON[i%len(oddJSON)])
	b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp([]int64{0, -1, 1_700_000_000_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999}[i%5]))
	b.Field(3).(*array.BooleanBuilder).Append(i%2 == 0)
	b.Field(4).(*array.Int64Builder).Append([]int64{0, 1<<53 + 1, -1 << 63, 1<<63 - 1, int64(i)}[i%5])
	b.Field(5).(*array.Float64Builder).Append([]float64{0, 0.1, 1e308, 5e-324, -1}[i%5])
	b.Field(6).(*array.Decimal128Builder).Append([]decimal128.Num{decimal128.FromI64(int64(i)), decimal128.GetMaxValue(38), decimal128.GetMaxValue(38).Negate()}[i%3])
	b.Field(7).(*array.Decimal128Builder).Append(decimal128.FromI64(int64(-i)))
	list := b.Field(8).(*array.ListBuilder)
	list.Append(true)
	for k := range i % 4 {
		if inner := list.ValueBuilder().(*array.StringBuilder); k == 2 {
			inner.AppendNull()
		} else {
			inner.Append(strings.Repeat("x", k))
		}
	}
	b.Field(9).(*array.BinaryBuilder).Append([]byte{0, 0xff, byte(i)}[:i%4%3])
}

// readAll reads every batch of the parts in dir.
func readAll(t testing.TB, mem memory.Allocator, dir string, columns ...string) (batches []arrow.Record, err error) {
	t.Helper()
	r, err := NewReader(mem, dir, columns...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return batches, nil
		}
		if err != nil {
			release(batches)
			return nil, err
		}
		b.Retain()
		batches = append(batches, b)
	}
}

func release(batches []arrow.Record) {
	for _, b := range batches {
		b.Release()
	}
}

// write writes these rows of everything, in batches of at most step rows.
func write(t testing.TB, mem memory.Allocator, dir string, rows, step int) {
	t.Helper()
	w, err := NewWriter(mem, dir, everything)
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < rows; from += step {
		b := batch(t, mem, from, min(from+step, rows))
		err := w.Append(t.Context(), b)
		b.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// checked is an allocator that must have everything back when the test ends.
func checked(t testing.TB) *memory.CheckedAllocator {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return mem
}

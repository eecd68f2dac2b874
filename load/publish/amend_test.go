package publish

import (
	"errors"
	"os"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/schema"
)

// flags is a table with a column of bits and one with NULLs.
var flags = schema.Table{Name: "flags", Columns: []schema.Column{
	{Name: "n", Type: schema.T(schema.Int)}, {Name: "even", Type: schema.T(schema.Bool)}, {Name: "text", Type: schema.T(schema.String)},
}}

// numbered is rows from to to-1 of flags.
func numbered(mem memory.Allocator, from, to int) arrow.Record {
	b := array.NewRecordBuilder(mem, flags.Arrow())
	defer b.Release()
	for n := from; n < to; n++ {
		b.Field(0).(*array.Int64Builder).Append(int64(n))
		b.Field(1).(*array.BooleanBuilder).Append(n%2 == 0)
		if n%3 == 0 {
			b.Field(2).AppendNull()
		} else {
			b.Field(2).(*array.StringBuilder).Append("some")
		}
	}
	return b.NewRecord()
}

// TestAmend: what is kept in slices, linked, deleted and appended comes together in DuckDB and in Parquet, which the publish compares; and the
// base is as it was.
func TestAmend(t *testing.T) {
	w := warehouse(t)
	other := flags
	other.Name = "linked"
	tables := []schema.Table{flags, other, schema.Roles}
	whole, err := w.Begin(t.Context(), "run-1", tables, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	rows := numbered(memory.DefaultAllocator, 0, 5000)
	defer rows.Release()
	if err := errors.Join(whole.Append("flags", rows), whole.Append("linked", rows)); err != nil {
		t.Fatal(err)
	}
	base, err := whole.Publish(t.Context(), Details{})
	if err := errors.Join(err, whole.Abort(), base.Intact()); err != nil {
		t.Fatal(err)
	}
	keep := []string{"flags", "linked"}
	if !base.Amendable(tables) || base.Amendable(tables[:2]) || base.Amendable([]schema.Table{flags, schema.Users, schema.Roles}) {
		t.Error("what can be amended is not told")
	}

	b, err := w.Amend(t.Context(), "run-2", base, tables, keep, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Abort(); err != nil {
			t.Error(err)
		}
	}()
	keys := numbered(memory.DefaultAllocator, 1000, 1003) // the second has no text
	defer keys.Release()
	fresh := numbered(memory.DefaultAllocator, 9000, 9010)
	defer fresh.Release()
	errs := []error{b.Delete("flags", keys, "t.n > 1000")}
	for _, s := range [][2]int64{{0, 13}, {13, 1001}, {1003, 4999}, {4999, 5000}} {
		slice := rows.NewSlice(s[0], s[1])
		errs = append(errs, b.Keep("flags", slice))
		slice.Release()
	}
	errs = append(errs, b.Append("flags", fresh), b.Link("linked", base.Parts("linked")[0]), b.Append("linked", fresh))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n, nulls := b.Nulls("linked"); n != 5010 || nulls[0] != 0 || nulls[2] != 1667+4 {
		t.Errorf("%d rows, NULLs %v", n, nulls)
	}
	v, err := b.Publish(t.Context(), Details{Base: base.Run})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{5008, 5010, 0} {
		if got := v.Manifest.Tables[i].Rows; got != want {
			t.Errorf("%s has %d rows, want %d", v.Manifest.Tables[i].Name, got, want)
		}
	}
	if parts := v.Parts("linked"); len(parts) != 2 || parts[0].SHA256 != base.Parts("linked")[0].SHA256 || parts[0].Rows != 5000 || parts[1].Rows != 10 {
		t.Errorf("parts %+v", parts)
	} else if parts[0].RowsDigest == "" || parts[0].RowsDigest != base.Parts("linked")[0].RowsDigest || parts[1].RowsDigest == "" {
		t.Errorf("digests of the rows: %+v", parts)
	}
	a, errA := os.Stat(base.Path(base.Parts("linked")[0]))
	c, errC := os.Stat(v.Path(v.Parts("linked")[0]))
	if errA != nil || errC != nil || !os.SameFile(a, c) {
		t.Errorf("the part that did not change was copied: %v, %v", errA, errC)
	}
	if err := errors.Join(base.Verify(t.Context()), v.Verify(t.Context())); err != nil {
		t.Error(err)
	}
	if v.Manifest.Compact != base.Manifest.Compact {
		t.Errorf("compact at %d bytes, the base at %d", v.Manifest.Compact, base.Manifest.Compact)
	}
}

// TestRevise: a row that is changed in a column, one that goes and those that come are so in both forms; in one of them alone, that blocks the publish.
func TestRevise(t *testing.T) {
	w := warehouse(t)
	tables := []schema.Table{flags}
	whole, err := w.Begin(t.Context(), "run-1", tables, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	rows := numbered(memory.DefaultAllocator, 0, 5000)
	defer rows.Release()
	if err := whole.Append("flags", rows); err != nil {
		t.Fatal(err)
	}
	base, err := whole.Publish(t.Context(), Details{})
	if err := errors.Join(err, whole.Abort()); err != nil {
		t.Fatal(err)
	}
	for name, right := range map[string]bool{"both": true, "Parquet alone": false} {
		t.Run(name, func(t *testing.T) {
			b, err := w.Amend(t.Context(), "run-"+name, base, tables, []string{"flags"}, memory.DefaultAllocator, duckdb.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := b.Abort(); err != nil {
					t.Error(err)
				}
			}()
			text := array.NewStringBuilder(memory.DefaultAllocator)
			defer text.Release()
			for i := range 5000 {
				if i == 7 {
					text.Append("revised")
				} else {
					text.AppendNull()
				}
			}
			column := text.NewArray()
			defer column.Release()
			filled := array.NewRecord(flags.Arrow(), []arrow.Array{rows.Column(0), rows.Column(1), column}, 5000)
			defer filled.Release()
			fresh, more := numbered(memory.DefaultAllocator, 9001, 9003), numbered(memory.DefaultAllocator, 9100, 9105)
			defer fresh.Release()
			defer more.Release()
			now, err := schema.Splice(memory.DefaultAllocator, filled, fresh, []schema.Span{{From: 0, To: 8}, {Fresh: true, From: 0, To: 2}, {From: 9, To: 5000}})
			if err != nil {
				t.Fatal(err)
			}
			defer now.Release()
			keys := func(n int) arrow.Record {
				one := numbered(memory.DefaultAllocator, n, n+1)
				defer one.Release()
				return array.NewRecord(arrow.NewSchema([]arrow.Field{flags.Arrow().Field(0)}, nil), []arrow.Array{one.Column(0)}, 1)
			}
			seven, eight := keys(7), keys(8)
			defer seven.Release()
			defer eight.Release()
			errs := []error{b.Over("flags", 6000), b.Revise("flags", rows, now)}
			if right {
				set := schema.Quote(flags.Columns[2].Name) + " = "
				errs = append(errs, b.Fill("flags", flags.Columns[2].Name, "NULL", nil), b.Update("flags", seven, set+"'revised'", ""),
					b.Delete("flags", eight, ""), b.Insert("flags", fresh))
			}
			errs = append(errs, b.Append("flags", more))
			if n, nulls := b.Nulls("flags"); n != 5006 || nulls[0] != 0 || nulls[2] != 4998+1 {
				t.Errorf("%d rows, NULLs %v", n, nulls)
			}
			v, err := b.Publish(t.Context(), Details{Base: base.Run})
			var difference *DifferenceError
			switch err := errors.Join(append(errs, err)...); {
			case !right && !errors.As(err, &difference):
				t.Errorf("it was published: %v", err)
			case right && err != nil:
				t.Error(err)
			case right && (len(v.Parts("flags")) != 1 || v.Parts("flags")[0].Rows != 5006 || v.Parts("flags")[0].Nulls[2] != 4999):
				t.Errorf("parts %+v", v.Parts("flags"))
			}
		})
	}
}

// TestAmendedWrongly: a row that is said to be kept, and is not in the database, blocks the publish.
func TestAmendedWrongly(t *testing.T) {
	w := warehouse(t)
	whole, err := w.Begin(t.Context(), "run-1", []schema.Table{flags}, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	rows := numbered(memory.DefaultAllocator, 0, 100)
	defer rows.Release()
	if err := whole.Append("flags", rows); err != nil {
		t.Fatal(err)
	}
	base, err := whole.Publish(t.Context(), Details{})
	if err := errors.Join(err, whole.Abort()); err != nil {
		t.Fatal(err)
	}
	b, err := w.Amend(t.Context(), "run-2", base, []schema.Table{flags}, []string{"flags"}, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	wrong := numbered(memory.DefaultAllocator, 1, 101)
	defer wrong.Release()
	if err := b.Keep("flags", wrong); err != nil {
		t.Fatal(err)
	}
	var d *DifferenceError
	if _, err := b.Publish(t.Context(), Details{}); !errors.As(err, &d) || d.Column != "n" {
		t.Errorf("error %v", err)
	}
	if err := b.Abort(); err != nil {
		t.Error(err)
	}
	isCurrent(t, w, "run-1")
}

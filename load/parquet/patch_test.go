package parquet

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
)

var patched = schema.Table{
	Name: "patched", LowCardinality: []string{"word"},
	Columns: []schema.Column{
		{Name: "n", Type: schema.T(schema.Int)}, {Name: "word", Type: schema.T(schema.String)},
		{Name: "open", Type: schema.T(schema.Bool)}, {Name: "text", Type: schema.T(schema.String)},
	},
}

// patchedRows are rows [from, to) of the table; where not all columns are asked for, those of another generation.
func patchedRows(mem memory.Allocator, generation, from, to int, columns ...string) arrow.Record {
	fields := patched.Arrow().Fields()
	if len(columns) > 0 {
		fields = nil
		for _, name := range columns {
			f, _ := patched.Arrow().FieldsByName(name)
			fields = append(fields, f[0])
		}
	}
	b := array.NewRecordBuilder(mem, arrow.NewSchema(fields, nil))
	defer b.Release()
	for i := from; i < to; i++ {
		for k, f := range fields {
			if (i+generation)%7 == 0 && f.Name != "n" {
				b.Field(k).AppendNull()
				continue
			}
			switch f := b.Field(k).(type) {
			case *array.Int64Builder:
				f.Append(int64(i))
			case *array.BooleanBuilder:
				f.Append((i+generation)%3 == 0)
			case *array.StringBuilder:
				f.Append(fmt.Sprint("w", (i*(generation+1))%11))
			}
		}
	}
	return b.NewRecord()
}

const patchedCount = rowGroupRows + 3*readBatch + 5 // two row groups

func writePatched(t *testing.T, mem memory.Allocator, dir string) Part {
	t.Helper()
	w, err := NewWriter(mem, dir, patched)
	if err != nil {
		t.Fatal(err)
	}
	rec := patchedRows(mem, 0, 0, patchedCount)
	err = w.Append(rec)
	rec.Release()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Parts()[0]
}

func TestPatchReplacesColumns(t *testing.T) {
	mem := checked(t)
	before, after := t.TempDir(), t.TempDir()
	part := writePatched(t, mem, before)
	w, err := NewWriter(mem, after, patched)
	if err != nil {
		t.Fatal(err)
	}
	var cells []arrow.Record
	for from := 0; from < patchedCount; from += 1000 {
		cells = append(cells, patchedRows(mem, 1, from, min(from+1000, patchedCount), "open", "word"))
	}
	defer release(cells)
	if err := w.Patch(filepath.Join(before, part.Name), part, cells); err != nil {
		t.Fatal(err)
	}
	more := patchedRows(mem, 0, 0, 10)
	defer more.Release()
	if err := w.Append(more); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, mem, after)
	if err != nil {
		t.Fatal(err)
	}
	defer release(got)
	at, nulls := 0, make([]int64, len(patched.Columns))
	last := got[len(got)-1]
	appended := last.NewSlice(last.NumRows()-10, last.NumRows()) // of the second part
	defer appended.Release()
	got[len(got)-1] = last.NewSlice(0, last.NumRows()-10)
	last.Release()
	for _, rec := range got {
		rows := int(rec.NumRows())
		old, fresh := patchedRows(mem, 0, at, at+rows), patchedRows(mem, 1, at, at+rows, "open", "word")
		want := array.NewRecord(old.Schema(), []arrow.Array{old.Column(0), fresh.Column(1), fresh.Column(0), old.Column(3)}, int64(rows))
		same(t, want, rec)
		for i, c := range want.Columns() {
			nulls[i] += int64(c.NullN())
		}
		want.Release()
		old.Release()
		fresh.Release()
		at += rows
	}
	same(t, more, appended)
	if at != patchedCount {
		t.Errorf("%d rows", at)
	}
	if p := w.Parts()[0]; p.Rows != patchedCount || fmt.Sprint(p.Nulls) != fmt.Sprint(nulls) {
		t.Errorf("part %+v, want %d rows with %v NULLs", p, patchedCount, nulls)
	}
}

// TestPatchCopiesChunks tells that what did not change is not encoded again, and that the file says of it what it said.
func TestPatchCopiesChunks(t *testing.T) {
	mem := checked(t)
	before, after := t.TempDir(), t.TempDir()
	part := writePatched(t, mem, before)
	w, err := NewWriter(mem, after, patched)
	if err != nil {
		t.Fatal(err)
	}
	cells := patchedRows(mem, 1, 0, patchedCount, "open")
	defer cells.Release()
	if err := w.Patch(filepath.Join(before, part.Name), part, []arrow.Record{cells}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	old, fresh := open(t, before), open(t, after)
	was, is := contents(t, filepath.Join(before, part.Name)), contents(t, filepath.Join(after, part.Name))
	for g := range old.NumRowGroups() {
		for _, c := range []int{0, 1, 3} {
			a, err := old.MetaData().RowGroup(g).ColumnChunk(c)
			if err != nil {
				t.Fatal(err)
			}
			b, err := fresh.MetaData().RowGroup(g).ColumnChunk(c)
			if err != nil {
				t.Fatal(err)
			}
			start := func(dictionary bool, page, dictionaryPage int64) int64 {
				if dictionary {
					return dictionaryPage
				}
				return page
			}
			from := start(a.HasDictionaryPage(), a.DataPageOffset(), a.DictionaryPageOffset())
			to := start(b.HasDictionaryPage(), b.DataPageOffset(), b.DictionaryPageOffset())
			if !bytes.Equal(was[from:from+a.TotalCompressedSize()], is[to:to+b.TotalCompressedSize()]) {
				t.Errorf("row group %d, column %d has other bytes", g, c)
			}
			statsA, _ := a.Statistics()
			statsB, err := b.Statistics()
			if err != nil || statsA.NullCount() != statsB.NullCount() || !bytes.Equal(statsA.EncodeMax(), statsB.EncodeMax()) {
				t.Errorf("row group %d, column %d has other statistics, %v", g, c, err)
			}
		}
	}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPatchOfAnotherShape(t *testing.T) {
	mem := checked(t)
	before := t.TempDir()
	part := writePatched(t, mem, before)
	narrow := schema.Table{Name: "narrow", Columns: patched.Columns[:2]}
	for name, c := range map[string]struct {
		table schema.Table
		rows  int
	}{"too few cells": {patched, patchedCount - 1}, "too many cells": {patched, patchedCount + 1}, "another table": {narrow, patchedCount}} {
		t.Run(name, func(t *testing.T) {
			w, err := NewWriter(mem, t.TempDir(), c.table)
			if err != nil {
				t.Fatal(err)
			}
			cells := patchedRows(mem, 1, 0, c.rows, "word")
			defer cells.Release()
			if err := w.Patch(filepath.Join(before, part.Name), part, []arrow.Record{cells}); err == nil {
				t.Error("it was taken")
			}
			if err := w.Close(); err == nil {
				t.Error("it was completed")
			}
		})
	}
}

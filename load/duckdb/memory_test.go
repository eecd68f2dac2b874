package duckdb

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
)

// TestManyColumnsFit: what DuckDB is given by default is enough for as many columns as preferences may become, beside the other tables', and not
// so much that a bound is none.
func TestManyColumnsFit(t *testing.T) {
	const rows = 10_000
	wide := func(name string, columns int) schema.Table {
		table := schema.Table{Name: name}
		for i := range columns {
			table.Columns = append(table.Columns, schema.Column{Name: fmt.Sprintf("c%d", i), Type: schema.T(schema.String)})
		}
		return table
	}
	tables := []schema.Table{wide("flat", 550), wide("history", 150)}
	load := func(s Settings) (string, error) {
		path := newPath(t)
		w, err := Create(t.Context(), path, tables, s)
		if err != nil {
			return path, err
		}
		for _, table := range tables {
			b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
			defer b.Release()
			for i := range table.Columns {
				for row := range rows {
					b.Field(i).(*array.StringBuilder).Append(fmt.Sprintf("%d of %d", row, i))
				}
			}
			batch := b.NewRecord()
			defer batch.Release()
			if err := w.Append(t.Context(), table.Name, batch); err != nil {
				return path, fmt.Errorf("%w; %w", err, w.Abandon())
			}
		}
		return path, w.Close(t.Context())
	}
	path, err := load(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := OpenVerifier(t.Context(), path, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, table := range tables {
		columns, err := v.Columns(t.Context(), table.Name)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := v.Digest(t.Context(), table.Name, columns...); err != nil || d.Rows != rows {
			t.Errorf("%s: %d rows, %v", table.Name, d.Rows, err)
		}
	}
	if _, err := load(Settings{MemoryLimit: "100MB"}); err == nil {
		t.Error("a sixth of the memory was enough: the test says nothing")
	}
}

// TestLongTexts: a text of more than 4 KiB takes a block of 256 KiB while it is read, so that three columns of them ask for more than a version is
// compared with at first. They can be read back, and amended.
func TestLongTexts(t *testing.T) {
	const rows = 4_096
	table := schema.Table{Name: "long", Columns: []schema.Column{
		{Name: "n", Type: schema.T(schema.Int)}, {Name: "a", Type: schema.T(schema.String)}, {Name: "b", Type: schema.T(schema.String)}, {Name: "c", Type: schema.T(schema.String)},
	}}
	batch := func(from, to int) arrow.Record {
		b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
		defer b.Release()
		for row := from; row < to; row++ {
			b.Field(0).(*array.Int64Builder).Append(int64(row))
			for i := 1; i <= 3; i++ {
				b.Field(i).(*array.StringBuilder).Append(strings.Repeat(fmt.Sprintf("%d of %d ", row, i), 600))
			}
		}
		return b.NewRecord()
	}
	path := newPath(t)
	w, err := Create(t.Context(), path, []schema.Table{table}, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	first := batch(0, rows)
	defer first.Release()
	if err := errors.Join(w.Append(t.Context(), table.Name, first), w.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	digest := func(s Settings) (Digest, error) {
		v, err := OpenVerifier(t.Context(), path, s)
		if err != nil {
			t.Fatal(err)
		}
		d, err := v.Digest(t.Context(), table.Name, "n", "a", "b", "c")
		return d, errors.Join(err, v.Close())
	}
	if d, err := digest(Settings{}); err != nil || d.Rows != rows {
		t.Errorf("%d rows, %v", d.Rows, err)
	}
	if _, err := digest(Settings{MemoryLimit: shortStrings}); err == nil {
		t.Error("the first limit was enough: the test says nothing")
	}
	w, err = Amend(t.Context(), path, []schema.Table{table}, []string{table.Name}, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	again := batch(rows/2, rows)
	defer again.Release()
	err = errors.Join(w.Exec(t.Context(), fmt.Sprintf("DELETE FROM long WHERE n >= %d", rows/2)), w.Append(t.Context(), table.Name, again), w.Close(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := digest(Settings{}); err != nil || d.Rows != rows {
		t.Errorf("amended: %d rows, %v", d.Rows, err)
	}
}

package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
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
		{Name: "tags", Type: schema.T(schema.StringList)},
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
			case *array.ListBuilder:
				f.Append(true)
				for k := range (i + generation) % 3 {
					f.ValueBuilder().(*array.StringBuilder).Append(fmt.Sprint("t", k))
				}
			}
		}
	}
	return b.NewRecord()
}

const patchedCount = rowGroupRows + 3*readBatch + 5 // two row groups

func writePatched(t *testing.T, mem memory.Allocator, dir string, most int64) []Base {
	t.Helper()
	w, err := NewWriter(mem, dir, patched)
	if err != nil {
		t.Fatal(err)
	}
	w.most = most
	for from := 0; from < patchedCount; from += 30_000 {
		rec := patchedRows(mem, 0, from, min(from+30_000, patchedCount))
		err = w.Append(t.Context(), rec)
		rec.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var bases []Base
	for _, p := range w.Parts() {
		p.Digest = "digest of " + p.Name
		bases = append(bases, Base{filepath.Join(dir, p.Name), p})
	}
	return bases
}

// over begins a table over another's parts.
func over(t *testing.T, mem memory.Allocator, small int64, bases []Base) *Writer {
	t.Helper()
	w, err := NewWriter(mem, filepath.Join(t.TempDir(), "over"), patched)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Over(small, bases...); err != nil {
		t.Fatal(err)
	}
	return w
}

// eachBase gives take the batches of the table in dir.
func eachBase(t *testing.T, mem memory.Allocator, dir string, take func(before arrow.Record) error, columns ...string) {
	t.Helper()
	batches, err := readAll(t, mem, dir, columns...)
	defer release(batches)
	for _, b := range batches {
		if err == nil {
			err = take(b)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// isTable tells whether the rows in dir are those of the batches, and whether the parts are as the writer says.
func isTable(t *testing.T, mem memory.Allocator, w *Writer, want []arrow.Record) {
	t.Helper()
	got, err := readAll(t, mem, w.dir)
	defer release(got)
	if err != nil {
		t.Fatal(err)
	}
	is, errA := schema.Join(mem, got...)
	should, errB := schema.Join(mem, want...)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	defer is.Release()
	defer should.Release()
	same(t, should, is)
	var rows int64
	nulls := make([]int64, len(patched.Columns))
	for _, p := range w.Parts() {
		rows += p.Rows
		for i, n := range p.Nulls {
			nulls[i] += n
		}
		r := OpenPart(mem, filepath.Join(w.dir, p.Name), "n")
		var in int64
		for b, err := r.Next(t.Context()); err == nil; b, err = r.Next(t.Context()) {
			in += b.NumRows()
		}
		if err := r.Close(); err != nil || in != p.Rows {
			t.Errorf("%s has %d rows, not %d, %v", p.Name, in, p.Rows, err)
		}
	}
	if rows != should.NumRows() {
		t.Errorf("%d rows, not %d", rows, should.NumRows())
	}
	for i, c := range should.Columns() {
		if nulls[i] != int64(c.NullN()) {
			t.Errorf("%s is NULL in %d rows, not %d", should.ColumnName(i), nulls[i], c.NullN())
		}
	}
}

// TestReviseAtRandom: cells change, rows go and rows come, here and there, over row groups and parts.
func TestReviseAtRandom(t *testing.T) {
	mem := checked(t)
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			before := t.TempDir()
			bases := writePatched(t, mem, before, []int64{partBytes, 1 << 19}[seed%2])
			w := over(t, mem, []int64{0, 10_000, 1 << 40}[seed%3], bases)
			var want []arrow.Record
			defer func() { release(want) }()
			eachBase(t, mem, before, func(b arrow.Record) error {
				now, err := revisedAtRandom(mem, r, b)
				if err != nil {
					return err
				}
				want = append(want, now)
				return w.Revise(t.Context(), b, now)
			})
			for range r.IntN(3) {
				more := patchedRows(mem, 2, 0, 1+r.IntN(3000))
				want = append(want, more)
				if err := w.Append(t.Context(), more); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			isTable(t, mem, w, want)
		})
	}
}

func revisedAtRandom(mem memory.Allocator, r *rand.Rand, b arrow.Record) (arrow.Record, error) {
	if r.IntN(3) > 0 {
		b.Retain()
		return b, nil
	}
	fresh := patchedRows(mem, 1, 0, int(b.NumRows()))
	defer fresh.Release()
	moves := r.IntN(4) == 0
	var spans []schema.Span
	for at := int64(0); at < b.NumRows(); {
		to := min(b.NumRows(), at+1+r.Int64N(700))
		switch r.IntN(4) {
		case 0:
			spans = append(spans, schema.Span{Fresh: true, From: at, To: to})
		case 1:
			if moves && r.IntN(2) == 0 { // rows go
				break
			}
			if moves {
				spans = append(spans, schema.Span{Fresh: true, From: 0, To: 3})
			}
			fallthrough
		default:
			spans = append(spans, schema.Span{From: at, To: to})
		}
		at = to
	}
	return schema.Splice(mem, b, fresh, spans)
}

// TestReviseEveryRowGone: a table of which no row is left has a part without rows.
func TestReviseEveryRowGone(t *testing.T) {
	mem := checked(t)
	before := t.TempDir()
	w := over(t, mem, 0, writePatched(t, mem, before, 1<<19))
	eachBase(t, mem, before, func(b arrow.Record) error {
		none := b.NewSlice(0, 0)
		defer none.Release()
		return w.Revise(t.Context(), b, none)
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if p := w.Parts(); len(p) != 1 || p[0].Rows != 0 {
		t.Errorf("parts %+v", p)
	}
	rows, err := readAll(t, mem, w.dir)
	if err != nil || len(rows) > 0 {
		t.Errorf("%d batches, %v", len(rows), err)
	}
}

// TestReviseLinks tells that a part of which everything stays is the same file, and the next one is not.
func TestReviseLinks(t *testing.T) {
	mem := checked(t)
	before := t.TempDir()
	bases := writePatched(t, mem, before, 1<<19)
	w := over(t, mem, 0, bases)
	at := int64(0)
	eachBase(t, mem, before, func(b arrow.Record) error {
		now := b
		if at += b.NumRows(); at > patchedCount-100 { // in the last part
			fresh := patchedRows(mem, 1, 0, int(b.NumRows()), "open")
			defer fresh.Release()
			now = array.NewRecord(b.Schema(), fresh.Columns(), b.NumRows())
			defer now.Release()
		}
		return w.Revise(t.Context(), b, now)
	}, "open")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(w.Parts()) != len(bases) || len(bases) < 2 {
		t.Fatalf("%d parts of %d", len(w.Parts()), len(bases))
	}
	for i, p := range w.Parts() {
		a, errA := os.Stat(bases[i].Path)
		b, errB := os.Stat(filepath.Join(w.dir, p.Name))
		last := i == len(bases)-1
		if err := errors.Join(errA, errB); err != nil || os.SameFile(a, b) == last || (p.Digest == "") != last {
			t.Errorf("part %d: %+v, %v", i, p, err)
		}
	}
}

// TestReviseCopiesChunks tells that what did not change is not encoded again, and that the file says of it what it said.
func TestReviseCopiesChunks(t *testing.T) {
	mem := checked(t)
	before := t.TempDir()
	w := over(t, mem, 0, writePatched(t, mem, before, partBytes))
	changed := 0
	eachBase(t, mem, before, func(b arrow.Record) error {
		changed++
		if changed != 3 { // in the first row group, behind rows that stay
			return w.Revise(t.Context(), b, b)
		}
		fresh := patchedRows(mem, 1, 0, int(b.NumRows()), "open")
		defer fresh.Release()
		columns := []arrow.Array{b.Column(0), b.Column(1), fresh.Column(0), b.Column(3), b.Column(4)}
		now := array.NewRecord(b.Schema(), columns, b.NumRows())
		defer now.Release()
		return w.Revise(t.Context(), b, now)
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	after, part := w.dir, Part{Name: PartName(0)}
	old, fresh := open(t, before), open(t, after)
	was, is := contents(t, filepath.Join(before, part.Name)), contents(t, filepath.Join(after, part.Name))
	for g := range old.NumRowGroups() {
		for _, c := range [][]int{{0, 1, 3}, {0, 1, 2, 3}}[g] {
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

func TestReviseOfAnotherShape(t *testing.T) {
	mem := checked(t)
	before := t.TempDir()
	bases := writePatched(t, mem, before, partBytes)
	for name, revise := range map[string]func(w *Writer) error{
		"too few rows": func(w *Writer) error {
			first := patchedRows(mem, 0, 0, 100)
			defer first.Release()
			return w.Revise(t.Context(), first, first)
		},
		"too many rows": func(w *Writer) error {
			all := patchedRows(mem, 0, 0, patchedCount+1)
			defer all.Release()
			return w.Revise(t.Context(), all, all)
		},
		"new rows before all came": func(w *Writer) error {
			more := patchedRows(mem, 0, 0, 10)
			defer more.Release()
			return w.Append(t.Context(), more)
		},
		"rows that go, without their columns": func(w *Writer) error {
			some := patchedRows(mem, 0, 0, 10, "word")
			defer some.Release()
			fewer := some.NewSlice(0, 9)
			defer fewer.Release()
			return w.Revise(t.Context(), some, fewer)
		},
		"other columns": func(w *Writer) error {
			a, b := patchedRows(mem, 0, 0, 10, "word"), patchedRows(mem, 0, 0, 10, "text")
			defer a.Release()
			defer b.Release()
			return w.Revise(t.Context(), a, b)
		},
		"a column that the table has not": func(w *Writer) error {
			a := patchedRows(mem, 0, 0, 10, "word")
			defer a.Release()
			b := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "other", Type: arrow.BinaryTypes.String}}, nil), a.Columns(), 10)
			defer b.Release()
			return w.Revise(t.Context(), b, b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := over(t, mem, 0, bases)
			err := revise(w)
			if fails := name != "too few rows"; (err != nil) != fails {
				t.Errorf("error %v", err)
			}
			if err := w.Close(); err == nil {
				t.Error("it was completed")
			}
		})
	}
	t.Run("nothing to revise", func(t *testing.T) {
		w, err := NewWriter(mem, t.TempDir(), patched)
		if err != nil {
			t.Fatal(err)
		}
		rows := patchedRows(mem, 0, 0, 10)
		defer rows.Release()
		if err := w.Revise(t.Context(), rows, rows); err == nil {
			t.Error("it was revised")
		}
		if err := w.Close(); err == nil {
			t.Error("it was completed")
		}
	})
}

// TestReviseOverDamage: a part whose pages cannot be read, or that is another table's, is an error, and nothing stays open.
func TestReviseOverDamage(t *testing.T) {
	mem := checked(t)
	before := t.TempDir()
	base := writePatched(t, mem, before, partBytes)[0]
	whole := contents(t, base.Path)
	rows := patchedRows(mem, 0, 0, 2000)
	defer rows.Release()
	none := rows.NewSlice(0, 0)
	defer none.Release()
	for name, damage := range map[string]func([]byte) []byte{
		"no footer": func(b []byte) []byte { return b[:len(b)/2] },
		"no pages":  func(b []byte) []byte { clear(b[4 : len(b)/2]); return b },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "damaged.parquet")
			if err := os.WriteFile(path, damage(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			w := over(t, mem, 0, []Base{{path, base.Part}})
			err := w.Revise(t.Context(), rows, rows)
			if err == nil { // rows go behind some that stay, which must be read
				err = w.Revise(t.Context(), rows, none)
			}
			if err == nil {
				t.Error("it was taken")
			}
			if err := w.Close(); err == nil {
				t.Error("it was completed")
			}
		})
	}
	t.Run("another table", func(t *testing.T) {
		w, err := NewWriter(mem, t.TempDir(), schema.Table{Name: "narrow", Columns: patched.Columns[:2]})
		if err != nil {
			t.Fatal(err)
		}
		two := patchedRows(mem, 0, 0, 10, "n", "word")
		defer two.Release()
		if err := errors.Join(w.Over(0, base), w.Revise(t.Context(), two, two)); err == nil {
			t.Error("it was taken")
		}
		if err := w.Close(); err == nil {
			t.Error("it was completed")
		}
	})
}

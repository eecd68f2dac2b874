package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

var follower = schema.Table{
	Name: "follower", LowCardinality: []string{"word", "run"},
	Columns: append(slices.Clone(patched.Columns), schema.Column{Name: "run", Type: schema.T(schema.String)}, schema.Column{Name: "ended", Type: schema.T(schema.Timestamp)}),
}

// followerRows are the leader's rows with two columns more.
func followerRows(mem memory.Allocator, lead arrow.Record, from int) arrow.Record {
	b := array.NewRecordBuilder(mem, arrow.NewSchema(follower.Arrow().Fields()[len(patched.Columns):], nil))
	defer b.Release()
	for i := range int(lead.NumRows()) {
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprint("run-", (from+i)%5))
		if (from+i)%3 == 0 {
			b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(from + i))
		} else {
			b.Field(1).AppendNull()
		}
	}
	own := b.NewRecord()
	defer own.Release()
	return array.NewRecord(follower.Arrow(), slices.Concat(lead.Columns(), own.Columns()), lead.NumRows())
}

// pair writes both tables, a leader's batch and then the follower's; behind takes some of the follower's later, as many at once.
func pair(t *testing.T, mem memory.Allocator, lead, follow *Writer, behind int, sizes ...int) {
	t.Helper()
	at := 0
	var late []arrow.Record
	for _, n := range sizes {
		rec := patchedRows(mem, 0, at, at+n)
		more := followerRows(mem, rec, at)
		at += n
		late = append(late, more)
		err := lead.Append(t.Context(), rec)
		rec.Release()
		if err != nil {
			t.Fatal(err)
		}
		if len(late) <= behind {
			continue
		}
		for _, l := range late {
			if err := follow.Append(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			l.Release()
		}
		late = nil
	}
	for _, l := range late {
		if err := follow.Append(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		l.Release()
	}
	if err := errors.Join(lead.Close(), follow.Close()); err != nil {
		t.Fatal(err)
	}
}

func writers(t *testing.T, mem memory.Allocator) (lead, follow *Writer) {
	t.Helper()
	lead, err := NewWriter(mem, filepath.Join(t.TempDir(), "lead"), patched)
	if err != nil {
		t.Fatal(err)
	}
	follow, err = NewWriter(mem, filepath.Join(t.TempDir(), "follow"), follower)
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Follow(lead); err != nil {
		t.Fatal(err)
	}
	return lead, follow
}

func TestAFollowersPartsAreTheLeadersWithMoreColumns(t *testing.T) {
	for _, tt := range []struct {
		name   string
		most   int64 // bytes of a part
		behind int
		sizes  []int
		parts  int
	}{
		{"one part", partBytes, 0, []int{5, 3000, 1}, 1},
		{"several row groups", partBytes, 0, []int{rowGroupRows, readBatch, 7}, 1},
		{"several parts", 32_000, 0, []int{1000, 1000, 1000, 10, 2000, 1}, 3},
		{"the follower's batches come late", 65_000, 2, []int{1000, 1000, 1000, 10, 2000, 1, 500, 500, 3000, 1}, 4},
		{"a part ends with the last batch", 40_000, 0, []int{3000, 3000}, 2},
		{"no rows", partBytes, 0, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mem := checked(t)
			lead, follow := writers(t, mem)
			lead.most = tt.most
			pair(t, mem, lead, follow, tt.behind, tt.sizes...)
			if len(follow.Parts()) != tt.parts || len(lead.Parts()) != tt.parts {
				t.Errorf("%d parts beside %d, want %d", len(follow.Parts()), len(lead.Parts()), tt.parts)
			}
			// what a writer makes that has all the rows for itself
			whole, err := NewWriter(mem, filepath.Join(t.TempDir(), "whole"), follower)
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for i, part := range follow.Parts() {
				if lead.Parts()[i].Rows != part.Rows {
					t.Errorf("part %d has %d rows, the leader's %d", i, part.Rows, lead.Parts()[i].Rows)
				}
				if part.Rows == 0 {
					continue
				}
				rec := patchedRows(mem, 0, at, at+int(part.Rows))
				more := followerRows(mem, rec, at)
				at += int(part.Rows)
				if err := whole.Append(t.Context(), more); err != nil {
					t.Fatal(err)
				}
				if want := nullsOf(more); !slices.Equal(want, part.Nulls) {
					t.Errorf("part %d: NULL in %v rows, want %v", i, part.Nulls, want)
				}
				rec.Release()
				more.Release()
			}
			if err := whole.Close(); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rowsOf(t, mem, whole.dir), rowsOf(t, mem, follow.dir)); d != "" {
				t.Error(d)
			}
			if got, want := open(t, follow.dir), open(t, whole.dir); !got.MetaData().Schema.Equals(want.MetaData().Schema) {
				t.Errorf("schema %s, want %s", got.MetaData().Schema, want.MetaData().Schema)
			}
		})
	}
}

func nullsOf(rec arrow.Record) (nulls []int64) {
	for _, c := range rec.Columns() {
		nulls = append(nulls, int64(c.NullN()))
	}
	return nulls
}

// rowsOf are a table's rows as text.
func rowsOf(t *testing.T, mem memory.Allocator, dir string) []string {
	t.Helper()
	r, err := NewReader(mem, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	rows := []string{}
	for {
		rec, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(rec.NumRows()) {
			row := ""
			for _, c := range rec.Columns() {
				row += c.ValueStr(i) + "|"
			}
			rows = append(rows, row)
		}
	}
}

func TestRowsThatOneOfTheTwoDoesNotHave(t *testing.T) {
	mem := checked(t)
	rec := patchedRows(mem, 0, 0, 10)
	defer rec.Release()
	more := followerRows(mem, rec, 0)
	defer more.Release()
	t.Run("the follower", func(t *testing.T) {
		lead, follow := writers(t, mem)
		if err := errors.Join(lead.Append(t.Context(), rec), lead.Close()); err != nil {
			t.Fatal(err)
		}
		if err := follow.Close(); err == nil {
			t.Error("ten rows are missing, and nobody says so")
		}
	})
	t.Run("the leader", func(t *testing.T) {
		lead, follow := writers(t, mem)
		if err := errors.Join(lead.Append(t.Context(), rec), lead.Close(), follow.Append(t.Context(), more), follow.Append(t.Context(), more)); err != nil {
			t.Fatal(err)
		}
		if err := follow.Close(); err == nil {
			t.Error("ten rows are too many, and nobody says so")
		}
	})
	t.Run("abandoned", func(t *testing.T) {
		lead, follow := writers(t, mem)
		if err := errors.Join(lead.Append(t.Context(), rec), follow.Append(t.Context(), more), follow.Abandon(), lead.Abandon()); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoCannotFollow(t *testing.T) {
	mem := checked(t)
	lead, err := NewWriter(mem, filepath.Join(t.TempDir(), "lead"), follower)
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := NewWriter(mem, filepath.Join(t.TempDir(), "narrow"), patched)
	if err != nil {
		t.Fatal(err)
	}
	if err := narrow.Follow(lead); err == nil {
		t.Error("a table with fewer columns follows")
	}
	late, err := NewWriter(mem, filepath.Join(t.TempDir(), "late"), follower)
	if err != nil {
		t.Fatal(err)
	}
	rec := patchedRows(mem, 0, 0, 3)
	defer rec.Release()
	more := followerRows(mem, rec, 0)
	defer more.Release()
	if err := late.Append(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	if err := late.Follow(lead); err == nil {
		t.Error("a table with rows of its own follows")
	}
	if err := errors.Join(lead.Abandon(), narrow.Abandon(), late.Abandon()); err != nil {
		t.Error(err)
	}
}

// TestSameColumns: a follower's part has the leader's columns byte for byte, and not those beside them; other cells, fewer rows and damage differ.
func TestSameColumns(t *testing.T) {
	mem := checked(t)
	lead, follow := writers(t, mem)
	pair(t, mem, lead, follow, 0, 1000, rowGroupRows)
	other, less := writers(t, mem)
	pair(t, mem, other, less, 0, 1000)
	part := func(w *Writer) string { return filepath.Join(w.dir, PartName(0)) }
	changed := filepath.Join(t.TempDir(), "changed.parquet")
	b := contents(t, part(follow))
	b[len(magic)+100] ^= 1 // in the first chunk
	if err := os.WriteFile(changed, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, a, b string
		columns    int
		want       bool
	}{
		{"the leader's", part(lead), part(follow), len(patched.Columns), true},
		{"some of them", part(lead), part(follow), 1, true},
		{"more than the leader has", part(lead), part(follow), len(patched.Columns) + 1, false},
		{"of fewer rows", part(lead), part(less), len(patched.Columns), false},
		{"a byte is another", part(lead), changed, len(patched.Columns), false},
	} {
		if got, err := SameColumns(tt.a, tt.b, tt.columns); got != tt.want || err != nil {
			t.Errorf("%s: %t, %v", tt.name, got, err)
		}
	}
	if _, err := SameColumns(part(lead), filepath.Join(t.TempDir(), "none"), 1); err == nil {
		t.Error("a part that is not there has the same columns")
	}
}

package duckdb

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

// seen is a table such as users_flat: one column in the middle of it is filled.
var seen = schema.Table{
	Name: "seen", Comment: "It's who was seen", HighCardinality: []string{"scope"},
	Columns: []schema.Column{
		{Name: "n", Type: schema.T(schema.Int), Comment: "A number"}, {Name: "scope", Type: schema.T(schema.String)},
		{Name: "last run", Type: schema.T(schema.String), Comment: `says "it's"`}, {Name: "json", Type: schema.T(schema.JSON), Comment: "after it"},
	},
}

// manySeen makes a file with so many rows of seen, their scopes "0" to "4" in turn.
func manySeen(t *testing.T, rows int) string {
	t.Helper()
	path := newPath(t)
	w := create(t, path, seen, numbers)
	sql := fmt.Sprintf("INSERT INTO seen SELECT i, (i %% 5)::VARCHAR, '20261123-183217-430583', '{}' FROM range(%d) r(i)", rows)
	if err := w.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	closed(t, w)
	return path
}

func amend(t *testing.T, path string, s Settings) *Writer {
	t.Helper()
	w, err := Amend(t.Context(), path, []schema.Table{seen, numbers}, []string{"seen"}, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Abandon(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// every is a batch of keys: every step-th number below n.
func every(mem memory.Allocator, step, n int64) arrow.Record {
	b := array.NewRecordBuilder(mem, arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil))
	defer b.Release()
	for i := int64(0); i < n; i += step {
		b.Field(0).(*array.Int64Builder).Append(i)
	}
	return b.NewRecord()
}

// TestFill: a column is filled, but for some rows, before others are deleted and appended. The rest of the table stays as it is, as do its comments.
func TestFill(t *testing.T) {
	mem := checked(t)
	but, nobody, gone := every(mem, 3, 9), every(mem, 1, 0), every(mem, 10, 10)
	defer but.Release()
	defer nobody.Release()
	defer gone.Release()
	const old, now = "20261123-183217-430583", "it's now"
	for name, tt := range map[string]struct {
		value string
		but   arrow.Record
		want  string // of the rows 1, 3, 4 and 6; the one with number 0 is deleted
	}{
		"all":             {schema.Literal(now), nil, strings.Join([]string{now, now, now, now}, "|")},
		"but for nobody":  {schema.Literal(now), nobody, strings.Join([]string{now, now, now, now}, "|")},
		"but for some":    {schema.Literal(now), but, strings.Join([]string{now, old, now, old}, "|")},
		"by another cell": {"CASE WHEN scope IN ('1', '2') THEN \"last run\" ELSE " + schema.Literal(now) + " END", but, strings.Join([]string{old, old, now, old}, "|")},
		"NULL":            {"NULL", but, strings.Join([]string{"NULL", old, "NULL", old}, "|")},
	} {
		t.Run(name, func(t *testing.T) {
			path := manySeen(t, 10_000)
			const described = "SELECT column_name, data_type, comment, is_nullable FROM duckdb_columns() WHERE table_name = 'seen' ORDER BY column_index"
			const table = "SELECT comment, sql, has_primary_key FROM duckdb_tables() WHERE table_name = 'seen'"
			const compressed = "SELECT DISTINCT compression FROM pragma_storage_info('seen') WHERE column_name = 'scope' AND segment_type = 'VARCHAR'"
			columns, tables, compression := ask(t, path, described), ask(t, path, table), ask(t, path, compressed)
			if diff := cmp.Diff([][]string{{"FSST"}}, compression); diff != "" {
				t.Fatal(diff)
			}
			w := amend(t, path, Settings{})
			if err := errors.Join(w.Fill(t.Context(), "seen", "last run", tt.value, tt.but), w.Delete(t.Context(), "seen", gone, "")); err != nil {
				t.Fatal(err)
			}
			err := appendRows(t, w, mem, seen, func(b *array.RecordBuilder) {
				b.Field(0).(*array.Int64Builder).Append(10_000)
				for i := 1; i < 4; i++ {
					b.Field(i).(*array.StringBuilder).Append(`"appended"`)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			count(t, w, mem, 0, 7)
			closed(t, w)
			got := ask(t, path, `SELECT string_agg(coalesce("last run", 'NULL'), '|' ORDER BY n) FROM seen WHERE n IN (0, 1, 3, 4, 6)`)[0][0]
			if got != tt.want {
				t.Errorf("filled with %s, want %s", got, tt.want)
			}
			const rest = `SELECT count(*), sum(n), count(*) FILTER (json = '{}'), count(*) FILTER (scope = (n % 5)::VARCHAR), count(*) FILTER ("last run" = '"appended"'), (SELECT count(*) FROM numbers) FROM seen`
			if diff := cmp.Diff([][]string{{"10000", "50005000", "9999", "9999", "1", "7"}}, ask(t, path, rest)); diff != "" {
				t.Error(diff)
			}
			diff := cmp.Diff(columns, ask(t, path, described)) + cmp.Diff(tables, ask(t, path, table)) + cmp.Diff(compression, ask(t, path, compressed))
			if diff != "" {
				t.Errorf("the table is declared in another way: %s", diff)
			}
		})
	}
}

func TestFillOfNoColumn(t *testing.T) {
	path := manySeen(t, 10)
	for _, tt := range []struct{ table, column, value, want string }{
		{"seen", "first run", "'x'", "first run"}, {"unseen", "last run", "'x'", "unseen"}, {"seen", "last run", "nowhere", "nowhere"},
	} {
		w := amend(t, path, Settings{})
		if err := w.Fill(t.Context(), tt.table, tt.column, tt.value, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: %v", tt.column, tt.table, err)
		}
		if err := w.Close(t.Context()); err == nil {
			t.Errorf("%s of %s: closed as if nothing was missing", tt.column, tt.table)
		}
	}
}

// TestUpdatesFit: what updates keep in memory of a large table is more than DuckDB has at first, and does not go to disk. It is given that much.
func TestUpdatesFit(t *testing.T) {
	const rows = 2_000_000
	path := manySeen(t, rows)
	mem := checked(t)
	keys := every(mem, 1, rows)
	defer keys.Release()
	for _, limit := range []string{"99MiB", ""} {
		for name, update := range map[string]func(w *Writer) error{
			"fill": func(w *Writer) error {
				return w.Fill(t.Context(), "seen", "last run", "'20261124-183217-430583'", keys)
			},
			"update": func(w *Writer) error {
				return w.Update(t.Context(), "seen", keys, "\"last run\" = '20261124-183217-430583'", "")
			},
		} {
			w := amend(t, path, Settings{MemoryLimit: limit})
			err := update(w)
			if err := w.Abandon(); err != nil {
				t.Error(err)
			}
			switch {
			case limit == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case limit != "" && (err == nil || !strings.Contains(err.Error(), "Out of Memory") || !strings.Contains(err.Error(), "seen")):
				t.Errorf("%s within %s: %v", name, limit, err)
			}
		}
	}
}

package duckdb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

// everything has a column of every kind.
var everything = schema.Table{
	Name: "everything", Comment: "It's a column of every kind",
	Columns: []schema.Column{
		{Name: "text", Type: schema.T(schema.String), Comment: `says "it's"`}, {Name: "json", Type: schema.T(schema.JSON)},
		{Name: "at", Type: schema.T(schema.Timestamp)}, {Name: "yes", Type: schema.T(schema.Bool)}, {Name: "n", Type: schema.T(schema.Int)},
		{Name: "x", Type: schema.T(schema.Double)}, {Name: "d0", Type: schema.Type{Kind: schema.Decimal}},
		{Name: "d38", Type: schema.Type{Kind: schema.Decimal, Scale: 38}}, {Name: "list", Type: schema.T(schema.StringList)},
		{Name: "blob", Type: schema.T(schema.Blob)},
	},
}

var numbers = schema.Table{Name: "numbers", Comment: "Numbers", Columns: []schema.Column{{Name: "n", Type: schema.T(schema.Int), Comment: "A number"}}}

// newPath is where a file can be made, in a folder whose name no URL could hold.
func newPath(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "it's 100% #1 [a*] é")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "users.duckdb")
}

// create makes a file; what is not closed when the test ends is abandoned.
func create(t *testing.T, path string, tables ...schema.Table) *Writer {
	t.Helper()
	w, err := Create(t.Context(), path, tables, Settings{MemoryLimit: "512MB"})
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

// checked is an allocator that must have everything back when the test ends.
func checked(t *testing.T) *memory.CheckedAllocator {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return mem
}

// appendRows appends one batch that fill makes.
func appendRows(t *testing.T, w *Writer, mem memory.Allocator, table schema.Table, fill func(b *array.RecordBuilder)) error {
	t.Helper()
	b := array.NewRecordBuilder(mem, table.Arrow())
	defer b.Release()
	fill(b)
	rec := b.NewRecord()
	defer rec.Release()
	return w.Append(t.Context(), table.Name, rec)
}

func count(t *testing.T, w *Writer, mem memory.Allocator, from, to int64) {
	t.Helper()
	err := appendRows(t, w, mem, numbers, func(b *array.RecordBuilder) {
		for n := from; n < to; n++ {
			b.Field(0).(*array.Int64Builder).Append(n)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func closed(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ask reads a file's answer to a query.
func ask(t *testing.T, path, query string) [][]string {
	t.Helper()
	r, err := OpenReader(t.Context(), path, ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, rows, err := all(r, query)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func TestEveryKindOfColumnIsStoredExactly(t *testing.T) {
	mem := checked(t)
	path := newPath(t)
	w := create(t, path, everything, numbers)
	err := appendRows(t, w, mem, everything, func(b *array.RecordBuilder) {
		for _, v := range []struct {
			text, json string
			at         int64
			n          int64
			x          float64
			d0, d38    string
			list       []any
			blob       []byte
		}{
			{"", "{}", 0, 0, 0, "0", "0", []any{}, []byte{}},
			{"a\x00b😀e\u0301'\"--\n", `{ "n" : 9007199254740993,"n":1e400}`, -1, 1<<53 + 1, 0.1, "-99999999999999999999999999999999999999", "0.00000000000000000000000000000000000001", []any{"a\x00", nil, ""}, []byte{0, 255}},
			{"\ufffd\u202e", strings.Repeat("[", 32) + "-0" + strings.Repeat("]", 32), 253_402_300_799_999_999, -1 << 63, 5e-324, "12345678901234567890123456789012345678", "-0.12345678901234567890123456789012345678", []any{nil}, []byte("x")},
			{"x", `"\u0000\/\u00e9é"`, -62_135_596_800_000_000, 1<<63 - 1, -1e308, "1", "0.5", []any{strings.Repeat("long ", 100)}, nil},
		} {
			b.Field(0).(*array.StringBuilder).Append(v.text)
			b.Field(1).(*array.StringBuilder).Append(v.json)
			b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(v.at))
			b.Field(3).(*array.BooleanBuilder).Append(v.n > 0)
			b.Field(4).(*array.Int64Builder).Append(v.n)
			b.Field(5).(*array.Float64Builder).Append(v.x)
			for i, d := range []struct {
				text  string
				scale int32
			}{{v.d0, 0}, {v.d38, 38}} {
				n, err := decimal128.FromString(d.text, 38, d.scale)
				if err != nil {
					t.Fatal(err)
				}
				b.Field(6 + i).(*array.Decimal128Builder).Append(n)
			}
			list := b.Field(8).(*array.ListBuilder)
			list.Append(true)
			for _, e := range v.list {
				if s, ok := e.(string); ok {
					list.ValueBuilder().(*array.StringBuilder).Append(s)
				} else {
					list.ValueBuilder().AppendNull()
				}
			}
			b.Field(9).(*array.BinaryBuilder).Append(v.blob)
		}
		for i := range everything.Columns {
			b.Field(i).AppendNull()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, w)
	want := [][]string{
		{"", "{}", "1970-01-01T00:00:00", "false", "0", "0.0", "0", ".00000000000000000000000000000000000000", "[]", ""},
		{"a\x00b😀e\u0301'\"--\n", `{ "n" : 9007199254740993,"n":1e400}`, "1969-12-31T23:59:59.999999", "true", "9007199254740993", "0.1",
			"-99999999999999999999999999999999999999", ".00000000000000000000000000000000000001", `["a\u0000",null,""]`, `\x00\xFF`},
		{"\ufffd\u202e", strings.Repeat("[", 32) + "-0" + strings.Repeat("]", 32), "9999-12-31T23:59:59.999999", "false", "-9223372036854775808", "5e-324",
			"12345678901234567890123456789012345678", "-.12345678901234567890123456789012345678", "[null]", "x"},
		{"x", `"\u0000\/\u00e9é"`, "0001-01-01T00:00:00", "true", "9223372036854775807", "-1e+308", "1", ".50000000000000000000000000000000000000",
			`["` + strings.Repeat("long ", 100) + `"]`, ""},
		{"<null>", "<null>", "<null>", "<null>", "<null>", "<null>", "<null>", "<null>", "<null>", "<null>"},
	}
	if d := cmp.Diff(want, ask(t, path, "FROM everything ORDER BY rowid")); d != "" {
		t.Error(d)
	}
	if rows := ask(t, path, "FROM numbers"); len(rows) != 0 {
		t.Errorf("numbers has %q", rows)
	}
}

// DuckDB takes whatever the decoder takes, once it is sanitized, and gives it back byte for byte: one text that it refused would stop every run.
func TestJSONIsStoredByteForByte(t *testing.T) {
	mem := checked(t)
	texts := []string{
		"null", "true", "0", "-0", "-0.0", "0e0", "1E+2", "1e400", "-1E-400", "1e99999999999999999999", "0.1000000000000000055511151231257827",
		"123456789012345678901234567890123456789012345678901234567890", "18446744073709551616", `""`, `"\u0000"`, `{"\u0000":"\u0000"}`,
		`"\ud83d\ude00 😀 \ufffd"`, "\"\u007f\u0080\u2028\u2029\ufeff\U0010ffff\"", `"\/\b\f\n\r\t\"\\"`, `{"a":1,"a":2,"":3}`, ` [ ] `,
		"{ \"a\"\t:\r\n [ 1 ,2 ] , \"e\" : { } }", strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		strings.Repeat(`{"a":`, 9_999) + "1" + strings.Repeat("}", 9_999), `"` + strings.Repeat("x", 5<<20) + `"`,
		"[" + strings.Repeat("1,", 1<<20) + "1]",
	}
	path := newPath(t)
	w := create(t, path, everything)
	for _, text := range texts {
		err := appendRows(t, w, mem, everything, func(b *array.RecordBuilder) {
			for i := range everything.Columns {
				if i == 1 {
					b.Field(i).(*array.StringBuilder).Append(text)
				} else {
					b.Field(i).AppendNull()
				}
			}
		})
		if err != nil {
			t.Fatalf("%.60s: %v", text, err)
		}
	}
	closed(t, w)
	for i, row := range ask(t, path, "SELECT json, typeof(json), json_valid(json) FROM everything ORDER BY rowid") {
		if row[0] != texts[i] || row[1] != "JSON" || row[2] != "true" {
			t.Errorf("%.60s came out as %.60s, %s, valid %s", texts[i], row[0], row[1], row[2])
		}
	}
}

func TestManyRows(t *testing.T) {
	mem := checked(t)
	path := newPath(t)
	w := create(t, path, numbers)
	const rows = 2*insertRows + 17
	for from := int64(0); from < rows; from += 8192 {
		count(t, w, mem, from, min(from+8192, rows))
	}
	closed(t, w)
	got := ask(t, path, "SELECT count(*), count(DISTINCT n), min(n), max(n), bool_and(n = rowid) FROM numbers")
	if d := cmp.Diff([][]string{{"245777", "245777", "0", "245776", "true"}}, got); d != "" {
		t.Error(d)
	}
}

func TestTheFileIsWholeWhenClosed(t *testing.T) {
	path := newPath(t)
	mem := checked(t)
	w := create(t, path, numbers)
	count(t, w, mem, 0, 10)
	closed(t, w)
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != "users.duckdb" {
		t.Errorf("%v, %v", entries, err)
	}
	if err := w.Close(t.Context()); err == nil {
		t.Error("closed again")
	}
}

func TestCreateNeverTouchesWhatIsThere(t *testing.T) {
	for _, suffix := range []string{"", ".wal"} {
		path := newPath(t)
		if err := os.WriteFile(path+suffix, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(t.Context(), path, nil, Settings{}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("beside users.duckdb%s: %v", suffix, err)
		}
		if b, err := os.ReadFile(path + suffix); err != nil || string(b) != "mine" {
			t.Errorf("%q, %v", b, err)
		}
	}
	if _, err := Create(t.Context(), filepath.Join(t.TempDir(), "nowhere", "users.duckdb"), nil, Settings{}); err == nil {
		t.Error("made in a folder that is not there")
	}
	if _, err := Create(t.Context(), filepath.Join(t.TempDir(), "users?.duckdb"), nil, Settings{}); err == nil || !strings.Contains(err.Error(), "question mark") {
		t.Errorf("%v", err)
	}
	if _, err := Create(t.Context(), newPath(t), nil, Settings{MemoryLimit: "much"}); err == nil {
		t.Error("made with settings that are none")
	}
}

func TestATableThatCannotBeMade(t *testing.T) {
	path := newPath(t)
	if _, err := Create(t.Context(), path, []schema.Table{numbers, numbers}, Settings{}); err == nil || !strings.Contains(err.Error(), "numbers") {
		t.Errorf("%v", err)
	}
}

func TestTheDeclaredTables(t *testing.T) {
	path := newPath(t)
	learned := []schema.Column{
		{Name: "pref_", Type: schema.T(schema.JSON), Comment: "x"}, {Name: "pref_é", Type: schema.T(schema.Double), Comment: "x"},
		{Name: "pref_e\u0301", Type: schema.Type{Kind: schema.Decimal, Scale: 38}, Comment: "x"}, {Name: "pref_select", Type: schema.T(schema.Int), Comment: "x"},
	}
	tables := schema.Tables(append(learned, schema.DeclaredPreferences...), true)
	closed(t, create(t, path, tables...))
	slices.SortFunc(tables, func(a, b schema.Table) int { return strings.Compare(a.Name, b.Name) })
	var want, wantTables [][]string
	for _, table := range tables {
		wantTables = append(wantTables, []string{table.Name, table.Comment})
		for _, c := range table.Columns {
			want = append(want, []string{table.Name, c.Name, c.Type.DuckDB(), c.Comment})
		}
	}
	got := ask(t, path, "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE database_name = current_database() AND NOT internal ORDER BY table_name, column_index")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got = ask(t, path, "SELECT table_name, comment FROM duckdb_tables() WHERE database_name = current_database() ORDER BY table_name")
	if d := cmp.Diff(wantTables, got); d != "" {
		t.Error(d)
	}
	if rows := ask(t, path, "SELECT view_name FROM duckdb_views() WHERE NOT internal"); len(rows) != 0 {
		t.Errorf("views %q", rows)
	}
}

// The macros are part of the file, whatever name it is opened under.
func TestMacros(t *testing.T) {
	path := newPath(t)
	mem := checked(t)
	tables := schema.Tables(nil, false)
	w := create(t, path, tables...)
	history := func(user string, from, to int64, deleted bool) {
		err := appendRows(t, w, mem, schema.UsersHistory, func(b *array.RecordBuilder) {
			for i, c := range schema.UsersHistory.Columns {
				switch {
				case c.Name == "user_id":
					b.Field(i).(*array.StringBuilder).Append(user)
				case c.Name == "_valid_from":
					b.Field(i).(*array.TimestampBuilder).Append(arrow.Timestamp(from * 1_000_000))
				case c.Name == "_valid_to" && to > 0:
					b.Field(i).(*array.TimestampBuilder).Append(arrow.Timestamp(to * 1_000_000))
				case c.Name == "_is_deleted":
					b.Field(i).(*array.BooleanBuilder).Append(deleted)
				default:
					b.Field(i).AppendNull()
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	history("a", 10, 20, false)
	history("a", 20, 30, true)
	history("a", 30, 0, false)
	history("b", 20, 0, false)
	closed(t, w)
	moved := filepath.Join(t.TempDir(), "other.duckdb")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{"00:00:09": "", "00:00:10": "a", "00:00:19.999999": "a", "00:00:20": "b", "00:00:30": "a,b"} {
		rows := ask(t, moved, "SELECT coalesce(string_agg(user_id, ',' ORDER BY user_id), ''), max(12) FROM users_asof(TIMESTAMP '1970-01-01 "+at+"')")
		if rows[0][0] != want {
			t.Errorf("at %s: %s, want %s", at, rows[0][0], want)
		}
	}
	if rows := ask(t, moved, "SELECT count(*) FROM (DESCRIBE FROM users_asof(TIMESTAMP '2026-01-01'))"); rows[0][0] != "12" {
		t.Errorf("users_asof has %s columns", rows[0][0])
	}
}

// Batches that were read from Parquet, marked and cut, go in beside those that were just made.
func TestBatchesFromParquet(t *testing.T) {
	mem := checked(t)
	dir := t.TempDir()
	pw, err := parquet.NewWriter(mem, dir, schema.UsersDeleted)
	if err != nil {
		t.Fatal(err)
	}
	made := deletions(mem, "made", 100)
	defer made.Release()
	if err := errors.Join(pw.Append(t.Context(), made), pw.Close()); err != nil {
		t.Fatal(err)
	}
	path := newPath(t)
	w := create(t, path, schema.UsersDeleted)
	r, err := parquet.NewReader(mem, dir)
	if err != nil {
		t.Fatal(err)
	}
	read, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	part := read.NewSlice(40, 60)
	for _, b := range []arrow.Record{made, part, read} {
		if err := w.Append(t.Context(), schema.NameUsersDeleted, b); err != nil {
			t.Fatal(err)
		}
	}
	part.Release()
	if err := r.Close(); err != nil { // the writer keeps what it needs
		t.Fatal(err)
	}
	closed(t, w)
	got := ask(t, path, "SELECT count(*), count(DISTINCT user_id), count(evidence), max(evidence) FROM users_deleted")
	if d := cmp.Diff([][]string{{"220", "100", "220", `{"n": 9007199254740993}`}}, got); d != "" {
		t.Error(d)
	}
}

func deletions(mem memory.Allocator, user string, rows int) arrow.Record {
	b := array.NewRecordBuilder(mem, schema.UsersDeleted.Arrow())
	defer b.Release()
	for n := range rows {
		for i, c := range schema.UsersDeleted.Columns {
			switch c.Name {
			case "user_id":
				b.Field(i).(*array.StringBuilder).Append(user + strings.Repeat("x", n))
			case "evidence":
				b.Field(i).(*array.StringBuilder).Append(`{"n": 9007199254740993}`)
			default:
				b.Field(i).AppendNull()
			}
		}
	}
	return b.NewRecord()
}

// After anything failed the file cannot be completed, whatever succeeds later.
func TestNothingIsCompletedAfterAFailure(t *testing.T) {
	mem := checked(t)
	other := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "m", Type: arrow.PrimitiveTypes.Int64}}, nil), nil, 0)
	defer other.Release()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, fail := range map[string]func(w *Writer) error{
		"a batch of other columns": func(w *Writer) error { return w.Append(t.Context(), "numbers", other) },
		"a statement":              func(w *Writer) error { return w.Exec(t.Context(), "INSERT INTO nowhere VALUES (1)") },
		"a conversion":             func(w *Writer) error { return w.Exec(t.Context(), "INSERT INTO numbers VALUES ('one')") },
		"a cancelled run":          func(w *Writer) error { return w.Exec(cancelled, "INSERT INTO numbers FROM range(100000000)") },
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			w := create(t, path, numbers)
			count(t, w, mem, 0, 10)
			if err := fail(w); err == nil {
				t.Fatal("it did not fail")
			}
			if err := w.Close(t.Context()); err == nil {
				t.Error("closed as if nothing was missing")
			}
			if v, err := OpenVerifier(t.Context(), path, Settings{}); err == nil {
				if columns, err := v.Columns(t.Context(), "numbers"); err == nil {
					t.Errorf("the file has the table %q", columns)
				}
				if err := v.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	w := create(t, newPath(t), numbers)
	if err := w.Append(t.Context(), "letters", other); err == nil || !strings.Contains(err.Error(), "letters") {
		t.Errorf("a table that is not there: %v", err)
	}
}

func TestACancelledCloseLeavesNothing(t *testing.T) {
	mem := checked(t)
	path := newPath(t)
	w := create(t, path, numbers)
	count(t, w, mem, 0, 8192)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if v, err := OpenVerifier(t.Context(), path, Settings{}); err == nil {
		if _, err := v.Columns(t.Context(), "numbers"); err == nil {
			t.Error("the file has its table")
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAbandonFreesWhatIsPending(t *testing.T) {
	mem := checked(t)
	path := newPath(t)
	w := create(t, path, numbers)
	count(t, w, mem, 0, 1000)
	for range 2 {
		if err := w.Abandon(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path + ".wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a log is left: %v", err)
	}
}

// TestSeveralRowGroups: a table of several statements' rows, each of about a row group, arrives whole and in order. With several
// threads DuckDB crashes on it, hangs or loses its memory about every other time; see oneThread.
func TestSeveralRowGroups(t *testing.T) {
	const rows, step = 80 * 8192, 8192
	table := schema.Table{Name: "groups", Columns: []schema.Column{
		{Name: "n", Type: schema.T(schema.Int)}, {Name: "even", Type: schema.T(schema.Bool)}, {Name: "text", Type: schema.T(schema.String)},
	}}
	path, mem := newPath(t), checked(t)
	w := create(t, path, table)
	for from := 0; from < rows; from += step {
		err := appendRows(t, w, mem, table, func(b *array.RecordBuilder) {
			for n := from; n < from+step; n++ {
				b.Field(0).(*array.Int64Builder).Append(int64(n))
				b.Field(1).(*array.BooleanBuilder).Append(n%2 == 0)
				b.Field(2).(*array.StringBuilder).Append(strings.Repeat("x", n%50))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	closed(t, w)
	got := ask(t, path, "SELECT count(*), count(*) FILTER (n = rowid), count(*) FILTER (even = (n % 2 = 0)), sum(length(text) - n % 50) FROM groups")
	if diff := cmp.Diff([][]string{{"655360", "655360", "655360", "0"}}, got); diff != "" {
		t.Error(diff)
	}
}

package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

// fixture makes a database file with these statements, by DuckDB alone.
func fixture(t *testing.T, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "it's 100% #1", "users.duckdb")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append([]string{"ATTACH " + schema.Literal(path) + " AS f", "USE f"}, statements...) {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

const people = `CREATE TABLE users AS SELECT * FROM (VALUES
	('u1', 'ada@example.com', '{"n": 9007199254740993, "x": 1e400}'::JSON, TIMESTAMP '2026-01-02 03:04:05.123456'),
	('u2', NULL, NULL, TIMESTAMP '2026-01-02 03:04:05')) v(user_id, email, preferences, updated_at)`

func open(t *testing.T, path string, o ReaderOptions) *Reader {
	t.Helper()
	r, err := OpenReader(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// all runs a query and gives its columns' names and its rows, NULL as <null>.
func all(r *Reader, query string) (names []string, rows [][]string, err error) {
	result, err := r.Query(context.Background(), query)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, result.Close()) }()
	for _, c := range result.Columns() {
		names = append(names, c.Name)
	}
	for result.Next() {
		var row []string
		for _, v := range result.Row() {
			if v.Null {
				v.Text = "<null>"
			}
			row = append(row, v.Text)
		}
		rows = append(rows, row)
	}
	return names, rows, result.Err()
}

func TestValuesAreExact(t *testing.T) {
	r := open(t, fixture(t, people), ReaderOptions{})
	for _, tt := range []struct {
		query string
		want  []string // the first row
	}{
		{"FROM users ORDER BY user_id", []string{"u1", "ada@example.com", `{"n": 9007199254740993, "x": 1e400}`, "2026-01-02T03:04:05.123456"}},
		{"SELECT email, updated_at FROM users WHERE user_id = 'u2'", []string{"<null>", "2026-01-02T03:04:05"}},
		{"SELECT 9007199254740993, 18446744073709551615::UBIGINT, sum(9223372036854775807) FROM range(3)",
			[]string{"9007199254740993", "18446744073709551615", "27670116110564327421"}},
		{"SELECT '340282366920938463463374607431768211455'::UHUGEINT", []string{"340282366920938463463374607431768211455"}},
		{"SELECT 1.10::DECIMAL(38,2), 0.1::DOUBLE, 0.1::FLOAT, 1e300, 'nan'::DOUBLE, '-inf'::DOUBLE",
			[]string{"1.10", "0.1", "0.1", "1e+300", "nan", "-inf"}},
		{"SELECT true, DATE '2026-01-02', TIME '24:00:00', 'infinity'::TIMESTAMP, TIMESTAMP_NS '2026-01-02 03:04:05.123456789'",
			[]string{"true", "2026-01-02", "24:00:00", "infinity", "2026-01-02T03:04:05.123456789"}},
		{"SELECT '2026-01-02 03:04:05+02'::TIMESTAMPTZ, '\\x00\\xFF'::BLOB, '550e8400-e29b-41d4-a716-446655440000'::UUID, '101'::BIT, INTERVAL 90 MINUTE",
			[]string{"2026-01-02T01:04:05+00", `\x00\xFF`, "550e8400-e29b-41d4-a716-446655440000", "101", "01:30:00"}},
		{"SELECT ['$.a', NULL], {'b': 9007199254740993, 'a': 'x'}, map(['k'], [1]), ['a']::VARCHAR[1]",
			[]string{`["$.a",null]`, `{"b":9007199254740993,"a":"x"}`, `{"k":1}`, `["a"]`}},
		{"SELECT [170141183460469231731687303715884105727], {'d': 12345678901234567890.25::DECIMAL(38,2)}",
			[]string{`["170141183460469231731687303715884105727"]`, `{"d":"12345678901234567890.25"}`}},
		{"SELECT union_value(n := 1::SMALLINT), map([[1]], [2])", []string{`{"n":1}`, `{"[1]":2}`}},
		{"SELECT 'a' || chr(0) || 'b', chr(27)", []string{"a\x00b", "\x1b"}},
	} {
		_, rows, err := all(r, tt.query)
		if err != nil || len(rows) == 0 {
			t.Errorf("%s: %d rows, %v", tt.query, len(rows), err)
			continue
		}
		if d := cmp.Diff(tt.want, rows[0]); d != "" {
			t.Errorf("%s: %s", tt.query, d)
		}
	}
}

// DuckDB's own list of types: whatever it has, a Reader can show, as DuckDB writes it.
func TestEveryTypeCanBeShown(t *testing.T) {
	r := open(t, fixture(t, "CREATE TABLE x AS FROM test_all_types()"), ReaderOptions{})
	result, err := r.Query(t.Context(), "FROM x")
	if err != nil {
		t.Fatal(err)
	}
	columns := result.Columns()
	if err := result.Close(); err != nil {
		t.Fatal(err)
	}
	_, rows, err := all(r, "FROM x")
	if err != nil {
		t.Fatal(err)
	}
	_, plain, err := all(r, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM x")
	if err != nil {
		t.Fatal(err)
	}
	if len(columns) < 50 || len(rows) != 3 || len(plain) != 3 {
		t.Fatalf("%d columns, %d rows, %d plain rows", len(columns), len(rows), len(plain))
	}
	for i, c := range columns {
		for j := range rows {
			got, want := rows[j][i], plain[j][i]
			if c.Kind == Nested { // JSON instead; that it is exact is for TestValuesAreExact
				continue
			}
			if strings.HasPrefix(c.Type, "TIMESTAMP") && !strings.Contains(want, "(BC)") {
				got = strings.Replace(got, "T", " ", 1)
			}
			if got != want {
				t.Errorf("%s, row %d: %q, want %q", c.Type, j, got, want)
			}
		}
	}
}

func TestKindsAreToldApart(t *testing.T) {
	r := open(t, fixture(t, people), ReaderOptions{})
	result, err := r.Query(t.Context(), "SELECT 1, 1.5, 'x', true, [1], preferences, updated_at, {'a': 1} AS \"odd \"\"name\" FROM users")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	var kinds []ValueKind
	for _, c := range result.Columns() {
		kinds = append(kinds, c.Kind)
	}
	if d := cmp.Diff([]ValueKind{Number, Number, Text, Boolean, Nested, Text, Text, Nested}, kinds); d != "" {
		t.Error(d)
	}
	if last := result.Columns()[7].Name; last != `odd "name` {
		t.Errorf("name %q", last)
	}
}

func TestStatementsOfEveryForm(t *testing.T) {
	path := fixture(t, people)
	for query, want := range map[string]int{
		"SELECT 1; SELECT 2 UNION ALL SELECT 3":              2,
		"SELECT user_id FROM users; -- done":                 2,
		"SELECT user_id FROM users -- no end of line":        2,
		"WITH a AS (SELECT 1) SELECT * FROM a":               1,
		"TABLE users":                                        2,
		"VALUES (1), (2)":                                    2,
		"DESCRIBE users":                                     4,
		"SHOW TABLES":                                        1,
		"SUMMARIZE users":                                    4,
		"PRAGMA table_info('users')":                         4,
		"EXPLAIN SELECT 1":                                   1,
		"CALL pragma_version()":                              1,
		"CREATE TEMP TABLE t AS SELECT 7 AS x; FROM t":       1,
		"SELECT 1 AS a, 2 AS a":                              1,
		"PIVOT users ON user_id USING count(*)":              2,
		"SELECT * FROM users WHERE user_id = 'no such user'": 0,
	} {
		_, rows, err := all(open(t, path, ReaderOptions{}), query) // each its own: a temporary table stays
		if err != nil || len(rows) != want {
			t.Errorf("%s: %d rows, want %d, %v", query, len(rows), want, err)
		}
	}
	r := open(t, path, ReaderOptions{})
	if names, _, err := all(r, "SELECT 1 AS a, 2 AS a"); err != nil || strings.Join(names, ",") != "a,a" {
		t.Errorf("columns %v, %v", names, err)
	}
}

func TestOrderIsKept(t *testing.T) {
	r := open(t, fixture(t, "CREATE TABLE n AS SELECT range AS i FROM range(200000)"), ReaderOptions{})
	_, rows, err := all(r, "SELECT i FROM n ORDER BY i DESC")
	if err != nil || len(rows) != 200_000 || rows[0][0] != "199999" || rows[199_999][0] != "0" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	path := fixture(t, people)
	outside := filepath.Join(t.TempDir(), "outside.csv")
	if err := os.WriteFile(outside, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(t.Context(), path, ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"DELETE FROM users", "CREATE TABLE x AS SELECT 1", "UPDATE users SET email = 'x'", "DROP TABLE users", "INSERT INTO users SELECT * FROM users",
		"SELECT * FROM read_csv(" + schema.Literal(outside) + ")", "SELECT * FROM " + schema.Literal(outside), "SELECT * FROM read_text(" + schema.Literal(outside) + ")",
		"COPY users TO " + schema.Literal(outside+".copy"), "EXPORT DATABASE " + schema.Literal(outside+".dir"), "ATTACH " + schema.Literal(outside+".duckdb"),
		"SET threads = 1", "SET enable_external_access = true", "RESET lock_configuration", "INSTALL httpfs", "LOAD httpfs", "SELECT 1; DELETE FROM users",
	} {
		var mistake *SQLError
		if _, _, err := all(r, query); !errors.As(err, &mistake) {
			t.Errorf("%s: %v", query, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || string(before) != string(after) {
		t.Errorf("the file or its folder changed: %v, %v", entries, err)
	}
}

func TestExternalAccessCanBeAllowed(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.csv")
	if err := os.WriteFile(outside, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, fixture(t, people), ReaderOptions{AllowExternal: true})
	if _, rows, err := all(r, "SET threads = 1; SELECT * FROM users, "+schema.Literal(outside)); err != nil || len(rows) != 2 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if _, _, err := all(r, "DELETE FROM users"); err == nil {
		t.Error("the file can be changed all the same")
	}
}

func TestErrorsPointAndDoNotQuoteData(t *testing.T) {
	r := open(t, fixture(t, people), ReaderOptions{})
	for _, tt := range []struct {
		query, message string
		detail         []string
	}{
		{"", "there is no SQL statement", nil},
		{" ; -- nothing\n;", "there is no SQL statement", nil},
		{"SELEC 1", `Parser Error: syntax error at or near "SELEC"`, nil},
		{"SELECT nonsense\nFROM users", `Binder Error: Referenced column "nonsense" not found in FROM clause!`,
			[]string{`Candidate bindings: "users.preferences", "users.user_id"`, "LINE 1: SELECT nonsense", "               ^"}},
		{"DELETE FROM users", `Invalid Input Error: Cannot execute statement of type "DELETE" on database "users" which is attached in read-only mode!`, nil},
		{"SELECT email::INT\nFROM users", "Conversion Error: the data holds a value that the statement does not allow for",
			[]string{"LINE 1: SELECT email::INT", "                    ^", "errors do not quote data; TRY_CAST and TRY give NULL for such a value and show the rows it is in"}},
		{"SELECT json_extract(user_id, '$.a') FROM users", "Invalid Input Error: the data holds a value that the statement does not allow for",
			[]string{"errors do not quote data; TRY_CAST and TRY give NULL for such a value and show the rows it is in"}},
		{"SELECT ?", "incorrect argument count for command: have 0 want 1", nil},
	} {
		_, _, err := all(r, tt.query)
		var mistake *SQLError
		if !errors.As(err, &mistake) {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		if mistake.Error() != tt.message {
			t.Errorf("%s:\n got %s\nwant %s", tt.query, mistake, tt.message)
		}
		if d := cmp.Diff(tt.detail, mistake.Hints()); d != "" {
			t.Errorf("%s: %s", tt.query, d)
		}
	}
}

func TestAQueryIsInterrupted(t *testing.T) {
	r := open(t, fixture(t, people), ReaderOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := r.Query(ctx, "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range % 7 = b.range % 11")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, rows, err := all(r, "SELECT 1"); err != nil || len(rows) != 1 {
		t.Errorf("afterwards: %v", err)
	}
}

func TestOpenReaderFails(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReader(t.Context(), filepath.Join(dir, "absent.duckdb"), ReaderOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	text := filepath.Join(dir, "text.duckdb")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(t.Context(), text, ReaderOptions{}); err == nil {
		t.Error("a text file was opened")
	}
}

func TestExportParquet(t *testing.T) {
	path := fixture(t, people)
	file := filepath.Join(t.TempDir(), "out's.parquet")
	query := "SELECT user_id, preferences, updated_at, [1, 2] AS l FROM users ORDER BY user_id DESC; -- all"
	if err := ExportParquet(t.Context(), path, query, file, ReaderOptions{}); err != nil {
		t.Fatal(err)
	}
	r := open(t, path, ReaderOptions{AllowExternal: true})
	_, rows, err := all(r, "FROM read_parquet("+schema.Literal(file)+")")
	want := [][]string{{"u2", "<null>", "2026-01-02T03:04:05", "[1,2]"}, {"u1", `{"n": 9007199254740993, "x": 1e400}`, "2026-01-02T03:04:05.123456", "[1,2]"}}
	if d := cmp.Diff(want, rows); d != "" || err != nil {
		t.Error(d, err)
	}
	_, rows, err = all(r, "SELECT type, converted_type FROM parquet_schema("+schema.Literal(file)+") WHERE name = 'preferences'")
	if d := cmp.Diff([][]string{{"BYTE_ARRAY", "UTF8"}}, rows); d != "" || err != nil {
		t.Error(d, err)
	}
}

func TestExportParquetTouchesNothingElse(t *testing.T) {
	path := fixture(t, people)
	dir := t.TempDir()
	secret, file, stolen := filepath.Join(dir, "secret.csv"), filepath.Join(dir, "out.parquet"), filepath.Join(dir, "stolen.parquet")
	if err := os.WriteFile(secret, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"SELECT * FROM read_csv(" + schema.Literal(secret) + ")",
		"SELECT 1) TO " + schema.Literal(stolen) + "; --",
		"SELECT 1; SELECT 2",
		"DELETE FROM users",
		"",
		"SELECT nonsense FROM users",
	} {
		var mistake *SQLError
		if err := ExportParquet(t.Context(), path, query, file, ReaderOptions{}); !errors.As(err, &mistake) {
			t.Errorf("%s: %v", query, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("files: %v, %v", entries, err)
	}
	if err := ExportParquet(t.Context(), path, "SELECT * FROM "+schema.Literal(secret), file, ReaderOptions{AllowExternal: true}); err != nil {
		t.Errorf("allowed: %v", err)
	}
}

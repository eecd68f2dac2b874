package duckdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

// collectAll reads what Collect collects as all reads a query.
func collectAll(t *testing.T, path, query string, o ReaderOptions) (rows [][]string, err error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	c, err := Collect(t.Context(), path, query, o)
	if err == nil {
		var pages *Pages
		if pages, err = c.Rows(t.Context()); err != nil {
			t.Fatal(err)
		}
		for pages.Next() {
			var row []string
			for _, v := range pages.Row() {
				if v.Null {
					v.Text = "<null>"
				}
				row = append(row, v.Text)
			}
			rows = append(rows, row)
		}
		if c.Len() != int64(len(rows)) {
			t.Errorf("%d rows are read, %d were collected", len(rows), c.Len())
		}
		err = errors.Join(pages.Err(), pages.Close(), c.Close())
	}
	if left, e := os.ReadDir(os.Getenv("TMPDIR")); e != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, e)
	}
	return rows, err
}

// TestCollectedRowsAreThoseOfAQuery: every type there is, as many rows as fill several pages, and none.
func TestCollectedRowsAreThoseOfAQuery(t *testing.T) {
	path := fixture(t, people, "CREATE TABLE x AS FROM test_all_types()", "CREATE TABLE n AS SELECT range AS i FROM range(10000)")
	for _, query := range []string{
		"FROM users ORDER BY user_id DESC", "FROM x", "SELECT i, i % 7 AS i FROM n ORDER BY i DESC", "SELECT i FROM n WHERE i < 8192", "FROM n WHERE i < 0", "SHOW TABLES",
	} {
		_, want, err := all(open(t, path, ReaderOptions{}), query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := collectAll(t, path, query, ReaderOptions{})
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", query, err, d)
		}
	}
}

func TestCollectCountsRows(t *testing.T) {
	path := fixture(t, people)
	if _, err := collectAll(t, path, "FROM range(11)", ReaderOptions{MaxRows: 10}); !errors.Is(err, ErrTooManyRows) {
		t.Errorf("11 of 10 rows: %v", err)
	}
	if rows, err := collectAll(t, path, "FROM range(10)", ReaderOptions{MaxRows: 10}); len(rows) != 10 || err != nil {
		t.Errorf("10 of 10 rows: %d, %v", len(rows), err)
	}
	file := filepath.Join(t.TempDir(), "x.parquet")
	if err := ExportParquet(t.Context(), path, "FROM range(11)", file, ReaderOptions{MaxRows: 10}); !errors.Is(err, ErrTooManyRows) {
		t.Errorf("11 of 10 rows as Parquet: %v", err)
	}
}

// telling is SQL that is another where files can be touched: what is checked by binding it elsewhere is not what runs.
func telling(file string) string {
	reading := "SELECT content FROM read_text(" + schema.Literal(file) + ")"
	return "SELECT * FROM query(CASE WHEN current_setting('enable_external_access')::BOOL THEN " + schema.Literal(reading) + " ELSE 'SELECT ''locked'' AS content' END)"
}

func TestSQLThatCanTellTouchesNothing(t *testing.T) {
	path := fixture(t, people)
	secret, file := filepath.Join(t.TempDir(), "secret"), filepath.Join(t.TempDir(), "out.parquet")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ExportParquet(t.Context(), path, telling(secret), file, ReaderOptions{}); err != nil {
		t.Fatal(err)
	}
	_, rows, err := all(open(t, path, ReaderOptions{AllowExternal: true}), "FROM "+schema.Literal(file))
	if want := [][]string{{"locked"}}; !slices.EqualFunc(rows, want, slices.Equal) || err != nil {
		t.Errorf("the file holds %q, %v", rows, err)
	}
	rows, err = collectAll(t, path, telling(secret), ReaderOptions{})
	if want := [][]string{{"locked"}}; !slices.EqualFunc(rows, want, slices.Equal) || err != nil {
		t.Errorf("collected: %q, %v", rows, err)
	}
}

func TestSelectTakesOneStatementAndGivesTheFirstRows(t *testing.T) {
	r := open(t, fixture(t, people, "CREATE TABLE n AS SELECT range AS i FROM range(5000)"), ReaderOptions{})
	for query, want := range map[string]string{
		"SELECT i FROM n ORDER BY i DESC": "4999 4998 4997", "FROM range(2);": "0 1", "SHOW TABLES": "n users", "VALUES ('abcdefgh')": "abcde",
		"WITH a AS (SELECT 1) FROM a": "1", "SELECT [1, 2, 3]": "[1,2,", "SELECT NULL": "<null>",
		"SELECT 1) UNION ALL (FROM range(9)": "1 0 1", // out of the parentheses, and still within the bounds
	} {
		rows, err := r.Select(t.Context(), query, 3, 5)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var got []string
		for rows.Next() {
			v := rows.Row()[0]
			if v.Null {
				v.Text = "<null>"
			}
			got = append(got, v.Text)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q, %v", query, got, want, err)
		}
	}
	for _, query := range []string{
		"", "SELECT 1; SELECT 2", "SET threads = 1", "PRAGMA enable_profiling", "CREATE TEMP TABLE t AS SELECT 1", "DELETE FROM users", "CALL pragma_version()",
		"ATTACH ':memory:' AS x", "SELECT 1); CREATE TEMP TABLE t AS (SELECT 1", "COPY users TO '/dev/null'",
	} {
		var mistake *SQLError
		if _, err := r.Select(t.Context(), query, 3, 5); !errors.As(err, &mistake) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestSpillingIsBounded(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path := fixture(t, people)
	o := ReaderOptions{Settings: Settings{MemoryLimit: "60MB"}, SpillLimit: "1MB"}
	var mistake *SQLError
	_, _, err := all(open(t, path, o), "SELECT count(*) FROM (SELECT DISTINCT range, md5(range::VARCHAR) AS m FROM range(3000000))")
	if !errors.As(err, &mistake) || !strings.Contains(fmt.Sprint(err), "Out of Memory") {
		t.Errorf("got %v", err)
	}
}

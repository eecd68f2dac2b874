package duckdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

func verifier(t *testing.T, path string) *Verifier {
	t.Helper()
	v, err := OpenVerifier(t.Context(), path, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func TestVerifierColumns(t *testing.T) {
	path := newPath(t)
	closed(t, create(t, path, everything, numbers))
	v := verifier(t, path)
	got, err := v.Columns(t.Context(), "everything")
	if d := cmp.Diff([]string{"text", "json", "at", "yes", "n", "x", "d0", "d38", "list", "blob"}, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	for _, table := range []string{"letters", "", "duckdb_tables"} {
		if _, err := v.Columns(t.Context(), table); err == nil {
			t.Errorf("%q has columns", table)
		}
	}
}

// A digest is that of the rows, not of their order, and of each cell, not of its column.
func TestDigest(t *testing.T) {
	path := newPath(t)
	closed(t, create(t, path, numbers))
	v := verifier(t, path)
	digest := func(rows string, columns ...string) Digest {
		t.Helper()
		d, err := v.Digest(t.Context(), rows, columns...)
		if err != nil {
			t.Fatalf("%s: %v", rows, err)
		}
		return d
	}
	same := digest("(VALUES (1, 'a', ['x', NULL]), (2, NULL, []), (2, NULL, [])) t(n, s, l)", "n", "s", "l")
	if again := digest("(VALUES (2, NULL, []), (1, 'a', ['x', NULL]), (2, NULL, [])) t(n, s, l)", "n", "s", "l"); again != same || same.Rows != 3 {
		t.Errorf("%+v, %+v", same, again)
	}
	for _, other := range []string{
		"(VALUES (1, 'a', ['x', NULL]), (2, NULL, [])) t(n, s, l)",                               // a row less
		"(VALUES (1, 'a', ['x', NULL]), (1, 'a', ['x', NULL]), (2, NULL, [])) t(n, s, l)",        // another row twice
		"(VALUES (1, NULL, ['x', NULL]), (2, 'a', []), (2, NULL, [])) t(n, s, l)",                // cells in other rows
		"(VALUES (1, 'a', ['x']), (2, NULL, []), (2, NULL, [])) t(n, s, l)",                      // NULL in a list
		"(VALUES (1, 'a', ['x', NULL]), (2, NULL, NULL), (2, NULL, [])) t(n, s, l)",              // NULL for an empty list
		"(VALUES (1, 'a', ['x', NULL]), (2, NULL, [NULL]), (2, NULL, [])) t(n, s, l)",            // a NULL in an empty list
		"(VALUES (1, 'a', [NULL, 'x']), (2, NULL, []), (2, NULL, [])) t(n, s, l)",                // a list in another order
		"(VALUES (1, 'a', ['x', 'NULL']), (2, NULL, []), (2, NULL, [])) t(n, s, l)",              // the word for NULL
		"(VALUES (1, 'a', ['x', '']), (2, NULL, []), (2, NULL, [])) t(n, s, l)",                  // empty for NULL in a list
		"(VALUES (1, 'a', ['x', NULL, NULL]), (2, NULL, []), (2, NULL, [])) t(n, s, l)",          // a NULL more
		"(VALUES (1, 'a', ['x']), (2, NULL, [NULL]), (2, NULL, [])) t(n, s, l)",                  // a NULL in the list of another row
		"(VALUES (1, 'A', ['x', NULL]), (2, NULL, []), (2, NULL, [])) t(n, s, l)",                // case
		"(VALUES (1, 'a' || chr(0), ['x', NULL]), (2, NULL, []), (2, NULL, [])) t(n, s, l)",      // a NUL at the end
		"(VALUES (1, 'a', ['x', NULL]), (2, '', []), (2, NULL, [])) t(n, s, l)",                  // empty for NULL
		"(VALUES (9007199254740993, 'a', ['x', NULL]), (2, NULL, []), (2, NULL, [])) t(n, s, l)", // a number
	} {
		if d := digest(other, "n", "s", "l"); d == same {
			t.Errorf("%s has the same digest", other)
		}
	}
	if a, b := digest("(VALUES (0.0::DOUBLE)) t(x)", "x"), digest("(VALUES (-0.0::DOUBLE)) t(x)", "x"); a == b {
		t.Error("0.0 and -0.0 have one digest")
	}
	if d := digest("numbers", "n"); d != (Digest{}) {
		t.Errorf("no rows: %+v", d)
	}
	if _, err := v.Digest(t.Context(), "numbers", "m"); err == nil {
		t.Error("a column that is not there has a digest")
	}
	if _, err := v.Digest(t.Context(), "numbers; DROP TABLE numbers", "n"); err == nil {
		t.Error("two statements have a digest")
	}
}

func TestDigestsAddUp(t *testing.T) {
	path := newPath(t)
	w := create(t, path, numbers)
	count(t, w, checked(t), 0, 100)
	closed(t, w)
	v, err := OpenVerifier(t.Context(), path, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}()
	digest := func(where string) Digest {
		t.Helper()
		d, err := v.Digest(t.Context(), "(FROM numbers WHERE "+where+")", "n")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	all, some := digest("true"), digest("n < 40")
	if got := some.Add(digest("n >= 40")); got != all || got.Rows != 100 || some == all {
		t.Errorf("%v in two, %v in one", got, all)
	}
	if got, ok := ParseDigest(all.String(), 100); !ok || got != all {
		t.Errorf("%v came back as %v", all, got)
	}
	for _, text := range []string{"", "1234", "duckdb-v9.9.9:00000000000000000000000000000001", hashedBy, hashedBy + "xyz"} {
		if d, ok := ParseDigest(text, 1); ok {
			t.Errorf("%q is %v", text, d)
		}
	}
	version, err := Version(t.Context())
	if err != nil || hashedBy != "duckdb-"+version+"-2:" {
		t.Errorf("digests are said to be of %s, DuckDB is %s, %v", hashedBy, version, err)
	}
}

// A relation may be Parquet files, for which nothing is downloaded and nothing is written beside the database.
func TestDigestOfParquet(t *testing.T) {
	path := newPath(t)
	w := create(t, path, numbers)
	count(t, w, checked(t), 0, 10)
	closed(t, w)
	r, err := OpenReader(t.Context(), path, ReaderOptions{AllowExternal: true})
	if err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(t.TempDir(), "part.parquet")
	_, _, err = all(r, "COPY numbers TO "+schema.Literal(part))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	v := verifier(t, path)
	inTable, err := v.Digest(t.Context(), "numbers", "n")
	if err != nil {
		t.Fatal(err)
	}
	inFile, err := v.Digest(t.Context(), "read_parquet("+schema.Literal(part)+")", "n")
	if err != nil || inFile != inTable || inFile.Rows != 10 {
		t.Errorf("%+v, %+v, %v", inFile, inTable, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestVerifierOpensOnlyWhatIsThere(t *testing.T) {
	path := newPath(t)
	if _, err := OpenVerifier(t.Context(), path, Settings{}); err == nil {
		t.Error("opened a file that is not there")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("made a file: %v", err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenVerifier(t.Context(), path, Settings{}); err == nil {
		t.Error("opened a file that is no database")
	}
}

func TestVerifierChangesNothing(t *testing.T) {
	path := newPath(t)
	mem := checked(t)
	w := create(t, path, numbers)
	if err := appendRows(t, w, mem, numbers, func(b *array.RecordBuilder) { b.Field(0).AppendNull() }); err != nil {
		t.Fatal(err)
	}
	closed(t, w)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := OpenVerifier(t.Context(), path, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.db.ExecContext(t.Context(), "INSERT INTO numbers VALUES (1)"); err == nil {
		t.Error("inserted")
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file changed, %v", err)
	}
}

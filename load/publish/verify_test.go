package publish

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

// differences are the files that an error names.
func differences(err error) map[string]string {
	out := map[string]string{}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		for _, e := range many.Unwrap() {
			for f, what := range differences(e) {
				out[f] = what
			}
		}
		return out
	}
	var d *DifferenceError
	if errors.As(err, &d) {
		out[d.File] = d.Error()
	}
	return out
}

// files lists every file of a version.
func files(t *testing.T, v Version) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(v.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// One flipped bit, in any file, at its beginning, at its end or between, is found and the file named.
func TestVerifyFindsOneBit(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	v := isCurrent(t, w, "run-1")
	for _, path := range files(t, v) {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(v.Dir, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, 1, len(whole) / 3, len(whole) / 2, len(whole) - 5, len(whole) - 1} {
			damaged := append([]byte(nil), whole...)
			damaged[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			named := differences(v.Verify(t.Context()))
			if len(named) != 1 || !strings.Contains(named[rel], rel) {
				t.Errorf("%s, byte %d: %v", rel, at, named)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	isCurrent(t, w, "run-1")
}

func TestVerifyFindsEveryOtherDifference(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(dir string) error
		names  []string
	}{
		"a part is missing": {func(dir string) error { return os.Remove(filepath.Join(dir, "parquet/roles/part-00000.parquet")) },
			[]string{"parquet/roles/part-00000.parquet"}},
		"the database is missing": {func(dir string) error { return os.Remove(filepath.Join(dir, "users.duckdb")) }, []string{"users.duckdb"}},
		"the manifest is missing": {func(dir string) error { return os.Remove(filepath.Join(dir, "manifest.json")) }, []string{"manifest.json"}},
		"a part too many": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "parquet/roles/part-00001.parquet"), []byte("PAR1"), 0o600)
		}, []string{"parquet/roles/part-00001.parquet"}},
		"a log beside the database": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "users.duckdb.wal"), nil, 0o600) }, []string{"users.duckdb.wal"}},
		"a hidden file":             {func(dir string) error { return os.WriteFile(filepath.Join(dir, "parquet", ".x"), nil, 0o600) }, []string{"parquet/.x"}},
		"a part is cut off":         {func(dir string) error { return os.Truncate(filepath.Join(dir, "parquet/roles/part-00000.parquet"), 10) }, []string{"parquet/roles/part-00000.parquet"}},
		"a part is another's": {func(dir string) error {
			return os.Rename(filepath.Join(dir, "parquet/roles/part-00000.parquet"), filepath.Join(dir, "parquet/user_context/part-00000.parquet"))
		}, []string{"parquet/roles/part-00000.parquet", "parquet/user_context/part-00000.parquet"}},
		"a longer manifest": {func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, "manifest.json"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("\n")
			return errors.Join(err, f.Close())
		}, []string{"manifest.json"}},
		"a folder in the place of a part": {func(dir string) error {
			path := filepath.Join(dir, "parquet/roles/part-00000.parquet")
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		}, []string{"parquet/roles/part-00000.parquet"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := warehouse(t)
			publish(t, w, "run-1")
			v := isCurrent(t, w, "run-1")
			if err := tt.change(v.Dir); err != nil {
				t.Fatal(err)
			}
			err := v.Verify(t.Context())
			named := differences(err)
			for _, n := range tt.names {
				if named[n] == "" {
					t.Errorf("%s is not named: %v", n, err)
				}
			}
			if len(named) != len(tt.names) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Files that are each as published, by their hashes, but do not say the same: what a fault in writing them would be.
func TestTablesThatDiffer(t *testing.T) {
	row := func(cells ...string) []string { return cells }
	for name, tt := range map[string]struct {
		inParquet [][]string
		column    string
		what      string
	}{
		"another value":        {[][]string{row("o", "r1", "n1", "d1"), row("o", "r2", "n2", "d2!")}, "description", "not the values"},
		"NULL for a value":     {[][]string{row("o", "r1", "n1", "d1"), row("o", "r2", "", "d2")}, "name", "not the values"},
		"a row less":           {[][]string{row("o", "r1", "n1", "d1")}, "", "1 rows, 2 in DuckDB"},
		"a row more":           {[][]string{row("o", "r1", "n1", "d1"), row("o", "r2", "n2", "d2"), row("o", "r2", "n2", "d2")}, "", "3 rows, 2 in DuckDB"},
		"a row for another":    {[][]string{row("o", "r1", "n1", "d1"), row("o", "r1", "n1", "d1")}, "role_id", "not the values"},
		"cells of another row": {[][]string{row("o", "r1", "n2", "d1"), row("o", "r2", "n1", "d2")}, "", "in other rows"},
	} {
		t.Run(name, func(t *testing.T) {
			b := begin(t, warehouse(t), "run-1")
			batch := rolesOf([][]string{row("o", "r1", "n1", "d1"), row("o", "r2", "n2", "d2")})
			defer batch.Release()
			if err := errors.Join(b.Append(schema.NameRoles, batch), b.finish(t.Context())); err != nil {
				t.Fatal(err)
			}
			expected := []TableEntry{{Name: schema.NameRoles, Rows: 2}}
			if err := compareTables(t.Context(), b.dir, expected); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(b.dir, parquetName, schema.NameRoles)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			p, err := parquet.NewWriter(memory.DefaultAllocator, dir, schema.Roles)
			if err != nil {
				t.Fatal(err)
			}
			other := rolesOf(tt.inParquet)
			defer other.Release()
			if err := errors.Join(p.Append(t.Context(), other), p.Close()); err != nil {
				t.Fatal(err)
			}
			var d *DifferenceError
			if err := compareTables(t.Context(), b.dir, expected); !errors.As(err, &d) || d.Column != tt.column || !strings.Contains(d.What, tt.what) ||
				d.File != "parquet/roles/part-*.parquet" {
				t.Errorf("%v", err)
			}
		})
	}
}

// rolesOf is a batch of roles with these cells; an empty one is NULL.
func rolesOf(rows [][]string) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.Roles.Arrow())
	defer b.Release()
	for _, row := range rows {
		for i, cell := range row {
			if cell == "" {
				b.Field(i).AppendNull()
			} else {
				b.Field(i).(*array.StringBuilder).Append(cell)
			}
		}
	}
	return b.NewRecord()
}

func TestRowsThatAreNotThere(t *testing.T) {
	b := begin(t, warehouse(t), "run-1")
	appendRoles(t, b, 3)
	if err := b.finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		table TableEntry
		what  string
	}{
		{TableEntry{Name: "roles", Rows: 4}, "table roles has 3 rows, not 4"}, {TableEntry{Name: "nowhere"}, "nowhere"},
	} {
		var d *DifferenceError
		if err := compareTables(t.Context(), b.dir, []TableEntry{tt.table}); !errors.As(err, &d) || d.File != "users.duckdb" || !strings.Contains(d.What, tt.what) {
			t.Errorf("%v", err)
		}
	}
	if err := compareTables(t.Context(), filepath.Join(b.dir, "nowhere"), nil); len(differences(err)) != 1 {
		t.Errorf("%v", err)
	}
}

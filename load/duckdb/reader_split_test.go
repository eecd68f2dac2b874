package duckdb

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitStatements(t *testing.T) {
	for sql, want := range map[string][]string{
		"":                                  nil,
		" \n; ;":                            nil,
		"-- nothing":                        nil,
		"/* a; /* b; */ c; */":              nil,
		"SELECT 1":                          {"SELECT 1"},
		"SELECT 1;":                         {"SELECT 1"},
		"SELECT 1; SELECT 2":                {"SELECT 1", "SELECT 2"},
		"SELECT ';'; SELECT 2":              {"SELECT ';'", "SELECT 2"},
		"SELECT 'it''s;'; x":                {"SELECT 'it''s;'", "x"},
		`SELECT ";""" ; x`:                  {`SELECT ";"""`, "x"},
		`SELECT E'\';' ; x`:                 {`SELECT E'\';'`, "x"},
		`SELECT e'\\'; x`:                   {`SELECT e'\\'`, "x"},
		`SELECT name'\'; x`:                 {`SELECT name'\'`, "x"},
		"SELECT $$;$$; x":                   {"SELECT $$;$$", "x"},
		"SELECT $a$;$$;$a$; x":              {"SELECT $a$;$$;$a$", "x"},
		"SELECT $1; SELECT $2":              {"SELECT $1", "SELECT $2"},
		"SELECT a$b$;c":                     {"SELECT a$b$", "c"},
		"SELECT 1 -- ;\n, 2; x":             {"SELECT 1 -- ;\n, 2", "x"},
		"SELECT 1 /* ; /* ; */ ; */; x":     {"SELECT 1 /* ; /* ; */ ; */", "x"},
		"SELECT 'never ends; SELECT 2":      {"SELECT 'never ends; SELECT 2"},
		"SELECT 1; -- the end":              {"SELECT 1"},
		"/* first */ SELECT 1;\t\n":         {"/* first */ SELECT 1"},
		"SELECT 'ü;' AS \"é;\"; SELECT 'x'": {"SELECT 'ü;' AS \"é;\"", "SELECT 'x'"},
	} {
		if d := cmp.Diff(want, splitStatements(sql)); d != "" {
			t.Errorf("%q: %s", sql, d)
		}
	}
}

// Whatever is given, splitting ends, loses nothing but space, comments and semicolons, and a statement is not split again.
func FuzzSplitStatements(f *testing.F) {
	for _, s := range []string{"SELECT 1; SELECT ';'", "$a$;$a$;", "E'\\';", "/*/**/;*/;", `"";"`, "--\n;x", "$", "'", "é;$é$;$é$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		rest := sql
		for _, s := range splitStatements(sql) {
			if strings.TrimSpace(s) != s || s == "" {
				t.Fatalf("%q is not trimmed", s)
			}
			i := strings.Index(rest, s)
			if i < 0 {
				t.Fatalf("%q is not in %q", s, rest)
			}
			rest = rest[i+len(s):]
			if again := splitStatements(s); len(again) != 1 || again[0] != s {
				t.Fatalf("%q splits again into %q", s, again)
			}
		}
	})
}

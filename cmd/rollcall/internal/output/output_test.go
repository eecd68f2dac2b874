package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jedib0t/go-pretty/v6/text"
	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/load/duckdb"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// given are rows as a reader gives them; a nil value is NULL.
type given struct {
	columns []duckdb.Column
	rows    [][]any
	err     error
	at      int
}

func (g *given) Columns() []duckdb.Column { return g.columns }
func (g *given) Next() bool               { g.at++; return g.at <= len(g.rows) }
func (g *given) Err() error               { return g.err }
func (g *given) Row() []duckdb.Value {
	var out []duckdb.Value
	for _, v := range g.rows[g.at-1] {
		s, ok := v.(string)
		out = append(out, duckdb.Value{Text: s, Null: !ok})
	}
	return out
}

func column(name string, k duckdb.ValueKind) duckdb.Column {
	types := map[duckdb.ValueKind]string{duckdb.Text: "VARCHAR", duckdb.Number: "BIGINT", duckdb.Boolean: "BOOLEAN", duckdb.Nested: "VARCHAR[]"}
	return duckdb.Column{Name: name, Type: types[k], Kind: k}
}

func sample() *given {
	return &given{
		columns: []duckdb.Column{column("user_id", duckdb.Text), column("n", duckdb.Number), column("ok", duckdb.Boolean), column("paths", duckdb.Nested),
			column("note", duckdb.Text), column("note", duckdb.Text)},
		rows: [][]any{
			{"u1", "9007199254740993", "true", `["$.a",null]`, `plain`, "two\nlines, \"quoted\" | piped"},
			{"u2", "nan", "false", `[NaN]`, "", nil},
			{nil, nil, nil, nil, "ЖЫ 日本 <b>&", "\x1b[31mred\u202egnp.exe\x7f\u009b"},
			{"u4", "-1.50", "true", "{\"k\":\"\u009b\"}", ` {"json": "text"} `, `back\slash`},
		},
	}
}

func TestGoldens(t *testing.T) {
	for name, tt := range map[string]struct {
		format Format
		screen Screen
	}{
		"table.txt": {Table, Screen{}}, "table_terminal.txt": {Table, Screen{Terminal: true, Width: 80}}, "csv.csv": {CSV, Screen{}},
		"csv_terminal.csv": {CSV, Screen{Terminal: true}}, "json.json": {JSON, Screen{}}, "ndjson.ndjson": {NDJSON, Screen{}}, "markdown.md": {Markdown, Screen{}},
	} {
		var got bytes.Buffer
		n, err := Write(&got, tt.format, sample(), tt.screen)
		if err != nil || n != 4 {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got.String()); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func TestNoRows(t *testing.T) {
	for format, want := range map[Format]string{
		CSV: "a\n", JSON: "[]\n", NDJSON: "", Markdown: "| a |\n| --- |\n", Table: "┌───┐\n│ a │\n├───┤\n└───┘\n",
	} {
		var got strings.Builder
		n, err := Write(&got, format, &given{columns: []duckdb.Column{column("a", duckdb.Text)}}, Screen{})
		if n != 0 || err != nil || got.String() != want {
			t.Errorf("%s: %q, want %q (%d, %v)", format, got.String(), want, n, err)
		}
	}
}

func TestErrorsOfRowsAndWriterComeThrough(t *testing.T) {
	broken := errors.New("broken")
	for _, f := range []Format{Table, CSV, JSON, NDJSON, Markdown} {
		g := sample()
		g.err = broken
		if _, err := Write(&strings.Builder{}, f, g, Screen{}); !errors.Is(err, broken) {
			t.Errorf("%s, rows: %v", f, err)
		}
		if _, err := Write(failing{broken}, f, sample(), Screen{}); !errors.Is(err, broken) {
			t.Errorf("%s, writer: %v", f, err)
		}
	}
	if _, err := Write(&strings.Builder{}, Parquet, sample(), Screen{}); err == nil {
		t.Error("parquet was streamed")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestFormats(t *testing.T) {
	for path, want := range map[string]Format{"a.csv": CSV, "b.JSON": JSON, "c.jsonl": NDJSON, "d.ndjson": NDJSON, "e.md": Markdown, "f.parquet": Parquet, "g.txt": Table} {
		if got, ok := ForFile(path); !ok || got != want {
			t.Errorf("%s: %s, %v", path, got, ok)
		}
	}
	for _, path := range []string{"a", "a.xlsx", "csv", "x.table"} {
		if got, ok := ForFile(path); ok {
			t.Errorf("%s: %s", path, got)
		}
	}
	if _, ok := Parse("xml"); ok {
		t.Error("xml is no format")
	}
}

// Whatever the texts are, csv, json and ndjson are read back by the standard library as what went in, and nothing hidden reaches a terminal.
func TestEveryTextComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Custom(func(t *rapid.T) any {
			if rapid.Bool().Draw(t, "null") {
				return nil
			}
			return strings.ToValidUTF8(rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\",;\r\n\t\x00\x1b\u202e\\|'")))).Draw(t, "text"), "")
		})
		g := given{columns: []duckdb.Column{column("a", duckdb.Text), column("b,\n\"", duckdb.Text)}}
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			g.rows = append(g.rows, []any{value.Draw(t, "a"), value.Draw(t, "b")})
		}
		write := func(f Format, s Screen) string {
			var b strings.Builder
			again := g
			if _, err := Write(&b, f, &again, s); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}

		records, err := csv.NewReader(strings.NewReader(write(CSV, Screen{}))).ReadAll()
		if err != nil || len(records) != len(g.rows)+1 {
			t.Fatalf("csv: %d records, %v", len(records), err)
		}
		for i, row := range g.rows {
			for j, v := range row {
				want, _ := v.(string)
				if got := records[i+1][j]; got != strings.ReplaceAll(want, "\r\n", "\n") { // what encoding/csv does to line breaks
					t.Fatalf("csv: %q, want %q", got, want)
				}
			}
		}

		var objects []map[string]any
		if err := json.Unmarshal([]byte(write(JSON, Screen{})), &objects); err != nil {
			t.Fatal(err)
		}
		var lines []map[string]any
		for _, l := range strings.SplitAfter(write(NDJSON, Screen{}), "\n") {
			if l == "" {
				continue
			}
			var o map[string]any
			if err := json.Unmarshal([]byte(l), &o); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, o)
		}
		if len(objects) != len(g.rows) || len(lines) != len(g.rows) {
			t.Fatalf("%d objects, %d lines, %d rows", len(objects), len(lines), len(g.rows))
		}
		for i, row := range g.rows {
			if objects[i]["a"] != row[0] || objects[i]["b,\n\""] != row[1] || cmp.Diff(objects[i], lines[i]) != "" {
				t.Fatalf("json: %q, %q, want %q", objects[i], lines[i], row)
			}
		}

		for _, f := range []Format{Table, CSV, JSON, NDJSON, Markdown} {
			for _, r := range strings.ReplaceAll(write(f, Screen{Terminal: true, Width: 60}), "\n", "") {
				if hidden(r) {
					t.Fatalf("%s: %q reaches the terminal", f, r)
				}
			}
		}
	})
}

// TestNumbersAreJSONNumbers: DuckDB writes a DECIMAL(38,38) without a digit before its point.
func TestNumbersAreJSONNumbers(t *testing.T) {
	for in, want := range map[string]string{
		".5": "0.5", "-.5": "-0.5", "." + strings.Repeat("9", 38): "0." + strings.Repeat("9", 38), "0.5": "0.5", "-1.50": "-1.50", "1e+300": "1e+300", "0": "0",
		"nan": `"nan"`, "inf": `"inf"`, "-inf": `"-inf"`,
	} {
		g := &given{columns: []duckdb.Column{column("n", duckdb.Number)}, rows: [][]any{{in}}}
		var got bytes.Buffer
		if _, err := Write(&got, NDJSON, g, Screen{}); err != nil || got.String() != `{"n":`+want+"}\n" || !json.Valid(got.Bytes()) {
			t.Errorf("%s: %s (%v), want %s", in, got.String(), err, want)
		}
	}
}

func TestATableFitsTheTerminal(t *testing.T) {
	for _, width := range []int{60, 80, 132} {
		var b strings.Builder
		g := &given{columns: []duckdb.Column{column("short", duckdb.Text), column("long", duckdb.Text), column("wide", duckdb.Text),
			{Name: "at", Type: "TIMESTAMP"}}, rows: [][]any{{"a", strings.Repeat("x", 300), strings.Repeat("日本", 100), "2026-01-02T03:04:05"}}}
		if _, err := Write(&b, Table, g, Screen{Terminal: true, Width: width}); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
			if w := text.StringWidth(line); w > width {
				t.Errorf("width %d: a line of %d", width, w)
			}
		}
		if !strings.Contains(b.String(), "…") || !strings.Contains(b.String(), "T03:04:05 ") {
			t.Errorf("width %d: a time is cut, or nothing shows that text is:\n%s", width, b.String())
		}
	}
}

func TestFileIsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.csv")
	write := func(text string, finish func(*File) error) {
		t.Helper()
		f, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := finish(f); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%q, want %q, %v", got, want, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	}
	write("first", (*File).Commit)
	expect("first")
	write("second", (*File).Abort)
	expect("first")
	write("third", (*File).Commit)
	expect("third")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestFileFollowsLinksAndLeavesDevicesAlone(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "real.csv"), filepath.Join(dir, "link.csv")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	f, err := Create(link)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "new" {
		t.Errorf("through the link: %q, %v", got, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}

	device, err := Create(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, aside := device.Aside(); aside {
		t.Error("a device is written aside")
	}
	if err := device.Commit(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Error("the device was replaced by a file")
	}
	if _, err := Create(dir); err == nil {
		t.Error("a folder was opened")
	}
	if _, err := Create(filepath.Join(dir, "absent", "x.csv")); err == nil {
		t.Error("a file in no folder was made")
	}
}

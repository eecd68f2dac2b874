// Package output writes the rows of a query in the formats that `rollcall query` knows.
//
// Every format writes each value's text as the reader gives it, which is exact; no number passes through a floating-point type on its way. csv,
// json, ndjson and markdown stream; table holds the whole result in memory to align it. NULL is the word NULL in table and markdown, null in
// json and ndjson, and an unquoted empty field in csv, where an empty text is quoted (in a result of one column NULL is quoted too: readers
// skip empty lines).
//
// Control characters and those that change the direction of text are escaped in table and markdown, and in csv on a terminal, so that no value
// can draw on it or break a row; JSON escapes them everywhere, which says the same value. Parquet is not written here.
//
// Writing fails where the writer or the rows fail; what was written till then is incomplete.
package output

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/load/duckdb"
)

// Format is a form of output.
type Format string

// The formats.
const (
	Table    Format = "table"
	CSV      Format = "csv" // RFC 4180 with line feeds
	JSON     Format = "json"
	NDJSON   Format = "ndjson"
	Markdown Format = "markdown"
	Parquet  Format = "parquet" // a file, not a stream: the caller has DuckDB write it
)

// Formats are all formats, in the order of the documentation.
func Formats() []Format { return []Format{Table, CSV, JSON, NDJSON, Markdown, Parquet} }

// Parse reads a format's name.
func Parse(name string) (Format, bool) {
	f := Format(name)
	return f, slices.Contains(Formats(), f)
}

// ForFile guesses the format from a file's name: rows.csv is csv.
func ForFile(path string) (Format, bool) {
	switch ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), ".")); ext {
	case "jsonl":
		return NDJSON, true
	case "md":
		return Markdown, true
	case "txt":
		return Table, true
	default:
		f, ok := Parse(ext)
		return f, ok && f != Table
	}
}

// rows is what is written: *duckdb.Rows.
type rows interface {
	Columns() []duckdb.Column
	Next() bool
	Row() []duckdb.Value
	Err() error
}

// Screen is the terminal that is written to. The zero value is none: a file or a pipe.
type Screen struct {
	Terminal bool
	Width    int // columns of a terminal; 0: unknown
}

// Write writes all rows and returns how many there were.
func Write(w io.Writer, f Format, r rows, s Screen) (int, error) {
	b := bufio.NewWriterSize(w, 64<<10)
	var n int
	var err error
	switch f {
	case Table:
		n, err = writeTable(b, r, s)
	case CSV:
		n, err = writeCSV(b, r, s)
	case JSON:
		n, err = writeJSON(b, r)
	case NDJSON:
		n, err = writeNDJSON(b, r)
	case Markdown:
		n, err = writeMarkdown(b, r)
	default:
		return 0, fmt.Errorf("rows cannot be streamed as %s", f)
	}
	if err == nil {
		err = r.Err()
	}
	if err == nil {
		err = b.Flush()
	}
	return n, err
}

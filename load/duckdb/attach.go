package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/marcboeker/go-duckdb"

	"github.com/rollcall-data/rollcall/schema"
)

// Settings bound what DuckDB may use. Zero values leave it what each use needs, and reading takes a thread a processor.
type Settings struct {
	MemoryLimit string // as DuckDB writes it: 800MB
	Threads     int    // for reading; writing takes one
}

// attached is the name that the file has in the statements of a Writer or Verifier. The file does not know it.
const attached = "version"

// oneThread is for writing. Where DuckDB before 1.2.2 inserts with several threads, each writes row groups of its own that are merged in the
// end, and a partly filled block can be written to after the merge: about one load in two of some 100,000 rows corrupted the heap, crashed or
// hung (duckdb/duckdb#15583, duckdb/duckdb#17214). One thread merges nothing. It costs no CPU time, and the writer of Parquet keeps the
// other processors busy.
const oneThread = "threads=1"

// DuckDB holds up to two blocks of 256 KiB of each column that is being written, of all tables at once. Where that does not fit, it fails rather
// than use the disk.
const (
	leastMemory     = 144 // MiB; with 96 a quarter of what is loaded goes to the disk first
	memoryOfAColumn = 768 // KiB
)

// writingMemory is what it takes to write these tables, in MiB.
func writingMemory(tables []schema.Table) int64 {
	columns := 0
	for _, t := range tables {
		columns += len(t.Columns)
	}
	return int64(leastMemory + columns*memoryOfAColumn/1024)
}

// mebibytes is an amount as DuckDB writes it.
func mebibytes(n int64) string { return fmt.Sprintf("%dMiB", n) }

// attach makes connections to the database file at path. The driver takes a path for a part of a URL, so that one with % or # in it would be
// misread: the file is attached to a database in memory instead. A question mark is beyond DuckDB: it would look for the write-ahead log
// elsewhere.
func attach(ctx context.Context, path string, readOnly bool, s Settings) (*duckdb.Connector, error) {
	if strings.Contains(path, "?") {
		return nil, errors.New("the path holds a question mark, which DuckDB cannot open")
	}
	options := []string{"autoinstall_known_extensions=false", "autoload_known_extensions=false"}
	if s.MemoryLimit != "" {
		options = append(options, "memory_limit="+s.MemoryLimit)
	}
	spill, mode := path+".tmp", ""
	switch {
	case !readOnly:
		options = append(options, oneThread)
	case s.Threads > 0:
		options = append(options, "threads="+strconv.Itoa(s.Threads))
	}
	if readOnly { // nothing is written beside a published file
		spill, mode = "", " (READ_ONLY)"
	}
	statements := []string{
		"SET temp_directory = " + schema.Literal(spill),
		"ATTACH IF NOT EXISTS " + schema.Literal(path) + " AS " + attached + mode,
		"USE " + attached,
	}
	return duckdb.NewConnector("?"+strings.Join(options, "&"), func(c driver.ExecerContext) error {
		for _, sql := range statements {
			if _, err := c.ExecContext(ctx, sql, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

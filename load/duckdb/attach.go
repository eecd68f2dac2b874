package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/marcboeker/go-duckdb"

	"github.com/rollcall-data/rollcall/schema"
)

// Settings bound what DuckDB may use; zero values leave its defaults.
type Settings struct {
	MemoryLimit string // as DuckDB writes it: 800MB
	Threads     int
}

// attached is the name that the file has in the statements of a Writer or Verifier. The file does not know it.
const attached = "version"

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
	if s.Threads > 0 {
		options = append(options, fmt.Sprintf("threads=%d", s.Threads))
	}
	spill, mode := path+".tmp", ""
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

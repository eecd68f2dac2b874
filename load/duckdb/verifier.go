package duckdb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
)

// Verifier reads a finished file back over a connection of its own, to compare it with other files.
type Verifier struct {
	db   *sql.DB
	more bool // memory may be given it
}

// DuckDB before 1.2 takes a block of 256 KiB for every text of more than 4 KiB that it reads, 2,048 a column and thread at a time. It touches little of
// them, but they count: a table of long texts cannot be read under a limit that bounds what it keeps of a file in memory. So there is such a limit
// first, and where that is not enough, one that no table meets.
const (
	shortStrings = "256MB"
	longStrings  = "256GB"
)

// OpenVerifier opens the file at path read-only.
func OpenVerifier(ctx context.Context, path string, s Settings) (*Verifier, error) {
	more := s.MemoryLimit == ""
	s.MemoryLimit = cmp.Or(s.MemoryLimit, shortStrings)
	c, err := attach(ctx, path, true, s)
	if err != nil {
		return nil, err
	}
	v := &Verifier{db: sql.OpenDB(c), more: more}
	if err := v.db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// Close closes the file.
func (v *Verifier) Close() error { return v.db.Close() }

// Columns lists a table's columns, in order.
func (v *Verifier) Columns(ctx context.Context, table string) ([]string, error) {
	rows, err := v.db.QueryContext(ctx, "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal AND table_name = ? ORDER BY column_index", table)
	if err != nil {
		return nil, fmt.Errorf("columns of %s: %w", table, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("columns of %s: %w", table, err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("columns of %s: %w", table, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no table %s", table)
	}
	return names, nil
}

// exact are expressions of the columns whose hashes tell any two values apart. DuckDB has one hash for NULL, [] and [NULL], and one for 0.0
// and -0.0.
func (v *Verifier) exact(ctx context.Context, relation string, columns []string) ([]string, error) {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = schema.Quote(c)
	}
	rows, err := v.db.QueryContext(ctx, fmt.Sprintf("DESCRIBE SELECT %s FROM %s", strings.Join(quoted, ", "), relation))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	out := make([]string, 0, len(columns))
	for rows.Next() {
		var name, typ string
		var null, key, byDefault, extra sql.NullString
		if err := rows.Scan(&name, &typ, &null, &key, &byDefault, &extra); err != nil {
			return nil, err
		}
		switch name = schema.Quote(name); {
		case typ == "VARCHAR[]": // of lists that are not empty, the hash is exact
			out = append(out, "coalesce(len("+name+"), -1)")
		case strings.HasSuffix(typ, "[]"):
			name = "to_json(" + name + ")"
		case typ == "DOUBLE":
			name += "::VARCHAR"
		}
		out = append(out, name)
	}
	return out, rows.Err()
}

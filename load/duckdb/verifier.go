package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/marcboeker/go-duckdb"
	"github.com/rollcall-data/rollcall/schema"
)

// Verifier reads a finished file back over a connection of its own, to compare it with other files.
type Verifier struct {
	db *sql.DB
}

// OpenVerifier opens the file at path read-only.
func OpenVerifier(ctx context.Context, path string) (*Verifier, error) {
	c, err := duckdb.NewConnector(dsn(path, "read_only", Settings{}), nil)
	if err != nil {
		return nil, err
	}
	v := &Verifier{db: sql.OpenDB(c)}
	if err := v.db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// Close closes the file.
func (v *Verifier) Close() error { return v.db.Close() }

// Columns lists a table's columns, in order.
func (v *Verifier) Columns(ctx context.Context, table string) ([]string, error) {
	rows, err := v.db.QueryContext(ctx, "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = ? ORDER BY column_index", table)
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

// Digest is the rows of a relation in short: how many, and the sum of a hash of each. Relations of the same rows in any order have equal
// digests.
type Digest struct {
	Rows int64
	Sum  string
}

// Digest reads the columns of a relation, an SQL expression to select from.
func (v *Verifier) Digest(ctx context.Context, relation string, columns ...string) (Digest, error) {
	args := make([]string, len(columns))
	for i, c := range columns {
		args[i] = schema.Quote(c)
	}
	var d Digest
	q := fmt.Sprintf("SELECT count(*), coalesce(sum(hash(%s)::HUGEINT), 0)::VARCHAR FROM %s", strings.Join(args, ", "), relation)
	err := v.db.QueryRowContext(ctx, q).Scan(&d.Rows, &d.Sum)
	return d, err
}

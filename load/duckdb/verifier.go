package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
)

// Verifier reads a finished file back over a connection of its own, to compare it with other files.
type Verifier struct {
	db *sql.DB
}

// OpenVerifier opens the file at path read-only.
func OpenVerifier(ctx context.Context, path string) (*Verifier, error) {
	c, err := attach(ctx, path, true, Settings{})
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

// Digest is the rows of a relation in short: how many, and the sum of a hash of each. Relations of the same rows in any order have equal
// digests.
type Digest struct {
	Rows int64
	Sum  string
}

// Digest reads the columns of a relation, an SQL expression to select from.
func (v *Verifier) Digest(ctx context.Context, relation string, columns ...string) (Digest, error) {
	exact, err := v.exact(ctx, relation, columns)
	if err != nil {
		return Digest{}, err
	}
	var d Digest
	q := fmt.Sprintf("SELECT count(*), coalesce(sum(hash(%s)::HUGEINT), 0)::VARCHAR FROM %s", strings.Join(exact, ", "), relation)
	err = v.db.QueryRowContext(ctx, q).Scan(&d.Rows, &d.Sum)
	return d, err
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
		case strings.HasSuffix(typ, "[]"):
			name = "to_json(" + name + ")"
		case typ == "DOUBLE":
			name += "::VARCHAR"
		}
		out = append(out, name)
	}
	return out, rows.Err()
}

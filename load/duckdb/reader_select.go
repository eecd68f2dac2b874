package duckdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
)

// Select runs one statement that can stand in a FROM clause (SELECT, FROM, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE) and returns the first rows
// of its result, with no more than so many characters of each value: what is to be shown of a result of any size. It fails as Query does.
func (r *Reader) Select(ctx context.Context, query string, rows, characters int) (*Rows, error) {
	statement, err := one(query)
	if err != nil {
		return nil, err
	}
	columns, err := r.describe(ctx, statement)
	if err != nil {
		return nil, err
	}
	exprs := make([]string, len(columns))
	for i, c := range columns {
		exprs[i] = fmt.Sprintf("left(%s, %d) AS %s", textOf(i, c), characters, schema.Quote(c.Name))
	}
	result, err := r.conn.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM (\n%s\n) LIMIT %d", strings.Join(exprs, ", "), statement, rows))
	if err != nil {
		return nil, sqlError(ctx, err, wrapLines)
	}
	return &Rows{rows: result, columns: columns, scanned: make([]any, len(columns)), values: make([]Value, len(columns))}, nil
}

// one is the only statement of the SQL.
func one(query string) (string, error) {
	statements := splitStatements(query)
	switch len(statements) {
	case 0:
		return "", &SQLError{Message: "there is no SQL statement"}
	case 1:
		return statements[0], nil
	}
	return "", &SQLError{Message: fmt.Sprintf("one SELECT is expected; there are %d statements", len(statements))}
}

package duckdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
)

// ExportParquet writes the rows of one SELECT over the database file at path to a Parquet file (zstd), replacing what is in it. JSON
// columns are strings in it: some readers make bytes of Parquet's JSON type. The file's durability is the caller's.
//
// The SQL can touch files no more than a Reader's: it is first bound by one that has no access, where whatever names a file fails, and
// only then run inside a COPY.
func ExportParquet(ctx context.Context, path, query, file string, o ReaderOptions) (err error) {
	statement, columns, err := bindOne(ctx, path, query, o)
	if err != nil {
		return err
	}
	exprs := make([]string, len(columns))
	for i, c := range columns {
		exprs[i] = fmt.Sprintf("#%d", i+1)
		if c.Type == "JSON" {
			exprs[i] = fmt.Sprintf("CAST(#%d AS VARCHAR)", i+1)
		}
		exprs[i] += " AS " + schema.Quote(c.Name)
	}
	o.AllowExternal = true
	r, err := OpenReader(ctx, path, o)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
	}()
	copying := fmt.Sprintf("COPY (SELECT %s FROM (\n%s\n)) TO %s (FORMAT PARQUET, COMPRESSION ZSTD, USE_TMP_FILE false)",
		strings.Join(exprs, ", "), statement, schema.Literal(file))
	if _, err := r.conn.ExecContext(ctx, copying); err != nil {
		return sqlError(ctx, err, wrapLines)
	}
	return nil
}

// bindOne checks the SQL within the bounds of o and gives its one statement and the columns.
func bindOne(ctx context.Context, path, query string, o ReaderOptions) (statement string, columns []Column, err error) {
	statements := splitStatements(query)
	if len(statements) != 1 {
		return "", nil, &SQLError{Message: fmt.Sprintf("Parquet takes one SELECT; there are %d statements", len(statements))}
	}
	r, err := OpenReader(ctx, path, o)
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
	}()
	columns, err = r.describe(ctx, statements[0])
	return statements[0], columns, err
}

package duckdb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
)

// ExportParquet writes the rows of one SELECT over the database file at path to a Parquet file (zstd), replacing what is in it. JSON
// columns are strings in it: some readers make bytes of Parquet's JSON type. The file's durability is the
// caller's.
//
// The SQL can touch files no more than a Reader's. A COPY needs to, and SQL that is bound within one can tell (current_setting, query): so the
// rows are collected first, by a Reader that has no access.
func ExportParquet(ctx context.Context, path, query, file string, o ReaderOptions) (err error) {
	if o.AllowExternal {
		return exportFreely(ctx, path, query, file, o)
	}
	c, err := collect(ctx, path, query, false, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.parquet(ctx, file)
}

// exportFreely runs SQL that may touch files anyway, within a COPY.
func exportFreely(ctx context.Context, path, query, file string, o ReaderOptions) (err error) {
	statement, err := one(query)
	if err != nil {
		return err
	}
	r, err := OpenReader(ctx, path, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	columns, err := r.describe(ctx, statement)
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
	if _, err := r.conn.ExecContext(ctx, copyTo("SELECT "+strings.Join(exprs, ", ")+" FROM (\n"+statement+"\n)", file)); err != nil {
		return sqlError(ctx, err, wrapLines)
	}
	return nil
}

// copyTo writes what a SELECT gives to a Parquet file.
func copyTo(query, file string) string {
	return fmt.Sprintf("COPY (%s) TO %s (FORMAT PARQUET, COMPRESSION ZSTD, USE_TMP_FILE false)", query, schema.Literal(file))
}

package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/rollcall-data/rollcall/schema"
)

// Amend opens the file at path, a copy of a finished one that has these tables, and the transaction that everything is written in. The tables
// named by keep have the rows that they have; the others are made anew.
func Amend(ctx context.Context, path string, tables []schema.Table, keep []string, s Settings) (*Writer, error) {
	w := &Writer{path: path, pending: map[string]*pending{}}
	if err := w.open(ctx, tables, keep, s); err != nil {
		return nil, errors.Join(fmt.Errorf("amend %s: %w", path, err), w.Abandon())
	}
	return w, nil
}

// Delete removes the rows of a kept table whose columns are those of a row of keys, NULL being NULL, and that meet the condition, SQL about
// the table as t; empty is none. It comes before what is appended to the table.
func (w *Writer) Delete(ctx context.Context, table string, keys arrow.Record, condition string) error {
	return w.change(ctx, keys, fmt.Sprintf("DELETE FROM %s t USING %s k WHERE %s", schema.Quote(table), viewName, meets(keys, condition)))
}

// Update gives columns of rows of a kept table other values: set is the SQL of the assignments. The rows are chosen as Delete chooses them. Only these
// columns are written anew; they should be narrow, and few.
func (w *Writer) Update(ctx context.Context, table string, keys arrow.Record, set, condition string) error {
	if err := w.allow(ctx, table); err != nil {
		return err
	}
	return w.change(ctx, keys, fmt.Sprintf("UPDATE %s t SET %s FROM %s k WHERE %s", schema.Quote(table), set, viewName, meets(keys, condition)))
}

// Fill gives a column of all rows of a kept table a value, the SQL of one, which may name columns of the row; those under the keys but, which may be
// nil, keep theirs. The column is made anew, which takes no memory for each row as Update does. It comes before Delete, Update and what is appended.
func (w *Writer) Fill(ctx context.Context, table, column, value string, but arrow.Record) error {
	i := -1
	p := w.pending[table]
	if p != nil {
		i = slices.IndexFunc(p.table.Columns, func(c schema.Column) bool { return c.Name == column })
	}
	if i < 0 {
		w.failed = true
		return fmt.Errorf("duckdb: no column %s of a table %s", column, table)
	}
	fill := fmt.Sprintf("ALTER TABLE %s ALTER %s TYPE %s USING %s", schema.Quote(table), schema.Quote(column), p.table.Columns[i].Type.DuckDB(), value)
	var err error
	if but == nil || but.NumRows() == 0 {
		err = w.Exec(ctx, fill)
	} else {
		err = w.fillBut(ctx, table, column, fill, but)
	}
	if err != nil {
		return fmt.Errorf("duckdb: fill %s of %s: %w", column, table, err)
	}
	return nil
}

// fillBut keeps what the column has under the keys beside the table while the column is filled. ALTER takes no other table.
func (w *Writer) fillBut(ctx context.Context, table, column, fill string, but arrow.Record) error {
	const beside = "rollcall_kept"
	t, c := schema.Quote(table), schema.Quote(column)
	keep := fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT k.*, t.%s AS kept FROM %s t JOIN %s k ON %s", beside, c, t, viewName, meets(but, ""))
	if err := w.withView(ctx, but.Schema(), []arrow.Record{but}, keep); err != nil {
		return err
	}
	if err := w.allow(ctx, table); err != nil {
		return err
	}
	for _, sql := range []string{
		fill, fmt.Sprintf("UPDATE %s t SET %s = k.kept FROM temp.%s k WHERE %s", t, c, beside, meets(but, "")), "DROP TABLE temp." + beside,
	} {
		if err := w.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// memoryOfUpdate is what DuckDB has in memory until the commit for each row of a table in which some are updated, in bytes: it keeps what was there and
// what is there now, with room for all rows of a vector in which one is updated. It does not go to disk with that.
const memoryOfUpdate = 192

// allow gives DuckDB the memory for an update of a table.
func (w *Writer) allow(ctx context.Context, table string) error {
	if w.memory == 0 {
		return nil
	}
	rows, err := w.rows(ctx, table)
	if err != nil {
		w.failed = true
		return fmt.Errorf("duckdb: rows of %s: %w", table, err)
	}
	w.memory += rows * memoryOfUpdate >> 20
	return w.limit(ctx, mebibytes(w.memory))
}

// rows is how many a table has.
func (w *Writer) rows(ctx context.Context, table string) (int64, error) {
	rows, err := w.conn.(driver.QueryerContext).QueryContext(ctx, "SELECT count(*) FROM "+schema.Quote(table), nil)
	if err != nil {
		return 0, err
	}
	n := make([]driver.Value, 1)
	if err := errors.Join(rows.Next(n), rows.Close()); err != nil {
		return 0, err
	}
	return n[0].(int64), nil
}

// meets is the SQL that chooses the rows t under the keys k.
func meets(keys arrow.Record, condition string) string {
	var on []string
	for _, f := range keys.Schema().Fields() {
		on = append(on, fmt.Sprintf("t.%[1]s IS NOT DISTINCT FROM k.%[1]s", schema.Quote(f.Name)))
	}
	if condition != "" {
		on = append(on, condition)
	}
	return strings.Join(on, " AND ")
}

func (w *Writer) change(ctx context.Context, keys arrow.Record, sql string) error {
	if err := w.withView(ctx, keys.Schema(), []arrow.Record{keys}, sql); err != nil {
		w.failed = true
		return fmt.Errorf("duckdb: %s: %w", sql, err)
	}
	return nil
}

package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
)

// ErrTooManyRows is what Collect ends with where a result has more rows than it may.
var ErrTooManyRows = errors.New("the result has too many rows")

// collection is the name under which a Reader attaches the file that it collects into.
const collection = "rollcall_collection"

// pageRows is how many rows of a collection are in memory at once.
const pageRows = 4096

// Collected are the rows of one SELECT, in a private file of their own. The SQL was run by a Reader within its bounds; what becomes of the rows
// then is up to statements of ours alone, so that these may write files and the SQL may not. Close it.
type Collected struct {
	dir     string
	columns []Column
	rows    int64
	o       ReaderOptions
}

// Collect runs one SELECT over the database file at path, for its rows to be read a few at a time, with values as Reader.Query gives them. The
// rows take about the room on the disk that they take in the file at path.
func Collect(ctx context.Context, path, query string, o ReaderOptions) (*Collected, error) {
	return collect(ctx, path, query, true, o)
}

// collect collects each value as the text that Rows shows, or as it is.
func collect(ctx context.Context, path, query string, text bool, o ReaderOptions) (_ *Collected, err error) {
	statement, err := one(query)
	if err != nil {
		return nil, err
	}
	c := &Collected{o: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.dir, err = os.MkdirTemp("", "rollcall-rows-"); err != nil {
		return nil, fmt.Errorf("collect the rows: %w", err)
	}
	o.collectInto = c.file()
	r, err := OpenReader(ctx, path, o)
	if err != nil {
		return nil, err
	}
	err = c.fill(ctx, r, statement, text)
	return c, errors.Join(err, r.Close())
}

func (c *Collected) file() string { return filepath.Join(c.dir, "rows.duckdb") }

// fill runs the statement. A column of row numbers lets pages be found without reading those before.
func (c *Collected) fill(ctx context.Context, r *Reader, statement string, text bool) error {
	var err error
	if c.columns, err = r.describe(ctx, statement); err != nil {
		return err
	}
	exprs := []string{"row_number() OVER () AS n"}
	for i, column := range c.columns {
		expr := fmt.Sprintf("#%d", i+1)
		switch {
		case text:
			expr = textOf(i, column)
		case column.Type == "JSON":
			expr = fmt.Sprintf("CAST(#%d AS VARCHAR)", i+1)
		}
		exprs = append(exprs, fmt.Sprintf("%s AS c%d", expr, i))
	}
	limit := ""
	if c.o.MaxRows > 0 {
		limit = fmt.Sprintf(" LIMIT %d", c.o.MaxRows+1)
	}
	making := fmt.Sprintf("CREATE TABLE %s.main.rows AS SELECT %s FROM (\n%s\n)%s", collection, strings.Join(exprs, ", "), statement, limit)
	result, err := r.conn.ExecContext(ctx, making)
	if err != nil {
		return sqlError(ctx, err, wrapLines)
	}
	if c.rows, err = result.RowsAffected(); err != nil {
		return fmt.Errorf("collect the rows: %w", err)
	}
	if c.o.MaxRows > 0 && c.rows > c.o.MaxRows {
		return ErrTooManyRows
	}
	return nil
}

// Rows reads the rows in their order. Close what it returns before the Collected.
func (c *Collected) Rows(ctx context.Context) (*Pages, error) {
	o := c.o
	o.collectInto = ""
	r, err := OpenReader(ctx, c.file(), o)
	if err != nil {
		return nil, err
	}
	return &Pages{reader: r, columns: c.columns, total: c.rows, fetch: func(from int64) (*Rows, error) {
		rows, err := r.conn.QueryContext(ctx, fmt.Sprintf("SELECT * EXCLUDE (n) FROM rows WHERE n > %d AND n <= %d ORDER BY n", from, from+pageRows))
		if err != nil {
			return nil, sqlError(ctx, err, 0)
		}
		return &Rows{rows: rows, columns: c.columns, scanned: make([]any, len(c.columns)), values: make([]Value, len(c.columns))}, nil
	}}, nil
}

// parquet has DuckDB write the rows.
func (c *Collected) parquet(ctx context.Context, file string) (err error) {
	o := c.o
	o.collectInto, o.AllowExternal = "", true
	r, err := OpenReader(ctx, c.file(), o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	exprs := make([]string, len(c.columns))
	for i, column := range c.columns {
		exprs[i] = fmt.Sprintf("c%d AS %s", i, schema.Quote(column.Name))
	}
	if _, err := r.conn.ExecContext(ctx, copyTo("SELECT "+strings.Join(exprs, ", ")+" FROM rows ORDER BY n", file)); err != nil {
		return sqlError(ctx, err, 0)
	}
	return nil
}

// Len is how many rows there are.
func (c *Collected) Len() int64 { return c.rows }

// Close removes the rows.
func (c *Collected) Close() error {
	if c.dir == "" {
		return nil
	}
	return os.RemoveAll(c.dir)
}

// Pages are collected rows, read forwards as Rows are, with a few of them in memory. Close it.
type Pages struct {
	reader      *Reader
	columns     []Column
	total, read int64
	fetch       func(from int64) (*Rows, error)
	page        *Rows
	err         error
}

// Columns describes the result.
func (p *Pages) Columns() []Column { return p.columns }

// Next reads the next row and says whether there was one.
func (p *Pages) Next() bool {
	for p.err == nil && p.read < p.total {
		if p.page == nil {
			if p.page, p.err = p.fetch(p.read); p.err != nil {
				return false
			}
		}
		if p.page.Next() {
			p.read++
			return true
		}
		p.err = errors.Join(p.page.Err(), p.page.Close())
		p.page = nil
		if p.err == nil && p.read%pageRows != 0 {
			p.err = fmt.Errorf("read the collected rows: %d of %d are there", p.read, p.total)
		}
	}
	return false
}

// Row is the row that Next read, one value a column. It is good until the next Next.
func (p *Pages) Row() []Value { return p.page.Row() }

// Err is what ended the reading before the last row, if anything did.
func (p *Pages) Err() error { return p.err }

// Close ends the reading.
func (p *Pages) Close() error {
	var err error
	if p.page != nil {
		err = p.page.Close()
	}
	return errors.Join(err, p.reader.Close())
}

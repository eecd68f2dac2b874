package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/marcboeker/go-duckdb"

	"github.com/rollcall-data/rollcall/schema"
)

// readerMemory is the default bound of a Reader: beyond it DuckDB spills to a private folder. It is this large for the sake of long texts, each of which
// counts for far more than it takes, see longStrings.
const readerMemory = "4GB"

// catalog is the name under which a Reader attaches the file: what a SQL client that opens users.duckdb calls it.
const catalog = "users"

// ReaderOptions says what the SQL of a Reader may do and use. The zero value is what untrusted SQL should get.
type ReaderOptions struct {
	Settings
	// AllowExternal lets SQL read and write files, attach databases, load extensions that are installed and change settings. Without it
	// the configuration is locked: SQL sees the tables of the file and nothing else.
	AllowExternal bool
	// SpillLimit bounds what is put on the disk where a query needs more memory than it may have, as DuckDB writes it: 2GB. Empty: the disk does.
	SpillLimit string
	// MaxRows is how many rows Collect and ExportParquet may make: a result of more is ErrTooManyRows. 0: any number. What AllowExternal lets through
	// is not counted.
	MaxRows int64

	collectInto string // a new file, which one statement writes its rows to; empty: none
}

// Reader answers SQL over one published file, which it cannot change. It holds one connection and is not safe for concurrent use.
//
// The file is attached read-only to a database in memory: its path may be any, a new version under the same path is seen by the next
// Reader, and no lock is taken that a writer of other versions could meet.
type Reader struct {
	db    *sql.DB
	conn  *sql.Conn
	spill string // private folder for what does not fit in memory; empty: none
}

// OpenReader opens the database file at path, which should be a real one and not lead through the warehouse's current link: a link that
// moves while a file is opened gives neither version. Close the Reader in the end.
func OpenReader(ctx context.Context, path string, o ReaderOptions) (*Reader, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open the tables: %w", err) // DuckDB would say the same less clearly
	}
	r := &Reader{}
	// Without a folder for it, nothing is spilled; a query that needs more memory than it may have fails.
	if dir, err := os.MkdirTemp("", "rollcall-query-"); err == nil {
		r.spill = dir
	}
	connector, err := duckdb.NewConnector("?"+strings.Join(o.boot(), "&"), func(c driver.ExecerContext) error {
		for _, s := range o.session(path, r.spill) {
			if _, err := c.ExecContext(ctx, s, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the tables: %w", err), r.Close())
	}
	r.db = sql.OpenDB(connector)
	if r.conn, err = r.db.Conn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the tables: %w", err), r.Close())
	}
	return r, nil
}

// boot are the settings that DuckDB must be started with.
func (o ReaderOptions) boot() []string {
	memory := o.MemoryLimit
	if memory == "" {
		memory = readerMemory
	}
	out := []string{"autoinstall_known_extensions=false", "autoload_known_extensions=false", "memory_limit=" + memory}
	switch {
	case o.collectInto != "":
		out = append(out, oneThread)
	case o.Threads > 0:
		out = append(out, "threads="+strconv.Itoa(o.Threads))
	}
	return out
}

// session attaches the file, then shuts the doors behind it. Without a folder of its own DuckDB would spill beside the file.
func (o ReaderOptions) session(path, spill string) []string {
	if spill != "" {
		spill = filepath.Join(spill, "spill")
	}
	out := []string{
		"SET temp_directory = " + schema.Literal(spill),
		"ATTACH " + schema.Literal(path) + " AS " + catalog + " (READ_ONLY)",
		"USE " + catalog,
	}
	if o.SpillLimit != "" {
		out = append(out, "SET max_temp_directory_size = "+schema.Literal(o.SpillLimit))
	}
	if o.collectInto != "" {
		out = append(out, "ATTACH "+schema.Literal(o.collectInto)+" AS "+collection)
	}
	if !o.AllowExternal {
		out = append(out, "SET enable_external_access = false", "SET lock_configuration = true")
	}
	return out
}

// Close frees everything the Reader holds. Rows must be closed before.
func (r *Reader) Close() error {
	var errs []error
	if r.conn != nil {
		errs = append(errs, r.conn.Close())
	}
	if r.db != nil {
		errs = append(errs, r.db.Close())
	}
	if r.spill != "" {
		errs = append(errs, os.RemoveAll(r.spill))
	}
	return errors.Join(errs...)
}

// Query runs SQL: one statement, or several separated by semicolons of which the last one's rows are returned. Values come out as text
// that says exactly what the value is, whatever its type. An error of the SQL is a *SQLError; a cancelled ctx interrupts DuckDB and is
// returned as ctx.Err().
func (r *Reader) Query(ctx context.Context, query string) (*Rows, error) {
	statements := splitStatements(query)
	if len(statements) == 0 {
		return nil, &SQLError{Message: "there is no SQL statement"}
	}
	last := len(statements) - 1
	for _, s := range statements[:last] {
		if _, err := r.conn.ExecContext(ctx, s); err != nil {
			return nil, sqlError(ctx, err, 0)
		}
	}
	columns, err := r.describe(ctx, statements[last])
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// Not a statement that can stand in a FROM clause, or a mistake in it: run as it is, it gives its rows or its own message.
		return r.queryPlain(ctx, statements[last])
	}
	rows, err := r.conn.QueryContext(ctx, asText(columns, statements[last]))
	if err != nil {
		return nil, sqlError(ctx, err, wrapLines)
	}
	return &Rows{rows: rows, columns: columns, scanned: make([]any, len(columns)), values: make([]Value, len(columns))}, nil
}

// describe gives the columns of a statement without running it.
func (r *Reader) describe(ctx context.Context, statement string) ([]Column, error) {
	rows, err := r.conn.QueryContext(ctx, "DESCRIBE (\n"+statement+"\n)")
	if err != nil {
		return nil, sqlError(ctx, err, wrapLines)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var columns []Column
	for rows.Next() {
		var c Column
		var null, key, preset, extra sql.NullString
		if err := rows.Scan(&c.Name, &c.Type, &null, &key, &preset, &extra); err != nil {
			return nil, fmt.Errorf("describe a statement: %w", err)
		}
		c.Kind = kindOf(c.Type)
		columns = append(columns, c)
	}
	return columns, rows.Err()
}

// queryPlain runs a statement that cannot be wrapped, such as EXPLAIN or PRAGMA.
func (r *Reader) queryPlain(ctx context.Context, statement string) (*Rows, error) {
	rows, err := r.conn.QueryContext(ctx, statement)
	if err != nil {
		return nil, sqlError(ctx, err, 0)
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the columns: %w", err), rows.Close())
	}
	columns := make([]Column, len(types))
	for i, t := range types {
		columns[i] = Column{Name: t.Name(), Type: t.DatabaseTypeName(), Kind: kindOf(t.DatabaseTypeName())}
	}
	return &Rows{rows: rows, columns: columns, scanned: make([]any, len(columns)), values: make([]Value, len(columns)), plain: true}, nil
}

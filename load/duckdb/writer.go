package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/marcboeker/go-duckdb"

	"github.com/rollcall-data/rollcall/schema"
)

// Batches of one table are gathered up to either bound, then inserted in one statement: few, large statements are what DuckDB loads
// fastest, and the bounds are what a load holds in memory for a table.
const (
	insertRows  = 122_880
	insertBytes = 8 << 20
)

// Writer fills a new DuckDB file. It is not safe for concurrent use.
type Writer struct {
	path      string
	connector *duckdb.Connector
	conn      driver.Conn
	arrow     *duckdb.Arrow
	pending   map[string]*pending
	order     []string
	failed    bool  // something is missing: the file must not be completed
	amends    bool  // the file has rows of before
	memory    int64 // MiB that DuckDB may use; 0: who called said how much
}

type pending struct {
	table   schema.Table
	schema  *arrow.Schema
	batches []arrow.Record
	rows    int64
	bytes   int64
}

// Create makes the file at path, which must not exist, with these tables and their comments, and opens the transaction that everything
// is written in.
func Create(ctx context.Context, path string, tables []schema.Table, s Settings) (*Writer, error) {
	for _, p := range []string{path, path + ".wal"} { // a stale log would be replayed into the new file
		if _, err := os.Lstat(p); err == nil {
			return nil, fmt.Errorf("create %s: %w", p, fs.ErrExist)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("create %s: %w", p, err)
		}
	}
	w := &Writer{path: path, pending: map[string]*pending{}}
	if err := w.open(ctx, tables, nil, s); err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", path, err), w.Abandon())
	}
	return w, nil
}

func (w *Writer) open(ctx context.Context, tables []schema.Table, keep []string, s Settings) error {
	if s.MemoryLimit == "" {
		w.memory = writingMemory(tables)
		s.MemoryLimit = mebibytes(w.memory)
	}
	w.amends = keep != nil
	var err error
	if w.connector, err = attach(ctx, w.path, false, s); err != nil {
		return err
	}
	if w.conn, err = w.connector.Connect(ctx); err != nil {
		return err
	}
	if w.arrow, err = duckdb.NewArrowFromConn(w.conn); err != nil {
		return err
	}
	if err := w.Exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return err
	}
	for _, t := range tables {
		// JSON is marked as such: DuckDB would parse again what was validated when it came, and takes marked text as it is.
		w.pending[t.Name] = &pending{table: t, schema: t.ArrowMarked()}
		w.order = append(w.order, t.Name)
		var statements []string
		if keep != nil && !slices.Contains(keep, t.Name) {
			statements = []string{"DROP TABLE " + schema.Quote(t.Name)}
		}
		if !slices.Contains(keep, t.Name) {
			statements = append(statements, t.DDL())
		}
		for _, sql := range append(statements, t.Comments()...) {
			if err := w.Exec(ctx, sql); err != nil {
				return fmt.Errorf("table %s: %w", t.Name, err)
			}
		}
	}
	if w.pending[schema.NameUsersHistory] == nil { // the macros read tables that only a whole version has
		return nil
	}
	for _, sql := range schema.Macros {
		if err := w.Exec(ctx, sql); err != nil {
			return fmt.Errorf("macros: %w", err)
		}
	}
	return nil
}

// Exec runs one statement in the writer's transaction. Where it fails, so does Close.
func (w *Writer) Exec(ctx context.Context, sql string) error {
	if w.conn == nil {
		return errors.New("the file is closed")
	}
	if err := ctx.Err(); err != nil { // the driver would let a quick statement through
		w.failed = true
		return err
	}
	_, err := w.conn.(driver.ExecerContext).ExecContext(ctx, sql, nil)
	w.failed = w.failed || err != nil
	return err
}

// Append adds a batch to a table; its columns must be the table's. The batch is retained until it is inserted. Where an insert fails, so does
// Close.
func (w *Writer) Append(ctx context.Context, table string, batch arrow.Record) error {
	p := w.pending[table]
	if p == nil {
		return fmt.Errorf("duckdb: no table %s", table)
	}
	if err := p.table.Match(batch.Schema()); err != nil {
		w.failed = true
		return fmt.Errorf("duckdb: a batch that is not the table's: %w", err)
	}
	// one schema for all: a batch that was read from Parquet has metadata that others do not
	p.batches = append(p.batches, array.NewRecord(p.schema, batch.Columns(), batch.NumRows()))
	p.rows += batch.NumRows()
	p.bytes += schema.BatchBytes(batch)
	if p.rows >= insertRows || p.bytes >= insertBytes {
		return w.insert(ctx, p)
	}
	return nil
}

const viewName = "rollcall_batches"

// insert writes what is pending.
func (w *Writer) insert(ctx context.Context, p *pending) error {
	if len(p.batches) == 0 {
		return nil
	}
	defer p.clear()
	if err := w.insertView(ctx, p); err != nil {
		w.failed = true
		return fmt.Errorf("duckdb: insert into %s: %w", p.table.Name, err)
	}
	return nil
}

// insertView has DuckDB read the pending batches. A view of Arrow data is read once and stays in the catalog when it is released, so each
// statement makes its own and drops it.
func (w *Writer) insertView(ctx context.Context, p *pending) error {
	return w.withView(ctx, p.schema, p.batches, fmt.Sprintf("INSERT INTO %s SELECT * FROM %s", schema.Quote(p.table.Name), viewName))
}

// withView runs a statement that reads batches under the name of the view.
func (w *Writer) withView(ctx context.Context, s *arrow.Schema, batches []arrow.Record, sql string) error {
	v := &view{schema: s, batches: batches}
	defer v.empty()
	release, err := w.arrow.RegisterView(v, viewName)
	if err != nil {
		return err
	}
	defer release()
	if err := w.Exec(ctx, sql); err != nil {
		return err
	}
	return w.Exec(ctx, "DROP VIEW "+viewName)
}

func (w *Writer) limit(ctx context.Context, memory string) error {
	if err := w.Exec(ctx, "SET memory_limit = "+schema.Literal(memory)); err != nil {
		return fmt.Errorf("duckdb: bound the memory: %w", err)
	}
	return nil
}

func (p *pending) clear() {
	for _, b := range p.batches {
		b.Release()
	}
	p.batches, p.rows, p.bytes = nil, 0, 0
}

// Close inserts what is pending, commits, and closes the file compact and on disk but for its last fsync, which is the caller's.
func (w *Writer) Close(ctx context.Context) error {
	for _, name := range w.order {
		if err := w.insert(ctx, w.pending[name]); err != nil {
			return errors.Join(err, w.Abandon())
		}
	}
	if w.failed {
		return errors.Join(fmt.Errorf("duckdb: close %s: a statement before failed", w.path), w.Abandon())
	}
	if w.amends && w.memory > 0 { // row groups of which little is left are put together, and what they have may be long: see longStrings
		if err := w.limit(ctx, longStrings); err != nil {
			return errors.Join(err, w.Abandon())
		}
	}
	for _, sql := range []string{"COMMIT", "CHECKPOINT " + attached} {
		if err := w.Exec(ctx, sql); err != nil {
			return errors.Join(fmt.Errorf("duckdb: close %s: %s: %w", w.path, sql, err), w.Abandon())
		}
	}
	if err := w.Abandon(); err != nil {
		return fmt.Errorf("duckdb: close %s: %w", w.path, err)
	}
	if _, err := os.Lstat(w.path + ".wal"); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("duckdb: close %s: its write-ahead log is still there", w.path)
	}
	return nil
}

// Abandon closes the file without committing and frees what is pending. It does nothing after Close.
func (w *Writer) Abandon() error {
	for _, p := range w.pending {
		p.clear()
	}
	var errs []error
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
		w.conn = nil
	}
	if w.connector != nil {
		errs = append(errs, w.connector.Close())
		w.connector = nil
	}
	return errors.Join(errs...)
}

package parquet

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/rollcall-data/rollcall/schema"
)

const readBatch = 2048

// Reader streams a table's rows from its parts, in the order they were written. It is not safe for concurrent use.
type Reader struct {
	mem   memory.Allocator
	parts []string
	names []string // of the columns to read; none for all

	// of the part that is open
	file    *file.Reader
	schema  *arrow.Schema
	columns []*pqarrow.ColumnReader
	left    int64 // rows that have not come
	batch   arrow.Record
}

// NewReader reads the parts in dir. columns names those to read, in any order; none names all. A folder without parts is an error.
func NewReader(mem memory.Allocator, dir string, columns ...string) (*Reader, error) {
	parts, err := Parts(dir)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("parquet %s: no parts", dir)
	}
	return &Reader{mem: mem, parts: parts, names: columns}, nil
}

// OpenPart reads one part.
func OpenPart(mem memory.Allocator, path string, columns ...string) *Reader {
	return &Reader{mem: mem, parts: []string{path}, names: columns}
}

// Parts lists the parts in dir, in order.
func Parts(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // not Glob: the folder's name may have any character in it
	if err != nil {
		return nil, fmt.Errorf("parquet %s: %w", dir, err)
	}
	var parts []string
	for _, e := range entries {
		if is, _ := filepath.Match(partPattern, e.Name()); is && e.Type().IsRegular() {
			parts = append(parts, filepath.Join(dir, e.Name()))
		}
	}
	return parts, nil
}

// Next is the next batch: 2,048 rows wherever parts begin and end, so that two tables of the same rows come in the same batches; fewer at the end, with
// the columns in the file's order; io.EOF after the last. A part that does not have the rows that it says it has is an error. The batch belongs to the
// reader until the next call; who keeps it longer retains it.
func (r *Reader) Next(ctx context.Context) (arrow.Record, error) {
	r.release()
	var pieces []arrow.Record
	defer func() {
		for _, p := range pieces {
			p.Release()
		}
	}()
	for rows := int64(0); rows < readBatch && len(r.parts) > 0; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		piece, err := r.next(ctx, readBatch-rows)
		if err != nil {
			return nil, fmt.Errorf("parquet %s: %w", r.parts[0], err)
		}
		if piece == nil {
			r.parts = r.parts[1:]
			continue
		}
		pieces = append(pieces, piece)
		rows += piece.NumRows()
	}
	switch len(pieces) {
	case 0:
		return nil, io.EOF
	case 1:
		r.batch, pieces = pieces[0], nil
		return r.batch, nil
	}
	joined, err := schema.Join(r.mem, pieces...)
	if err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	r.batch = joined
	return joined, nil
}

// next are the next rows of the first part, as many as most, nil at its end. The library panics at some damage; it does so in this goroutine as long as
// columns are read one by one.
func (r *Reader) next(ctx context.Context, most int64) (batch arrow.Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			batch, err = nil, fmt.Errorf("damaged: %v", p)
		}
	}()
	if r.file == nil {
		if err := r.open(ctx); err != nil {
			return nil, err
		}
	}
	if r.left == 0 {
		return nil, r.Close()
	}
	rows := min(r.left, most)
	cells := make([]arrow.Array, 0, len(r.columns))
	defer func() {
		for _, c := range cells {
			c.Release()
		}
	}()
	for i, c := range r.columns {
		a, err := readCells(r.mem, c, rows)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", r.schema.Field(i).Name, err)
		}
		cells = append(cells, a)
	}
	r.left -= rows
	return array.NewRecord(r.schema, cells, rows), nil
}

// readCells reads so many cells of a column.
func readCells(mem memory.Allocator, c *pqarrow.ColumnReader, rows int64) (arrow.Array, error) {
	chunks, err := c.NextBatch(rows)
	if err != nil {
		return nil, err
	}
	defer chunks.Release()
	if int64(chunks.Len()) != rows {
		return nil, fmt.Errorf("damaged: %d cells where %d should be", chunks.Len(), rows)
	}
	if len(chunks.Chunks()) > 1 {
		return array.Concatenate(chunks.Chunks(), mem)
	}
	a := chunks.Chunk(0)
	a.Retain()
	return a, nil
}

func (r *Reader) open(ctx context.Context) error {
	f, err := file.OpenParquetFile(r.parts[0], false, file.WithReadProps(parquet.NewReaderProperties(r.mem)))
	if err != nil {
		return err
	}
	r.file, r.left = f, f.NumRows()
	in, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, r.mem)
	if err != nil {
		return err
	}
	all, err := in.Schema()
	if err != nil {
		return err
	}
	var fields []arrow.Field
	for i, field := range all.Fields() {
		if len(r.names) > 0 && !slices.Contains(r.names, field.Name) {
			continue
		}
		c, err := in.GetColumn(ctx, i)
		if err != nil {
			return fmt.Errorf("column %s: %w", field.Name, err)
		}
		r.columns, fields = append(r.columns, c), append(fields, field)
	}
	for _, name := range r.names {
		if !all.HasField(name) {
			return fmt.Errorf("no column %s", name)
		}
	}
	r.schema = arrow.NewSchema(fields, nil)
	return nil
}

func (r *Reader) release() {
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
}

// Close closes the part that is open. Next would begin it anew.
func (r *Reader) Close() error {
	r.release()
	for _, c := range r.columns {
		c.Release()
	}
	r.columns = nil
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

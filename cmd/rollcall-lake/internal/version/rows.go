package version

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// A record batch has about so many bytes, and never fewer or more rows than these: a user may have some megabytes.
const (
	batchBytes = 1 << 20
	fewestRows = 64
	mostRows   = 8192
)

// batchRows is how many rows a batch of a part has. What a row group says of its size may be that of the file.
func batchRows(r *file.Reader) int64 {
	var bytes int64
	for g := range r.NumRowGroups() {
		group := r.MetaData().RowGroup(g)
		for c := range group.NumColumns() {
			if chunk, err := group.ColumnChunk(c); err == nil {
				bytes += chunk.TotalUncompressedSize()
			}
		}
	}
	return min(max(batchBytes*r.NumRows()/max(bytes, 1), fewestRows), mostRows)
}

// Table is a table of one or several versions: its rows are theirs, one version after the other.
type Table struct {
	Name   string
	Rows   int64
	Schema *arrow.Schema // of its batches; a column that a version does not have is missing from that version's batches
	SHA256 string        // of the hashes of its parts, in their order: tables with the same one have the same rows and columns

	files []*os.File
	mem   memory.Allocator
}

// Names lists the tables that any of these versions has, in their order.
func Names(versions ...*Version) []string {
	var out []string
	for _, v := range versions {
		for _, t := range v.tables {
			if !slices.Contains(out, t.name) {
				out = append(out, t.name)
			}
		}
	}
	return out
}

// OpenTable opens a table of these versions, and compares every part of it with the manifest. The caller closes it.
func OpenTable(ctx context.Context, mem memory.Allocator, name string, versions ...*Version) (_ *Table, err error) {
	t := &Table{Name: name, mem: mem}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	var schemas []*arrow.Schema
	large := map[string]bool{}
	parts := sha256.New()
	for _, v := range versions {
		at := slices.IndexFunc(v.tables, func(of table) bool { return of.name == name })
		if at < 0 {
			continue
		}
		var rows int64
		for _, p := range v.tables[at].parts {
			f, err := openPart(ctx, v.Dir, p)
			if err != nil {
				return nil, err
			}
			t.files = append(t.files, f)
			_, _ = io.WriteString(parts, p.SHA256+"\n") // a hash takes everything
			has, schema, err := t.describe(f, large)
			if err != nil {
				return nil, &DamagedError{p.Path, err.Error()}
			}
			schemas = append(schemas, schema)
			rows += has
		}
		if rows != v.tables[at].rows {
			return nil, &DamagedError{"parquet/" + name, fmt.Sprintf("it has %d rows, the manifest says %d", rows, v.tables[at].rows)}
		}
		t.Rows += rows
	}
	t.Schema, t.SHA256 = merge(schemas, large), hex.EncodeToString(parts.Sum(nil))
	return t, nil
}

// Close closes the table's files.
func (t *Table) Close() error {
	var errs []error
	for _, f := range t.files {
		errs = append(errs, f.Close())
	}
	t.files = nil
	return errors.Join(errs...)
}

// openPart opens a part that is what the manifest says.
func openPart(ctx context.Context, dir string, p part) (*os.File, error) {
	f, err := os.Open(filepath.Join(dir, p.Path))
	if err != nil {
		return nil, &DamagedError{p.Path, err.Error()}
	}
	h := sha256.New()
	n, err := io.Copy(h, &reader{ctx, f})
	switch {
	case err != nil:
	case n != p.Size:
		err = &DamagedError{p.Path, fmt.Sprintf("it has %d bytes, %d were published", n, p.Size)}
	case hex.EncodeToString(h.Sum(nil)) != p.SHA256:
		err = &DamagedError{p.Path, "its bytes are not those that were published (SHA-256)"}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("check %s: %w", p.Path, err), f.Close())
	}
	return f, nil
}

// reader reads until a context ends.
type reader struct {
	ctx context.Context //nolint:containedctx // it lives as long as one call
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func (t *Table) describe(f *os.File, large map[string]bool) (rows int64, schema *arrow.Schema, err error) {
	r, err := file.NewParquetReader(unclosed{f}, file.WithReadProps(parquet.NewReaderProperties(t.mem)))
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	a, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, t.mem)
	if err != nil {
		return 0, nil, err
	}
	schema, err = a.Schema()
	maps.Copy(large, largeColumns(r))
	return r.NumRows(), schema, err
}

// unclosed keeps a file open that a Parquet reader would close.
type unclosed struct{ parquet.ReaderAtSeeker }

// Read reads the table's rows. A batch is the reader's: it is released when the next one is asked for. It can be called again.
func (t *Table) Read(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, f := range t.files {
			goesOn, err := t.readPart(ctx, f, yield)
			if err != nil {
				yield(nil, fmt.Errorf("read table %s: %w", t.Name, err))
				return
			}
			if !goesOn {
				return
			}
		}
	}
}

func (t *Table) readPart(ctx context.Context, f *os.File, yield func(arrow.RecordBatch, error) bool) (goesOn bool, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	r, err := file.NewParquetReader(unclosed{f}, file.WithReadProps(parquet.NewReaderProperties(t.mem)))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	a, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: batchRows(r), Parallel: true}, t.mem)
	if err != nil {
		return false, err
	}
	if r.NumRows() == 0 {
		return true, nil
	}
	records, err := a.GetRecordReader(ctx, nil, nil)
	if err != nil {
		return false, err
	}
	defer records.Release()
	for records.Next() {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		b, err := t.unified(ctx, records.RecordBatch())
		if err != nil {
			return false, err
		}
		goesOn := yield(b, nil)
		b.Release()
		if !goesOn {
			return false, nil
		}
	}
	if err := records.Err(); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return true, nil
}

// merge is the schema of a table whose parts have these: each column once, where it first stands. Columns of one name and different types are one only
// of the type that holds both: see widest. large are those with whole numbers that are not doubles.
func merge(schemas []*arrow.Schema, large map[string]bool) *arrow.Schema {
	var fields []arrow.Field
	for _, s := range schemas {
		for _, f := range s.Fields() {
			f = arrow.Field{Name: f.Name, Type: f.Type, Nullable: true} // what else a file says of it is that file's
			at := slices.IndexFunc(fields, func(has arrow.Field) bool { return has.Name == f.Name })
			if at < 0 {
				fields = append(fields, f)
				continue
			}
			if arrow.TypeEqual(fields[at].Type, f.Type) {
				continue
			}
			fields[at].Type = widest(fields[at].Type, f.Type, large[f.Name])
		}
	}
	return arrow.NewSchema(fields, nil)
}

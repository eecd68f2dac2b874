package parquet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/rollcall-data/rollcall/schema"
)

const (
	rowGroupRows  = 122_880
	rowGroupBytes = 64 << 20
	partBytes     = 256 << 20 // of the batches; a part is what one version can take over from another
	pageBytes     = 256 << 10 // a writer holds some of each column
	zstdLevel     = 1         // level 3 is a third slower and 3 % smaller
	bufferBytes   = 1 << 20
	fileMode      = 0o600
	dirMode       = 0o700
)

const partPattern = "part-*.parquet"

// PartName is the name of a table's nth part, from 0.
func PartName(n int) string { return fmt.Sprintf("part-%05d.parquet", n) }

// Part says what is in one part of a table.
type Part struct {
	Name  string // of the file
	Rows  int64
	Nulls []int64 // by column: in how many rows it is NULL

	Digest string // of the rows, by who compares them; empty where it is not known
}

// Writer writes one table, in as many parts as its size asks for, one at least. It is not safe for concurrent use.
type Writer struct {
	dir     string
	table   schema.Table
	mem     memory.Allocator
	schema  *arrow.Schema
	parts   []Part
	open    *partWriter // nil: the next batch begins a part
	most    int64       // bytes of the batches of a part
	failure error

	leader  *Writer        // nil: no other table has the same rows
	own     []arrow.Record // rows that are in no part yet, without the leader's columns
	follows int            // how many of the leader's parts have theirs beside them

	over *revision // nil: the rows are not another version's
}

// NewWriter makes dir, for parts of a table.
func NewWriter(mem memory.Allocator, dir string, t schema.Table) (*Writer, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("parquet %s: %w", t.Name, err)
	}
	w := &Writer{dir: dir, table: t, mem: mem, schema: t.ArrowMarked(), most: partBytes}
	if err := w.begin(); err != nil { // that it can be written is known from the start
		return nil, err
	}
	return w, nil
}

func properties(mem memory.Allocator, t schema.Table, more ...parquet.WriterProperty) *parquet.WriterProperties {
	options := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(zstdLevel), parquet.WithMaxRowGroupLength(rowGroupRows),
		parquet.WithDictionaryDefault(false), parquet.WithDataPageSize(pageBytes), parquet.WithAllocator(mem), parquet.WithCreatedBy("rollcall"),
	}
	for _, c := range t.LowCardinality {
		options = append(options, parquet.WithDictionaryFor(c, true))
	}
	for _, c := range t.Columns {
		if c.Type.Kind == schema.JSON { // nobody looks for the smallest document, and the library would keep it, with the batch that it is in
			options = append(options, parquet.WithStatsFor(c.Name, false))
		}
	}
	return parquet.NewWriterProperties(append(options, more...)...)
}

func (w *Writer) begin() (err error) {
	part := Part{Name: PartName(len(w.parts)), Nulls: make([]int64, len(w.table.Columns))}
	w.open, err = newPartWriter(filepath.Join(w.dir, part.Name), w.schema, properties(w.mem, w.table), w.mem)
	if err != nil {
		return w.fail(part.Name, err)
	}
	w.parts = append(w.parts, part)
	return nil
}

func (w *Writer) fail(part string, err error) error {
	w.failure = fmt.Errorf("parquet %s: %w", filepath.Join(w.dir, part), err)
	return w.failure
}

// Append writes a batch; its columns must be the table's. Where it fails, so does Close.
func (w *Writer) Append(ctx context.Context, batch arrow.Record) error {
	if err := w.table.Match(batch.Schema()); err != nil {
		return w.fail("", err)
	}
	if w.over != nil {
		took, err := w.over.append(ctx, batch)
		if err != nil {
			return w.fail(PartName(len(w.parts)), err)
		}
		if took {
			return nil
		}
		if err := w.endOver(); err != nil {
			return err
		}
	}
	if w.leader != nil {
		return w.follow(batch)
	}
	if w.open == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	part := &w.parts[len(w.parts)-1]
	if err := w.open.append(batch); err != nil {
		return w.fail(part.Name, err)
	}
	part.Rows += batch.NumRows()
	for i, c := range batch.Columns() {
		part.Nulls[i] += int64(c.NullN())
	}
	if w.open.bytes >= w.most {
		return w.end()
	}
	return nil
}

// Link takes over a part of another version as it is, behind the rows so far. It must be on the same file system.
func (w *Writer) Link(path string, p Part) error {
	if err := w.beginOther(); err != nil {
		return err
	}
	p.Name = PartName(len(w.parts))
	if err := os.Link(path, filepath.Join(w.dir, p.Name)); err != nil {
		return w.fail(p.Name, err)
	}
	w.parts = append(w.parts, p)
	return nil
}

// beginOther makes way for a part that is not written batch by batch.
func (w *Writer) beginOther() error {
	if err := w.end(); err != nil {
		return err
	}
	n := len(w.parts)
	if n == 0 || w.parts[n-1].Rows > 0 {
		return nil
	}
	w.parts = w.parts[:n-1] // the first one, begun with the table
	if err := os.Remove(filepath.Join(w.dir, PartName(n-1))); err != nil {
		return w.fail(PartName(n-1), err)
	}
	return nil
}

func (w *Writer) endOver() error {
	over := w.over
	w.over = nil
	if err := over.end(); err != nil {
		return w.fail(PartName(len(w.parts)), errors.Join(err, over.abandon()))
	}
	return nil
}

// end completes the part that is open.
func (w *Writer) end() error {
	if w.open == nil {
		return nil
	}
	open := w.open
	w.open = nil
	if err := open.close(); err != nil {
		return w.fail(w.parts[len(w.parts)-1].Name, err)
	}
	return nil
}

// Parts says what the parts are. They are complete when Close has returned nil.
func (w *Writer) Parts() []Part { return w.parts }

// Close ends the last part. Every part is synced then; a table without rows has one without rows.
func (w *Writer) Close() error {
	if w.failure == nil && w.leader != nil {
		_ = w.endFollowing() // it is w.failure then
	}
	if w.failure == nil && w.over != nil {
		_ = w.endOver() // so here
	}
	if w.failure == nil && len(w.parts) == 0 { // no row of another version's is left
		_ = w.begin() // and here
	}
	if w.failure != nil {
		return errors.Join(w.failure, w.Abandon())
	}
	return w.end()
}

// Abandon closes an unfinished part and frees what is not written yet.
func (w *Writer) Abandon() error {
	for _, b := range w.own {
		b.Release()
	}
	w.own = nil
	var errs []error
	if w.over != nil {
		errs = append(errs, w.over.abandon())
		w.over = nil
	}
	if w.open != nil {
		errs = append(errs, w.open.abandon())
		w.open = nil
	}
	return errors.Join(errs...)
}

// partWriter writes one file.
type partWriter struct {
	file   *os.File
	buf    *bufio.Writer
	out    *pqarrow.FileWriter
	schema *arrow.Schema
	group  int64 // bytes of the row group that is being written
	bytes  int64 // of all batches
}

func newPartWriter(path string, s *arrow.Schema, p *parquet.WriterProperties, mem memory.Allocator) (*partWriter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, err
	}
	w := &partWriter{file: f, buf: bufio.NewWriterSize(f, bufferBytes), schema: s}
	// the plain io.Writer keeps pqarrow from closing the file before it is synced
	w.out, err = pqarrow.NewFileWriter(s, struct{ io.Writer }{w.buf}, p, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema(), pqarrow.WithAllocator(mem)))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

func (w *partWriter) append(batch arrow.Record) error {
	if w.group >= rowGroupBytes {
		w.out.NewBufferedRowGroup()
	}
	marked := array.NewRecord(w.schema, batch.Columns(), batch.NumRows())
	defer marked.Release()
	if err := w.out.WriteBuffered(marked); err != nil {
		return err
	}
	rows, err := w.out.RowGroupNumRows()
	if err != nil {
		return err
	}
	if int64(rows) <= batch.NumRows() { // a row group began with this batch, or within it
		w.group = 0
	}
	n := schema.BatchBytes(batch)
	w.group += n
	w.bytes += n
	return nil
}

func (w *partWriter) close() error {
	if err := w.out.Close(); err != nil {
		return errors.Join(err, w.file.Close())
	}
	if err := w.buf.Flush(); err != nil {
		return errors.Join(err, w.file.Close())
	}
	if err := w.file.Sync(); err != nil {
		return errors.Join(err, w.file.Close())
	}
	return w.file.Close()
}

func (w *partWriter) abandon() error {
	w.buf.Reset(io.Discard)
	_ = w.out.Close() // nobody reads what it makes
	return w.file.Close()
}

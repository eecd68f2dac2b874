package parquet

import (
	"bufio"
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
	zstdLevel     = 1 // level 3 is a third slower and 3 % smaller
	bufferBytes   = 1 << 20
	fileMode      = 0o600
	dirMode       = 0o700
)

const partPattern = "part-*.parquet"

// PartName is the name of a table's nth part, from 0.
func PartName(n int) string { return fmt.Sprintf("part-%05d.parquet", n) }

// Writer writes one table as one part. It is not safe for concurrent use.
type Writer struct {
	path    string
	table   schema.Table
	file    *os.File
	buf     *bufio.Writer
	out     *pqarrow.FileWriter
	schema  *arrow.Schema
	bytes   int64 // of the row group that is being written
	failure error
}

// NewWriter makes dir and the table's first part in it. A table without rows has a part without rows.
func NewWriter(mem memory.Allocator, dir string, t schema.Table) (*Writer, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("parquet %s: %w", t.Name, err)
	}
	path := filepath.Join(dir, PartName(0))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, fmt.Errorf("parquet %s: %w", t.Name, err)
	}
	w := &Writer{path: path, table: t, file: f, buf: bufio.NewWriterSize(f, bufferBytes), schema: arrowSchema(t)}
	// the plain io.Writer keeps pqarrow from closing the file before it is synced
	w.out, err = pqarrow.NewFileWriter(w.schema, struct{ io.Writer }{w.buf}, properties(mem, t), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema(), pqarrow.WithAllocator(mem)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("parquet %s: %w", t.Name, err), f.Close())
	}
	return w, nil
}

// arrowSchema is the table's schema with its JSON columns marked for readers that know the extension; the others see text.
func arrowSchema(t schema.Table) *arrow.Schema {
	s := t.Arrow()
	fields := s.Fields()
	for i, c := range t.Columns {
		if c.Type.Kind == schema.JSON {
			fields[i].Metadata = arrow.NewMetadata([]string{"ARROW:extension:name", "ARROW:extension:metadata"}, []string{"arrow.json", ""})
		}
	}
	return arrow.NewSchema(fields, nil)
}

func properties(mem memory.Allocator, t schema.Table) *parquet.WriterProperties {
	options := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(zstdLevel), parquet.WithMaxRowGroupLength(rowGroupRows),
		parquet.WithDictionaryDefault(false), parquet.WithAllocator(mem), parquet.WithCreatedBy("rollcall"),
	}
	for _, c := range t.LowCardinality {
		options = append(options, parquet.WithDictionaryFor(c, true))
	}
	return parquet.NewWriterProperties(options...)
}

// Append writes a batch; its columns must be the table's. Where it fails, so does Close.
func (w *Writer) Append(batch arrow.Record) error {
	err := w.table.Match(batch.Schema())
	if err == nil {
		err = w.write(batch)
	}
	if err != nil {
		w.failure = fmt.Errorf("parquet %s: %w", w.path, err)
		return w.failure
	}
	return nil
}

func (w *Writer) write(batch arrow.Record) error {
	if w.bytes >= rowGroupBytes {
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
		w.bytes = 0
	}
	for _, c := range batch.Columns() {
		w.bytes += int64(c.Data().SizeInBytes())
	}
	return nil
}

// Close ends the file and syncs it.
func (w *Writer) Close() error {
	if w.failure != nil {
		return errors.Join(w.failure, w.Abandon())
	}
	if err := w.out.Close(); err != nil {
		return errors.Join(fmt.Errorf("parquet %s: %w", w.path, err), w.file.Close())
	}
	if err := w.buf.Flush(); err != nil {
		return errors.Join(fmt.Errorf("parquet %s: %w", w.path, err), w.file.Close())
	}
	if err := w.file.Sync(); err != nil {
		return errors.Join(fmt.Errorf("parquet %s: %w", w.path, err), w.file.Close())
	}
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("parquet %s: %w", w.path, err)
	}
	return nil
}

// Abandon closes an unfinished file and frees what is not written yet.
func (w *Writer) Abandon() error {
	w.buf.Reset(io.Discard)
	_ = w.out.Close() // nobody reads what it makes
	return w.file.Close()
}

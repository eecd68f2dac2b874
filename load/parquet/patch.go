package parquet

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/rollcall-data/rollcall/schema"
)

// magic begins a file and ends it.
const magic = "PAR1"

// Patch takes over a part of another version with some of its columns new: cells has them, and as many rows as the part, in the part's order. What
// the other columns have is copied as it stands in the file, compressed: their cells are not taken apart. Where it fails, so does Close.
func (w *Writer) Patch(path string, p Part, cells []arrow.Record) error {
	if err := w.beginOther(); err != nil {
		return err
	}
	p.Name = PartName(len(w.parts))
	nulls, err := w.patch(path, filepath.Join(w.dir, p.Name), p.Rows, cells)
	if err != nil {
		return w.fail(p.Name, err)
	}
	p.Nulls, p.Digest = slices.Clone(p.Nulls), ""
	for i, n := range nulls {
		p.Nulls[i] = n
	}
	w.parts = append(w.parts, p)
	return nil
}

// patch returns in how many rows each new column, by its place in the table, is NULL.
func (w *Writer) patch(from, to string, rows int64, cells []arrow.Record) (nulls map[int]int64, err error) {
	base, err := file.OpenParquetFile(from, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	places, err := w.places(base, cells)
	if err != nil {
		return nil, err
	}
	fields := make([]arrow.Field, len(places))
	for i, place := range places {
		fields[i] = w.schema.Field(place)
	}
	encoded, err := w.encode(arrow.NewSchema(fields, nil), groups(base), rows, cells)
	if err != nil {
		return nil, err
	}
	fresh, err := file.NewParquetReader(bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	in, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := assemble(to, base, in, fresh, bytes.NewReader(encoded), places); err != nil {
		return nil, err
	}
	nulls = map[int]int64{}
	for _, batch := range cells {
		for i, place := range places {
			nulls[place] += int64(batch.Column(i).NullN())
		}
	}
	return nulls, nil
}

// places are those of the new columns in the table, which must be those in the file.
func (w *Writer) places(base *file.Reader, cells []arrow.Record) ([]int, error) {
	if base.MetaData().Schema.NumColumns() != len(w.table.Columns) {
		return nil, fmt.Errorf("the part has %d columns, the table %d", base.MetaData().Schema.NumColumns(), len(w.table.Columns))
	}
	if len(cells) == 0 {
		return nil, errors.New("no new cells")
	}
	var places []int
	for _, f := range cells[0].Schema().Fields() {
		i := slices.IndexFunc(w.schema.Fields(), func(o arrow.Field) bool { return o.Name == f.Name })
		if i < 0 || !arrow.TypeEqual(w.schema.Field(i).Type, f.Type) || base.MetaData().Schema.Column(i).Name() != f.Name {
			return nil, fmt.Errorf("column %s is not the table's, or not the part's", f.Name)
		}
		places = append(places, i)
	}
	return places, nil
}

// groups are the lengths of a file's row groups.
func groups(f *file.Reader) []int64 {
	var rows []int64
	for g := range f.NumRowGroups() {
		rows = append(rows, f.RowGroup(g).NumRows())
	}
	return rows
}

// encode writes columns of the table as a file of their own, with row groups of these lengths.
func (w *Writer) encode(s *arrow.Schema, groups []int64, rows int64, cells []arrow.Record) ([]byte, error) {
	var out bytes.Buffer
	p := properties(w.mem, w.table, parquet.WithMaxRowGroupLength(math.MaxInt64))
	f, err := pqarrow.NewFileWriter(s, &out, p, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema(), pqarrow.WithAllocator(w.mem)))
	if err != nil {
		return nil, err
	}
	left := slices.Clone(cells)
	var at int64 // rows of left[0] that are written
	for _, n := range groups {
		f.NewBufferedRowGroup()
		for n > 0 && len(left) > 0 {
			take := min(n, left[0].NumRows()-at)
			if err := w.writeRows(f, s, left[0], at, at+take); err != nil {
				return nil, errors.Join(err, f.Close())
			}
			n, at, rows = n-take, at+take, rows-take
			if at == left[0].NumRows() {
				left, at = left[1:], 0
			}
		}
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if rows != 0 || len(left) > 0 {
		return nil, errors.New("the new cells are not as many as the part's rows")
	}
	return out.Bytes(), nil
}

// writeRows copies the rows first: the library does not read bits from the middle of a byte as it should.
func (w *Writer) writeRows(f *pqarrow.FileWriter, s *arrow.Schema, batch arrow.Record, from, to int64) error {
	slice := batch.NewSlice(from, to)
	defer slice.Release()
	copied, err := schema.Join(w.mem, slice)
	if err != nil {
		return err
	}
	defer copied.Release()
	part := array.NewRecord(s, copied.Columns(), to-from)
	defer part.Release()
	return f.WriteBuffered(part)
}

// assemble writes the part: the column chunks of base, but for those of fresh in their places. The library has no way to write a chunk that is
// encoded already, so the file is laid out here; what describes it is base's, with the places of the chunks as they are now.
func assemble(path string, base *file.Reader, in io.ReaderAt, fresh *file.Reader, encoded io.ReaderAt, places []int) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	out := &layout{w: bufio.NewWriterSize(f, bufferBytes)}
	out.write([]byte(magic))
	meta := base.MetaData()
	for g, group := range meta.RowGroups {
		begin := out.at
		group.FileOffset, group.TotalByteSize = &begin, 0
		var compressed int64
		for c, chunk := range group.Columns {
			source := in
			if k := slices.Index(places, c); k >= 0 {
				chunk, source = fresh.MetaData().RowGroups[g].Columns[k], encoded
				group.Columns[c] = chunk
			}
			m := chunk.MetaData
			start := m.DataPageOffset
			if m.DictionaryPageOffset != nil {
				start = min(start, *m.DictionaryPageOffset)
				*m.DictionaryPageOffset += out.at - start
			}
			m.DataPageOffset += out.at - start
			chunk.FileOffset = out.at + m.TotalCompressedSize
			out.copy(io.NewSectionReader(source, start, m.TotalCompressedSize))
			group.TotalByteSize += m.TotalUncompressedSize
			compressed += m.TotalCompressedSize
		}
		group.TotalCompressedSize = &compressed
	}
	footer := out.at
	if out.err == nil {
		_, out.err = meta.WriteTo(out, nil)
	}
	out.write(binary.LittleEndian.AppendUint32(nil, uint32(out.at-footer)))
	out.write([]byte(magic))
	if out.err == nil {
		out.err = out.w.Flush()
	}
	if out.err == nil {
		out.err = f.Sync()
	}
	return errors.Join(out.err, f.Close())
}

// layout writes a file and knows where it is. After an error it does nothing.
type layout struct {
	w   *bufio.Writer
	at  int64
	err error
}

func (l *layout) Write(b []byte) (int, error) {
	l.write(b)
	return len(b), l.err
}

func (l *layout) write(b []byte) {
	if l.err == nil {
		var n int
		n, l.err = l.w.Write(b)
		l.at += int64(n)
	}
}

func (l *layout) copy(from *io.SectionReader) {
	if l.err == nil {
		var n int64
		if n, l.err = l.w.ReadFrom(from); l.err == nil && n < from.Size() {
			l.err = io.ErrUnexpectedEOF
		}
		l.at += n
	}
}

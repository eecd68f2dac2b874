package parquet

import (
	"bytes"
	"errors"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// encoder encodes some columns of a table, as a file of their own in memory whose chunks are to stand elsewhere.
type encoder struct {
	w      *Writer
	schema *arrow.Schema
	buf    bytes.Buffer
	out    *pqarrow.FileWriter
}

func (w *Writer) newEncoder(fields ...arrow.Field) (*encoder, error) {
	e := &encoder{w: w, schema: arrow.NewSchema(fields, nil)}
	p := properties(w.mem, w.table, parquet.WithMaxRowGroupLength(math.MaxInt64))
	var err error
	e.out, err = pqarrow.NewFileWriter(e.schema, &e.buf, p, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema(), pqarrow.WithAllocator(w.mem)))
	return e, err
}

// group begins a row group.
func (e *encoder) group() { e.out.NewBufferedRowGroup() }

// append adds rows of all columns. The library does not read bits from the middle of a byte as it should, so slices are copied.
func (e *encoder) append(columns ...arrow.Array) error {
	own := make([]arrow.Array, 0, len(columns))
	defer func() {
		for _, c := range own {
			c.Release()
		}
	}()
	rows := columns[0].Len()
	for _, c := range columns {
		if c.Data().Offset() == 0 {
			c.Retain()
		} else {
			var err error
			if c, err = array.Concatenate([]arrow.Array{c}, e.w.mem); err != nil {
				return err
			}
		}
		own = append(own, c)
	}
	part := array.NewRecord(e.schema, own, int64(rows))
	defer part.Release()
	return e.out.WriteBuffered(part)
}

// finish is what was encoded.
func (e *encoder) finish() (source, error) {
	if err := e.out.Close(); err != nil {
		return source{}, err
	}
	in := bytes.NewReader(e.buf.Bytes())
	r, err := file.NewParquetReader(in)
	return source{r, in}, err
}

// abandon frees what is not finished.
func (e *encoder) abandon() { _ = e.out.Close() } // nobody reads what it makes

// encodeGroups encodes columns of the table in row groups of these lengths.
func (w *Writer) encodeGroups(fields []arrow.Field, groups []int64, cells []arrow.Record) (source, error) {
	e, err := w.newEncoder(fields...)
	if err != nil {
		return source{}, err
	}
	if err := e.groups(groups, cells); err != nil {
		e.abandon()
		return source{}, err
	}
	return e.finish()
}

func (e *encoder) groups(groups []int64, cells []arrow.Record) error {
	var at int64 // rows of cells[0] that are written
	for _, n := range groups {
		e.group()
		for n > 0 && len(cells) > 0 {
			take := min(n, cells[0].NumRows()-at)
			slice := cells[0].NewSlice(at, at+take)
			err := e.append(slice.Columns()...)
			slice.Release()
			if err != nil {
				return err
			}
			n, at = n-take, at+take
			if at == cells[0].NumRows() {
				cells, at = cells[1:], 0
			}
		}
		if n > 0 {
			return errors.New("too few cells for the row groups")
		}
	}
	if len(cells) > 0 {
		return errors.New("too many cells for the row groups")
	}
	return nil
}

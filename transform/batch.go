package transform

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// A record batch is handed on at either bound.
const (
	batchRows  = 8192
	batchBytes = 4 << 20
)

// Emit takes a finished record batch of a table. The batch is released when Emit returns; who keeps it longer retains it.
type Emit func(table string, batch arrow.Record) error

// batcher collects the rows of one table. Cells are appended in the order of the columns, then end is called.
type batcher struct {
	table schema.Table
	b     *array.RecordBuilder
	emit  Emit
	next  int // the column that the next cell goes to
	rows  int
	bytes int
	sizes []int // by column: bytes of text in the batch before

	unquoted []byte // memory for a text that has escapes
}

func newBatcher(mem memory.Allocator, t schema.Table, emit Emit) *batcher {
	return &batcher{table: t, b: array.NewRecordBuilder(mem, t.Arrow()), emit: emit, unquoted: make([]byte, 0, 1024)}
}

func (t *batcher) field() array.Builder {
	f := t.b.Field(t.next)
	t.next++
	return f
}

func (t *batcher) null() { t.field().AppendNull() }

func (t *batcher) text(v Text) {
	if !v.Valid {
		t.null()
		return
	}
	t.str(v.String)
}

func (t *batcher) str(v string) {
	t.bytes += len(v)
	t.field().(*array.StringBuilder).Append(v)
}

// json appends JSON text; nil is NULL.
func (t *batcher) json(v []byte) {
	f := t.field().(*array.StringBuilder)
	if v == nil {
		f.AppendNull()
		return
	}
	t.bytes += len(v)
	f.BinaryBuilder.Append(v)
}

func (t *batcher) time(v Micros) {
	f := t.field().(*array.TimestampBuilder)
	if !v.Valid {
		f.AppendNull()
		return
	}
	f.Append(arrow.Timestamp(v.At))
}

func (t *batcher) int(v int64, valid bool) {
	f := t.field().(*array.Int64Builder)
	if !valid {
		f.AppendNull()
		return
	}
	f.Append(v)
}

func (t *batcher) bool(v, valid bool) {
	f := t.field().(*array.BooleanBuilder)
	if !valid {
		f.AppendNull()
		return
	}
	f.Append(v)
}

func (t *batcher) double(v float64) { t.field().(*array.Float64Builder).Append(v) }

func (t *batcher) decimal(v decimal128.Num) { t.field().(*array.Decimal128Builder).Append(v) }

func (t *batcher) blob(v []byte) { t.field().(*array.BinaryBuilder).Append(v) }

// quoted appends the text of a JSON string; exact is as for rawjson.Unquote.
func (t *batcher) quoted(v []byte) (exact bool) {
	text, exact := rawjson.Unquoted(t.unquoted, v)
	t.bytes += len(text)
	t.field().(*array.StringBuilder).BinaryBuilder.Append(text)
	return exact
}

// quotedList appends an array of JSON strings, of which null is NULL.
func (t *batcher) quotedList(v []byte) {
	f := t.field().(*array.ListBuilder)
	f.Append(true)
	inner := f.ValueBuilder().(*array.StringBuilder)
	_ = rawjson.Elements(v, func(e []byte) error { // v is valid
		if rawjson.KindOf(e) == rawjson.Null {
			inner.AppendNull()
			return nil
		}
		text, _ := rawjson.Unquoted(t.unquoted, e)
		t.bytes += len(text)
		inner.BinaryBuilder.Append(text)
		return nil
	})
}

// list appends a list of text; nil is NULL, an empty one is empty.
func (t *batcher) list(vs []Text) {
	f := t.field().(*array.ListBuilder)
	if vs == nil {
		f.AppendNull()
		return
	}
	f.Append(true)
	inner := f.ValueBuilder().(*array.StringBuilder)
	for _, v := range vs {
		if !v.Valid {
			inner.AppendNull()
			continue
		}
		t.bytes += len(v.String)
		inner.Append(v.String)
	}
}

func (t *batcher) strs(vs []string) {
	out := make([]Text, len(vs))
	for i, v := range vs {
		out[i] = Text{v, true}
	}
	t.list(out)
}

// end closes the row and hands the batch on where it is full.
func (t *batcher) end() error {
	t.endRow()
	if t.full() {
		return t.flush()
	}
	return nil
}

func (t *batcher) full() bool { return t.rows >= batchRows || t.bytes >= batchBytes }

func (t *batcher) endRow() {
	if t.next != len(t.table.Columns) {
		panic(fmt.Sprintf("transform: a row of %s has %d cells, not %d", t.table.Name, t.next, len(t.table.Columns)))
	}
	t.next = 0
	t.rows++
}

func (t *batcher) flush() error {
	if t.rows == 0 {
		return nil
	}
	t.measure()
	rec := t.b.NewRecord()
	defer rec.Release()
	rows := t.rows
	t.rows, t.bytes = 0, 0
	if rows >= batchRows/8 { // there may be another like it
		defer t.reserve(rows)
	}
	return t.emit(t.table.Name, rec)
}

// measure notes how much text each column has.
func (t *batcher) measure() {
	t.sizes = t.sizes[:0]
	for _, f := range t.b.Fields() {
		n := 0
		if s, ok := f.(*array.StringBuilder); ok {
			n = s.DataLen()
		}
		t.sizes = append(t.sizes, n)
	}
}

// reserve makes room for a batch like the one before, so that the columns do not grow into it by doubling and copying.
func (t *batcher) reserve(rows int) {
	for i, f := range t.b.Fields() {
		f.Reserve(rows + rows/16)
		if s, ok := f.(*array.StringBuilder); ok {
			s.ReserveData(t.sizes[i] + t.sizes[i]/16)
		}
	}
}

func (t *batcher) release() { t.b.Release() }

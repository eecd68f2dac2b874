package lake

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"
)

// digester hashes rows, and tells whose they are.
type digester struct {
	seed    uint64
	columns []string // of the version: those that count
	user    bool     // there is a user_id
	buf     []byte
}

// Columns that differ between versions on rows that are the same, see the package comment.
const (
	runColumn  = "_run_id"
	seenColumn = "_last_seen_run"
)

func newDigester(s *arrow.Schema) (*digester, error) {
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	d := &digester{seed: binary.LittleEndian.Uint64(seed[:]), user: s.HasField(userColumn)}
	for _, f := range s.Fields() {
		d.columns = append(d.columns, f.Name)
	}
	return d, nil
}

// key stands for a user; all rows without a user_id have one.
type key = xxh3.Uint128

var nobody = key{}

func (d *digester) keys(b arrow.RecordBatch) (func(row int) key, error) {
	if !d.user {
		return func(int) key { return nobody }, nil
	}
	return userKeys(b, d.seed)
}

func userKeys(b arrow.RecordBatch, seed uint64) (func(row int) key, error) {
	at := b.Schema().FieldIndices(userColumn)
	if len(at) != 1 {
		return nil, fmt.Errorf("there is no column %s", userColumn)
	}
	column := b.Column(at[0])
	text, err := textOf(column)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", userColumn, err)
	}
	return func(row int) key {
		if column.IsNull(row) {
			return nobody
		}
		return xxh3.HashString128Seed(text(row), seed)
	}, nil
}

func textOf(a arrow.Array) (func(int) string, error) {
	switch a := a.(type) {
	case *array.String:
		return a.Value, nil
	case *array.LargeString:
		return a.Value, nil
	}
	return nil, fmt.Errorf("%s is no text", a.DataType())
}

// rows calls with each row of a batch: whose it is, and its hash.
func (d *digester) rows(b arrow.RecordBatch, each func(row int, of key, hash xxh3.Uint128)) error {
	of, err := d.keys(b)
	if err != nil {
		return err
	}
	encoders, err := d.encoders(b)
	if err != nil {
		return err
	}
	for row := range int(b.NumRows()) {
		d.buf = d.buf[:0]
		for _, e := range encoders {
			d.buf = e(d.buf, row)
		}
		each(row, of(row), xxh3.Hash128Seed(d.buf, d.seed))
	}
	return nil
}

// encoder appends a value to a row's bytes. Each begins with what it is, so that no two rows that differ have the same bytes.
type encoder func(to []byte, row int) []byte

const (
	isNull = iota
	isThere
	isRun // of _last_seen_run: what _run_id is
)

func null(to []byte, _ int) []byte { return append(to, isNull) }

func (d *digester) encoders(b arrow.RecordBatch) ([]encoder, error) {
	column := func(name string) arrow.Array {
		if at := b.Schema().FieldIndices(name); len(at) == 1 {
			return b.Column(at[0])
		}
		return nil
	}
	run, seen := column(runColumn), column(seenColumn)
	out := make([]encoder, 0, len(d.columns))
	for _, name := range d.columns {
		a := column(name)
		if a == nil {
			out = append(out, null)
			continue
		}
		e, err := encoderOf(a)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		if run != nil && seen != nil {
			switch name {
			case runColumn:
				continue
			case seenColumn:
				if e, err = seenEncoder(run, seen, e); err != nil {
					return nil, err
				}
			}
		}
		out = append(out, e)
	}
	return out, nil
}

func seenEncoder(run, seen arrow.Array, otherwise encoder) (encoder, error) {
	r, err := textOf(run)
	if err != nil {
		return nil, err
	}
	s, err := textOf(seen)
	if err != nil {
		return nil, err
	}
	return func(to []byte, row int) []byte {
		if run.IsValid(row) && seen.IsValid(row) && r(row) == s(row) {
			return append(to, isRun)
		}
		return otherwise(to, row)
	}, nil
}

// encoderOf is how values of an array are written. Numbers of all widths are written alike, and texts too: a column that is wider in the lake than in the
// version has the same values.
func encoderOf(a arrow.Array) (encoder, error) {
	var value encoder
	switch a := a.(type) {
	case *array.Boolean:
		value = func(to []byte, row int) []byte {
			if a.Value(row) {
				return append(to, 1)
			}
			return append(to, 0)
		}
	case *array.String:
		value = func(to []byte, row int) []byte { return appendBytes(to, a.Value(row)) }
	case *array.LargeString:
		value = func(to []byte, row int) []byte { return appendBytes(to, a.Value(row)) }
	case *array.Binary:
		value = func(to []byte, row int) []byte { return appendBytes(to, a.Value(row)) }
	case *array.LargeBinary:
		value = func(to []byte, row int) []byte { return appendBytes(to, a.Value(row)) }
	case *array.Decimal128:
		value = func(to []byte, row int) []byte {
			v := a.Value(row)
			return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(to, uint64(v.HighBits())), v.LowBits())
		}
	case *array.List:
		element, err := encoderOf(a.ListValues())
		if err != nil {
			return nil, err
		}
		value = func(to []byte, row int) []byte {
			from, end := a.ValueOffsets(row)
			to = binary.AppendVarint(to, end-from)
			for i := from; i < end; i++ {
				to = element(to, int(i))
			}
			return to
		}
	default:
		number, err := numberOf(a)
		if err != nil {
			return nil, err
		}
		value = func(to []byte, row int) []byte { return binary.LittleEndian.AppendUint64(to, number(row)) }
	}
	if a.NullN() == 0 {
		return func(to []byte, row int) []byte { return value(append(to, isThere), row) }, nil
	}
	return func(to []byte, row int) []byte {
		if a.IsNull(row) {
			return append(to, isNull)
		}
		return value(append(to, isThere), row)
	}, nil
}

func numberOf(a arrow.Array) (func(int) uint64, error) {
	switch a := a.(type) {
	case *array.Int8:
		return func(row int) uint64 { return uint64(a.Value(row)) }, nil
	case *array.Int16:
		return func(row int) uint64 { return uint64(a.Value(row)) }, nil
	case *array.Int32:
		return func(row int) uint64 { return uint64(a.Value(row)) }, nil
	case *array.Int64:
		return func(row int) uint64 { return uint64(a.Value(row)) }, nil
	case *array.Float32:
		return func(row int) uint64 { return math.Float64bits(float64(a.Value(row))) }, nil
	case *array.Float64:
		return func(row int) uint64 { return math.Float64bits(a.Value(row)) }, nil
	case *array.Timestamp:
		return func(row int) uint64 { return uint64(a.Value(row)) }, nil
	case *array.Date32:
		return func(row int) uint64 { return uint64(a.Value(row)) }, nil
	}
	return nil, fmt.Errorf("type %s has no place in a table", a.DataType())
}

func appendBytes[T string | []byte](to []byte, v T) []byte {
	return append(binary.AppendUvarint(to, uint64(len(v))), v...)
}

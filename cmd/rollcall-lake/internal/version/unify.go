package version

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// exactInDouble is up to where every whole number is a double.
const exactInDouble = 1 << 53

// digitsOfInt64 is how many digits a whole number of 64 bits may have before the point, of the 38 that a decimal has.
const digitsOfInt64 = 19

// widest is the type that holds every value of both exactly: what one organization's preference is in another organization's version may be of another
// type. Numbers stay numbers where that can be promised: whole numbers become doubles where large says that none is too large. What else differs is text.
func widest(a, b arrow.DataType, large bool) arrow.DataType {
	for _, of := range [][]arrow.Type{
		{arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64},
		{arrow.FLOAT32, arrow.FLOAT64},
	} {
		if slices.Contains(of, a.ID()) && slices.Contains(of, b.ID()) {
			if slices.Index(of, a.ID()) >= slices.Index(of, b.ID()) {
				return a
			}
			return b
		}
	}
	if arrow.IsInteger(b.ID()) {
		a, b = b, a
	}
	if arrow.IsInteger(a.ID()) {
		if d, ok := b.(*arrow.Decimal128Type); ok && d.Precision-d.Scale >= digitsOfInt64 {
			return b
		}
		if arrow.IsFloating(b.ID()) && !large {
			return arrow.PrimitiveTypes.Float64
		}
	}
	return arrow.BinaryTypes.String
}

// largeColumns are the columns of a part with whole numbers that are not known to be doubles exactly, by what the part says of its values.
func largeColumns(r *file.Reader) map[string]bool {
	large := map[string]bool{}
	for g := range r.NumRowGroups() {
		group := r.MetaData().RowGroup(g)
		for c := range group.NumColumns() {
			chunk, err := group.ColumnChunk(c)
			if err != nil {
				continue
			}
			s, err := chunk.Statistics()
			name := chunk.PathInSchema().String()
			if whole, ok := s.(*metadata.Int64Statistics); err != nil || ok && whole.HasMinMax() && (whole.Min() < -exactInDouble || whole.Max() > exactInDouble) {
				large[name] = true
			} else if s == nil || ok && !whole.HasMinMax() && whole.NullCount() < group.NumRows() {
				large[name] = true
			}
		}
	}
	return large
}

// unified is a batch with the table's types. It is the caller's to release.
func (t *Table) unified(ctx context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, 0, b.NumCols())
	fields := make([]arrow.Field, 0, b.NumCols())
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i, f := range b.Schema().Fields() {
		at := t.Schema.FieldIndices(f.Name)
		want := t.Schema.Field(at[0]).Type
		a, err := converted(ctx, t.mem, b.Column(i), want)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		columns, fields = append(columns, a), append(fields, arrow.Field{Name: f.Name, Type: want, Nullable: true})
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, b.NumRows()), nil
}

func converted(ctx context.Context, mem memory.Allocator, a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	switch {
	case arrow.TypeEqual(a.DataType(), want):
		a.Retain()
		return a, nil
	case want.ID() != arrow.STRING:
		return compute.CastArray(compute.WithAllocator(ctx, mem), a, compute.SafeCastOptions(want))
	}
	text := array.NewStringBuilder(mem)
	defer text.Release()
	for i := range a.Len() {
		if a.IsNull(i) {
			text.AppendNull()
			continue
		}
		text.Append(a.ValueStr(i))
	}
	return text.NewArray(), nil
}

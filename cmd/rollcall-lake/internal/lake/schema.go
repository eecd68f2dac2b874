package lake

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Columns that a table's users and organizations are in.
const (
	userColumn = "user_id"
	orgColumn  = "org_id"
)

// typeOf is the Iceberg type of an Arrow type. Ids of nested fields are for the schema they come into to give.
func typeOf(t arrow.DataType, elementID int) (iceberg.Type, error) {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return iceberg.PrimitiveTypes.Bool, nil
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type:
		return iceberg.PrimitiveTypes.Int32, nil
	case *arrow.Int64Type:
		return iceberg.PrimitiveTypes.Int64, nil
	case *arrow.Float32Type:
		return iceberg.PrimitiveTypes.Float32, nil
	case *arrow.Float64Type:
		return iceberg.PrimitiveTypes.Float64, nil
	case *arrow.StringType, *arrow.LargeStringType:
		return iceberg.PrimitiveTypes.String, nil
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		return iceberg.PrimitiveTypes.Binary, nil
	case *arrow.Date32Type:
		return iceberg.PrimitiveTypes.Date, nil
	case *arrow.Decimal128Type:
		return iceberg.DecimalTypeOf(int(t.Precision), int(t.Scale)), nil
	case *arrow.TimestampType:
		if t.TimeZone == "" && t.Unit == arrow.Microsecond {
			return iceberg.PrimitiveTypes.Timestamp, nil
		}
	case *arrow.ListType:
		element, err := typeOf(t.Elem(), 0)
		if err != nil {
			return nil, err
		}
		return &iceberg.ListType{ElementID: elementID, Element: element}, nil
	}
	return nil, fmt.Errorf("type %s has no place in a table", t)
}

// fresh is the schema of a new table with a version's columns. Field ids are the columns' places; those of list elements come after them.
func fresh(s *arrow.Schema) (*iceberg.Schema, error) {
	fields := make([]iceberg.NestedField, 0, s.NumFields())
	next := s.NumFields() + 1
	for i, f := range s.Fields() {
		t, err := typeOf(f.Type, next)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		if _, ok := t.(*iceberg.ListType); ok {
			next++
		}
		fields = append(fields, iceberg.NestedField{ID: i + 1, Name: f.Name, Type: t})
	}
	return iceberg.NewSchema(0, fields...), nil
}

// partitions is the partition spec of a new table, see the package comment.
func partitions(s *iceberg.Schema, buckets int) iceberg.PartitionSpec {
	f, ok := s.FindFieldByName(orgColumn)
	if !ok || f.Type != iceberg.PrimitiveTypes.String {
		return *iceberg.UnpartitionedSpec
	}
	return iceberg.NewPartitionSpec(iceberg.PartitionField{
		SourceIDs: []int{f.ID}, FieldID: 1000, Name: orgColumn + "_bucket", Transform: iceberg.BucketTransform{NumBuckets: buckets},
	})
}

// evolution is what makes a table's columns those of a version.
type evolution struct {
	drop, add, widen []string
	want             map[string]iceberg.Type
	order            []string // of the version
	reorder          bool
	replace          bool // a column has a new type, which the rows that are there have not
}

func (e *evolution) empty() bool {
	return len(e.drop)+len(e.add)+len(e.widen) == 0 && !e.reorder
}

// plan compares a table's columns with a version's.
func plan(has *iceberg.Schema, s *arrow.Schema) (*evolution, error) {
	e := &evolution{want: map[string]iceberg.Type{}}
	var kept []string
	for _, f := range s.Fields() {
		want, err := typeOf(f.Type, 0)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		e.want[f.Name] = want
		e.order = append(e.order, f.Name)
		old, ok := has.FindFieldByName(f.Name)
		switch {
		case !ok:
			e.add = append(e.add, f.Name)
		case same(old.Type, want) || promotes(want, old.Type): // what is wider than need be stays
			e.want[f.Name] = old.Type
		case promotes(old.Type, want):
			e.widen = append(e.widen, f.Name)
		default:
			e.drop, e.add, e.replace = append(e.drop, f.Name), append(e.add, f.Name), true
		}
	}
	for _, f := range has.Fields() {
		if _, ok := e.want[f.Name]; !ok {
			e.drop = append(e.drop, f.Name)
		}
		if !slices.Contains(e.drop, f.Name) {
			kept = append(kept, f.Name)
		}
	}
	e.reorder = !slices.Equal(append(kept, e.add...), e.order)
	return e, nil
}

func same(a, b iceberg.Type) bool {
	if la, ok := a.(*iceberg.ListType); ok {
		lb, ok := b.(*iceberg.ListType)
		return ok && same(la.Element, lb.Element)
	}
	return a.Equals(b)
}

// promotes tells whether Iceberg can widen one type to another.
func promotes(from, to iceberg.Type) bool {
	switch from := from.(type) {
	case iceberg.Int32Type:
		return to.Equals(iceberg.PrimitiveTypes.Int64)
	case iceberg.Float32Type:
		return to.Equals(iceberg.PrimitiveTypes.Float64)
	case iceberg.DecimalType:
		d, ok := to.(iceberg.DecimalType)
		return ok && d.Scale() == from.Scale() && d.Precision() > from.Precision()
	}
	return false
}

// stage puts an evolution into a transaction: as one update, or as two where a column is dropped, added again and moved to its old place, which is
// more than one update takes.
func (e *evolution) stage(tx *table.Transaction) error {
	if e.empty() {
		return nil
	}
	u := tx.UpdateSchema(true, true)
	for _, name := range e.drop {
		u.DeleteColumn([]string{name})
	}
	for _, name := range e.add {
		u.AddColumn([]string{name}, e.want[name], "", false, nil)
	}
	for _, name := range e.widen {
		u.UpdateColumn([]string{name}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: e.want[name], Valid: true}})
	}
	if e.reorder && e.replace {
		if err := u.Commit(); err != nil {
			return fmt.Errorf("change the columns: %w", err)
		}
		u = tx.UpdateSchema(true, true)
	}
	if e.reorder {
		for i, name := range e.order {
			if i == 0 {
				u.MoveFirst([]string{name})
			} else {
				u.MoveAfter([]string{name}, []string{e.order[i-1]})
			}
		}
	}
	if err := u.Commit(); err != nil {
		return fmt.Errorf("change the columns: %w", err)
	}
	return nil
}

// commitTransaction commits a transaction. Of two changes of the columns in it, the second requires the columns that the first leaves, and these the catalog has
// not yet: what it must require are those that it has.
func (l *Lake) commitTransaction(ctx context.Context, tx *table.Transaction) error {
	c, err := tx.TableCommit()
	if err != nil {
		return err
	}
	const columns = "assert-current-schema-id"
	var required []table.Requirement
	for _, r := range c.Requirements {
		if r.GetType() != columns || !slices.ContainsFunc(required, func(o table.Requirement) bool { return o.GetType() == columns }) {
			required = append(required, r)
		}
	}
	if len(required) == len(c.Requirements) {
		_, err = tx.Commit(ctx)
		return err
	}
	_, _, err = l.catalog.CommitTable(ctx, c.Identifier, required, c.Updates)
	return err
}

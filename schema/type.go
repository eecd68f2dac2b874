package schema

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
)

// Kind is the family of a column's type.
type Kind uint8

// The kinds of column. Each has one form in Arrow, DuckDB and Parquet, so that a table reads the same in all of them.
const (
	String     Kind = iota // UTF-8 text; DuckDB VARCHAR
	JSON                   // JSON text, byte for byte; DuckDB JSON, a string in Arrow and Parquet
	Timestamp              // UTC, microseconds, without zone; DuckDB TIMESTAMP
	Bool                   // DuckDB BOOLEAN
	Int                    // 64-bit signed; DuckDB BIGINT
	Double                 // IEEE 754 binary64; DuckDB DOUBLE
	Decimal                // DECIMAL(38, Scale)
	StringList             // a list of text; DuckDB VARCHAR[]
	Blob                   // bytes; DuckDB BLOB
)

// Type is a column's type. Scale counts the digits after the point and is used by Decimal alone (0 to 38).
type Type struct {
	Kind  Kind
	Scale int32
}

const maxScale = 38 // all digits of DECIMAL(38, …)

// T is the type of a kind that has no scale.
func T(k Kind) Type { return Type{Kind: k} }

// DuckDB is the type's name in SQL.
func (t Type) DuckDB() string {
	switch t.Kind {
	case String:
		return "VARCHAR"
	case JSON:
		return "JSON"
	case Timestamp:
		return "TIMESTAMP"
	case Bool:
		return "BOOLEAN"
	case Int:
		return "BIGINT"
	case Double:
		return "DOUBLE"
	case Decimal:
		return fmt.Sprintf("DECIMAL(38,%d)", t.Scale)
	case StringList:
		return "VARCHAR[]"
	case Blob:
		return "BLOB"
	}
	panic(fmt.Sprintf("schema: kind %d has no SQL name", t.Kind))
}

// Arrow is the type's form in a record batch.
func (t Type) Arrow() arrow.DataType {
	switch t.Kind {
	case String, JSON:
		return arrow.BinaryTypes.String
	case Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int:
		return arrow.PrimitiveTypes.Int64
	case Double:
		return arrow.PrimitiveTypes.Float64
	case Decimal:
		return &arrow.Decimal128Type{Precision: 38, Scale: t.Scale}
	case StringList:
		return arrow.ListOf(arrow.BinaryTypes.String)
	case Blob:
		return arrow.BinaryTypes.Binary
	}
	panic(fmt.Sprintf("schema: kind %d has no Arrow type", t.Kind))
}

// String is the SQL name, which is what people know a type by.
func (t Type) String() string { return t.DuckDB() }

// ParseType reads what Type.String wrote. An unknown name is an error.
func ParseType(s string) (Type, error) {
	for k := String; k <= Blob; k++ {
		if k != Decimal && T(k).DuckDB() == s {
			return T(k), nil
		}
	}
	for scale := range int32(maxScale + 1) {
		if t := (Type{Decimal, scale}); t.DuckDB() == s {
			return t, nil
		}
	}
	return Type{}, fmt.Errorf("schema: no column type is called %q", s)
}

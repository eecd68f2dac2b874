package duckdb

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
)

// ValueKind says what the text of a column's values is, for formats that tell text from numbers.
type ValueKind uint8

// The kinds of value.
const (
	Text    ValueKind = iota // any characters; a JSON column's document too
	Number                   // a JSON number, but for nan, inf and -inf
	Boolean                  // true or false
	Nested                   // a list, struct, map or union, as JSON
)

// Column is a column of a result.
type Column struct {
	Name string // not always unique in a result
	Type string // as DuckDB writes it
	Kind ValueKind
}

// Value is one value of a row. Text is exact: integers and decimals of any size have all their digits, floating-point numbers the digits
// that read back as the same number, timestamps are ISO 8601 (2006-01-02T15:04:05.123456; with +00 where the type has a zone).
type Value struct {
	Text string
	Null bool
}

// Rows is a result, read forwards. Close it.
type Rows struct {
	rows    *sql.Rows
	columns []Column
	scanned []any
	values  []Value
	plain   bool
	err     error
}

// Columns describes the result.
func (r *Rows) Columns() []Column { return slices.Clone(r.columns) }

// Next reads the next row and says whether there was one.
func (r *Rows) Next() bool {
	if r.err != nil || !r.rows.Next() {
		return false
	}
	places := make([]any, len(r.scanned))
	for i := range r.scanned {
		places[i] = &r.scanned[i]
	}
	if err := r.rows.Scan(places...); err != nil {
		r.err = fmt.Errorf("read a row: %w", err)
		return false
	}
	for i, v := range r.scanned {
		if r.values[i], r.err = r.value(r.columns[i], v); r.err != nil {
			return false
		}
	}
	return true
}

// Row is the row that Next read, one value a column. It is good until the next Next.
func (r *Rows) Row() []Value { return r.values }

// Err is what ended the reading before the last row, if anything did.
func (r *Rows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.rows.Err()
}

// Close ends the result.
func (r *Rows) Close() error { return r.rows.Close() }

func (r *Rows) value(c Column, v any) (Value, error) {
	switch v := v.(type) {
	case nil:
		return Value{Null: true}, nil
	case string:
		if !r.plain && strings.HasPrefix(c.Type, "TIMESTAMP") && c.Kind == Text {
			v = isoTimestamp(v)
		}
		return Value{Text: v}, nil
	case bool:
		return Value{Text: strconv.FormatBool(v)}, nil
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		return Value{Text: fmt.Sprint(v)}, nil
	}
	return Value{}, &SQLError{Message: fmt.Sprintf("column %q of this statement has a type that cannot be shown: %s", c.Name, c.Type),
		Detail: []string{"select from the statement's table function instead, which can be cast"}}
}

// isoTimestamp puts the T of ISO 8601 into DuckDB's form; infinity and years before Christ stay as DuckDB writes them.
func isoTimestamp(s string) string {
	const date = len("2006-01-02")
	if len(s) > date && s[date] == ' ' {
		return s[:date] + "T" + s[date+1:]
	}
	return s
}

// wrapLines is how many lines asText and describe put before the statement; DuckDB's messages count lines.
const wrapLines = 1

// asText has DuckDB write every column as text: no driver knows all its types, and none writes them all exactly.
func asText(columns []Column, statement string) string {
	exprs := make([]string, len(columns))
	for i, c := range columns {
		exprs[i] = textOf(i, c) + " AS " + schema.Quote(c.Name)
	}
	return "SELECT " + strings.Join(exprs, ", ") + " FROM (\n" + statement + "\n)"
}

// textOf is the column at this place, from 0, as text.
func textOf(i int, c Column) string {
	if c.Kind == Nested {
		return fmt.Sprintf("CAST(to_json(#%d::%s) AS VARCHAR)", i+1, jsonSafe(c.Type))
	}
	return fmt.Sprintf("CAST(#%d AS VARCHAR)", i+1)
}

var inexact = regexp.MustCompile(`"(?:[^"]|"")*"|'(?:[^']|'')*'|\b(?:U?HUGEINT|VARINT|DECIMAL\(\d+,\d+\))`)

// jsonSafe is a nested type whose large integers and decimals are text: to_json would make doubles of them. A union keeps its type,
// since none can be cast to another.
func jsonSafe(t string) string {
	if strings.Contains(t, "UNION(") {
		return t
	}
	return inexact.ReplaceAllStringFunc(t, func(m string) string {
		if m[0] == '"' || m[0] == '\'' {
			return m
		}
		return "VARCHAR"
	})
}

var numeric = []string{"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
	"VARINT", "FLOAT", "DOUBLE"}

func kindOf(t string) ValueKind {
	switch {
	case strings.HasSuffix(t, "]") || strings.HasPrefix(t, "STRUCT(") || strings.HasPrefix(t, "MAP(") || strings.HasPrefix(t, "UNION("):
		return Nested
	case t == "BOOLEAN":
		return Boolean
	case slices.Contains(numeric, t) || strings.HasPrefix(t, "DECIMAL("):
		return Number
	}
	return Text
}

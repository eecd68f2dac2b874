package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
)

// Origin says where a column's values come from.
type Origin string

// The origins of a column.
const (
	FromList     Origin = "list"     // the item of the user list
	FromModel    Origin = "model"    // the list item, else the user_model request
	FromSQL      Origin = "sql"      // the list item, else the SQL endpoint
	FromRole     Origin = "role"     // the roles request
	FromMemory   Origin = "memory"   // the memory requests
	FromSource   Origin = "source"   // the source's settings: base URL, organization asked
	FromRollcall Origin = "rollcall" // made by rollcall
)

// Column is one column of a table.
type Column struct {
	Name    string // unique in its table without regard to case
	Type    Type
	Origin  Origin
	Path    string // JSON path in the record it comes from, as $.preferences.timezone; empty where it comes from none
	Comment string // one line for the reader of a SQL client
	NotNull bool
}

// Table is one table of a version: the same columns in DuckDB and in Parquet, in this order.
type Table struct {
	Name    string
	Comment string
	Columns []Column
	// LowCardinality names the columns worth a dictionary in Parquet; all others are written plain.
	LowCardinality []string
	// HighCardinality names columns of text whose values hardly repeat: DuckDB compresses them with FSST, without the cost of trying what else would do.
	HighCardinality []string
}

// Column finds a column by its name.
func (t Table) Column(name string) (Column, bool) {
	for _, c := range t.Columns {
		if c.Name == name {
			return c, true
		}
	}
	return Column{}, false
}

// Index is the position of the named column, or -1.
func (t Table) Index(name string) int {
	for i, c := range t.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// Arrow is the table's schema as record batches carry it. JSON columns are strings whose field says so in the metadata
// ARROW:extension:name=arrow.json, which Parquet readers that know the extension show as JSON and the others as text.
func (t Table) Arrow() *arrow.Schema {
	fields := make([]arrow.Field, len(t.Columns))
	for i, c := range t.Columns {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Type.Arrow(), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// ArrowMarked is Arrow with the JSON columns marked for readers that know the extension; the others see text.
func (t Table) ArrowMarked() *arrow.Schema {
	fields := t.Arrow().Fields()
	for i, c := range t.Columns {
		if c.Type.Kind == JSON {
			fields[i].Metadata = arrow.NewMetadata([]string{"ARROW:extension:name", "ARROW:extension:metadata"}, []string{"arrow.json", ""})
		}
	}
	return arrow.NewSchema(fields, nil)
}

// Match is an error that names the first column in which batches of this schema are not the table's; nil where they are. What fields say
// in their metadata does not count.
func (t Table) Match(s *arrow.Schema) error {
	if s.NumFields() != len(t.Columns) {
		return fmt.Errorf("%s has %d columns, not %d", t.Name, len(t.Columns), s.NumFields())
	}
	for i, c := range t.Columns {
		if f := s.Field(i); f.Name != c.Name || !arrow.TypeEqual(f.Type, c.Type.Arrow()) {
			return fmt.Errorf("column %d of %s is %s %s, not %s %s", i+1, t.Name, c.Name, c.Type.Arrow(), f.Name, f.Type)
		}
	}
	return nil
}

// DDL is the statement that makes the table in DuckDB.
func (t Table) DDL() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (", Quote(t.Name))
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", Quote(c.Name), c.Type.DuckDB())
		if slices.Contains(t.HighCardinality, c.Name) {
			b.WriteString(" USING COMPRESSION fsst")
		}
	}
	b.WriteString(")")
	return b.String()
}

// Comments are the COMMENT ON statements of the table and its columns.
func (t Table) Comments() []string {
	out := []string{fmt.Sprintf("COMMENT ON TABLE %s IS %s", Quote(t.Name), Literal(t.Comment))}
	for _, c := range t.Columns {
		if c.Comment != "" {
			out = append(out, fmt.Sprintf("COMMENT ON COLUMN %s.%s IS %s", Quote(t.Name), Quote(c.Name), Literal(c.Comment)))
		}
	}
	return out
}

// Quote makes an SQL identifier of any text.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal makes an SQL string literal of any text.
func Literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

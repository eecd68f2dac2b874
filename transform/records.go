package transform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
)

// RunRow is a row of _runs.
type RunRow struct {
	ID                                          string
	Started                                     Micros
	Status, Proof, As, Source, UsersSHA256      string
	Certified                                   bool
	Reasons, Orgs                               []string
	Users, Added, Changed, Deleted, DeletesHeld int64
	QuarantinedRows, QuarantinedCells           int64
	Sweeps, Shifts                              int64
}

// Run adds a row of _runs.
func (b *Builder) Run(r RunRow) error {
	t := b.tables[schema.NameRuns]
	t.str(r.ID)
	t.time(r.Started)
	t.str(r.Status)
	t.bool(r.Certified, true)
	t.text(Text{r.Proof, r.Proof != ""})
	t.strs(r.Reasons)
	t.text(Text{r.As, r.As != ""})
	t.str(r.Source)
	t.strs(r.Orgs)
	for _, n := range []int64{r.Users, r.Added, r.Changed, r.Deleted, r.DeletesHeld, r.QuarantinedRows, r.QuarantinedCells, r.Sweeps, r.Shifts} {
		t.int(n, true)
	}
	t.str(r.UsersSHA256)
	return t.end()
}

// ColumnRow is a row of _columns.
type ColumnRow struct {
	Table             string
	Column            schema.Column
	Declared          bool
	Types             []string // oldest first; none where no value came yet
	NullShare         float64
	HasShare          bool // false for a table without rows
	FirstRun, LastRun string
}

// Column adds a row of _columns.
func (b *Builder) Column(r ColumnRow) error {
	t := b.tables[schema.NameColumns]
	t.str(r.Table)
	t.str(r.Column.Name)
	t.str(r.Column.Type.String())
	t.str(string(r.Column.Origin))
	t.text(Text{r.Column.Path, r.Column.Path != ""})
	t.bool(r.Declared, true)
	t.strs(r.Types)
	if r.HasShare {
		t.double(r.NullShare)
	} else {
		t.null()
	}
	t.str(r.FirstRun)
	t.text(Text{r.LastRun, r.LastRun != ""})
	t.text(Text{r.Column.Comment, r.Column.Comment != ""})
	return t.end()
}

// Pass hands a batch of the version before on as it is, behind the rows so far.
func (b *Builder) Pass(table string, c Columns) error { return b.PassRows(table, c, 0, c.Rows()) }

// PassRows hands rows [from, to) of a batch of the version before on as they are, behind the rows so far.
func (b *Builder) PassRows(table string, c Columns, from, to int) error {
	return b.Old(table, c, from, to, nil, b.tables[table].emit)
}

// Old hands rows [from, to) of a batch of the version before to take, behind the rows so far; constants are columns of text that have one
// value in all of them now.
func (b *Builder) Old(table string, c Columns, from, to int, constants map[string]string, take Emit) error {
	t := b.tables[table]
	if err := t.flush(); err != nil {
		return err
	}
	if err := t.table.Match(c.batch.Schema()); err != nil {
		return fmt.Errorf("the version before does not have this version's tables: %w", err)
	}
	columns := make([]arrow.Array, c.batch.NumCols())
	defer func() {
		for _, a := range columns {
			a.Release()
		}
	}()
	for i, whole := range c.batch.Columns() {
		if v, ok := constants[c.batch.ColumnName(i)]; ok {
			columns[i] = repeated(b.mem, v, to-from)
		} else {
			columns[i] = array.NewSlice(whole, int64(from), int64(to))
		}
	}
	part := array.NewRecord(t.b.Schema(), columns, int64(to-from)) // the table's own schema, without what the file adds to it
	defer part.Release()
	return take(table, part)
}

// repeated is a column of one text.
func repeated(mem memory.Allocator, v string, rows int) arrow.Array {
	s := array.NewStringBuilder(mem)
	defer s.Release()
	for range rows {
		s.Append(v)
	}
	return s.NewArray()
}

// HistoryRow reads a row of users_history. It shares the batch's memory.
func HistoryRow(c Columns, row int) Version {
	r := &Row{}
	r.Scope = c.Text("_scope", row).String
	r.Twelve(c, row)
	v := Version{Row: r, From: c.Micros("_valid_from", row), To: c.Micros("_valid_to", row), Run: c.Text("_run_id", row).String}
	v.Deleted, _ = c.Bool("_is_deleted", row)
	return v
}

// ClosedColumns are the columns of users_history that Closed reads and gives anew.
var ClosedColumns = []string{"_valid_to", "_is_current"}

// Closed are the ClosedColumns of a batch of users_history in which some rows are closed at an instant.
func Closed(mem memory.Allocator, c Columns, at Micros, closes func(row int) bool) arrow.Record {
	b := array.NewRecordBuilder(mem, arrow.NewSchema([]arrow.Field{
		{Name: "_valid_to", Type: schema.T(schema.Timestamp).Arrow(), Nullable: true}, {Name: "_is_current", Type: schema.T(schema.Bool).Arrow(), Nullable: true},
	}, nil))
	defer b.Release()
	to, current := b.Field(0).(*array.TimestampBuilder), b.Field(1).(*array.BooleanBuilder)
	for i := range c.Rows() {
		until := c.Micros("_valid_to", i)
		if closes(i) {
			until = at
		}
		current.Append(!until.Valid)
		if until.Valid {
			to.Append(arrow.Timestamp(until.At))
		} else {
			to.AppendNull()
		}
	}
	return b.NewRecord()
}

// With are the same rows with the columns of another batch in the place of those of their name. Neither batch is retained.
func (c Columns) With(o arrow.Record) Columns {
	columns := slices.Clone(c.batch.Columns())
	for i, f := range o.Schema().Fields() {
		columns[c.index[f.Name]] = o.Column(i)
	}
	return Columns{array.NewRecord(c.batch.Schema(), columns, c.batch.NumRows()), c.index}
}

// Batch is the batch itself.
func (c Columns) Batch() arrow.Record { return c.batch }

// Release gives up what With made.
func (c Columns) Release() { c.batch.Release() }

// IssueRow reads a row of _issues, copying it. Raw is the value as the table shows it.
func IssueRow(c Columns, row int) Issue {
	copied := func(name string) string { return strings.Clone(c.Text(name, row).String) }
	return Issue{
		Row: c.Text("kind", row).String == "row", Path: copied("path"), Column: copied("column_name"), Reason: copied("reason"), Raw: []byte(copied("raw")),
	}
}

// Rederived tells whether an issue is found anew whenever a row is flattened from its JSON columns, so that it need not be carried over.
func (i Issue) Rederived() bool {
	if strings.HasPrefix(i.Column, "pref_") {
		return true
	}
	switch i.Column {
	case "num_context_entries", "num_models", "content", "insight_ids", "dimensions", "description", "tags":
		return true
	}
	return false
}

// Empty tells whether there is no batch.
func (c Columns) Empty() bool { return c.batch == nil }

package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"path/filepath"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// doomed is what of a version an erasure takes out.
type doomed struct {
	users   map[int]bool       // rows of users and users_flat
	pairs   map[[2]string]bool // org_id and user_id: the key of the flattened tables
	columns map[string]bool    // learned columns of users_flat whose very name is the user's
	rows    int64              // of all tables that tell scopes apart
}

// doomedIn finds what of a version is to go. Flattened tables know org_id but no scope; a user_id that two scopes have with one and the same
// org_id goes from those tables for both, and is there again after the next run.
func (e *eraser) doomedIn(ctx context.Context, v publish.Version) (doomed, error) {
	d := doomed{users: map[int]bool{}, pairs: map[[2]string]bool{}, columns: map[string]bool{}}
	for id := range e.users {
		d.pairs[[2]string{id.scope, id.user}] = true
	}
	row := 0
	err := eachBatch(ctx, v, e.mem, schema.NameUsersFlat, []string{"_scope", "user_id", "org_id"}, func(c transform.Columns) error {
		for i := range c.Rows() {
			if e.users[scoped(c, i)] {
				d.users[row] = true
				d.pairs[[2]string{c.Text("org_id", i).String, c.Text("user_id", i).String}] = true
				d.rows++
			}
			row++
		}
		return nil
	})
	if err != nil {
		return d, err
	}
	for _, table := range []string{schema.NameUsersHistory, schema.NameUsersDeleted, schema.NameUsersChanges, schema.NameIssues} {
		err := eachBatch(ctx, v, e.mem, table, nil, func(c transform.Columns) error {
			for i := range c.Rows() {
				if e.goes(table, c, i) {
					d.rows++
				}
			}
			return nil
		})
		if err != nil {
			return d, err
		}
	}
	err = eachBatch(ctx, v, e.mem, schema.NameRuns, []string{"asked_as"}, func(c transform.Columns) error {
		for i := range c.Rows() {
			if e.names[c.Text("asked_as", i).String] {
				d.rows++
			}
		}
		return nil
	})
	if err != nil {
		return d, err
	}
	return d, eachBatch(ctx, v, e.mem, schema.NameColumns, []string{"table_name", "column_name", "declared", "json_path"}, func(c transform.Columns) error {
		for i := range c.Rows() {
			declared, _ := c.Bool("declared", i)
			if !declared && e.needles.in([]byte(c.Text("json_path", i).String)) {
				d.columns[c.Text("column_name", i).String] = true
				d.rows++
			}
		}
		return nil
	})
}

// scoped is the user whom a row is about, of a table that has _scope.
func scoped(c transform.Columns, i int) identity {
	return identity{c.Text("_scope", i).String, c.Text("user_id", i).String}
}

// goes tells whether a row of a table that tells scopes apart is to go.
func (e *eraser) goes(table string, c transform.Columns, i int) bool {
	if e.users[scoped(c, i)] {
		return true
	}
	return table == schema.NameIssues && c.Text("kind", i).String == "row" && e.needles.in([]byte(c.Text("raw", i).String))
}

// version rebuilds a version without the users, where it has any.
func (e *eraser) version(ctx context.Context, v publish.Version) (err error) {
	d, err := e.doomedIn(ctx, v)
	if err != nil || d.rows == 0 {
		return err
	}
	tables, err := tablesOf(ctx, v, e.mem)
	if err != nil {
		return err
	}
	w := &versionEraser{eraser: e, old: v, doomed: d, sum: sha256.New(), nulls: map[string][]int64{}, rows: map[string]int64{}, described: map[string]int{}}
	tables = w.withoutColumns(tables)
	if w.out, err = e.wh.Rewrite(ctx, v, tables, e.mem, duckdb.Settings{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.out.Abort()) }()
	if err := w.fill(ctx, tables); err != nil {
		return fmt.Errorf("rewrite version %s: %w", v.Run, err)
	}
	path := filepath.ToSlash(filepath.Join("versions", v.Run))
	e.intent.Files[path] = max(e.intent.Files[path], w.erased)
	if err := e.save("replace a version"); err != nil {
		return err
	}
	return w.out.Replace(ctx, v, w.manifest)
}

// versionEraser rebuilds one version.
type versionEraser struct {
	*eraser
	old       publish.Version
	doomed    doomed
	out       *publish.Building
	sum       hash.Hash
	nulls     map[string][]int64 // by table and column
	rows      map[string]int64
	described map[string]int // by table: columns that _columns has so far
	erased    int64
}

func (w *versionEraser) withoutColumns(tables []schema.Table) []schema.Table {
	for i, t := range tables {
		if t.Name != schema.NameUsersFlat || len(w.doomed.columns) == 0 {
			continue
		}
		var keep []schema.Column
		for _, c := range t.Columns {
			if !w.doomed.columns[c.Name] {
				keep = append(keep, c)
			}
		}
		tables[i].Columns = keep
	}
	return tables
}

// fill copies the tables; users_flat comes before _runs, whose hash it makes, and _columns, which counts the others' NULLs, last.
func (w *versionEraser) fill(ctx context.Context, tables []schema.Table) error {
	for _, t := range tables {
		if t.Name == schema.NameColumns || t.Name == schema.NameRuns {
			continue
		}
		if err := w.copy(ctx, t, w.keep(t.Name), nil); err != nil {
			return err
		}
	}
	if err := w.certify(); err != nil {
		return err
	}
	for _, t := range tables {
		var err error
		switch t.Name {
		case schema.NameRuns:
			err = w.copy(ctx, t, everyRow, w.editRuns)
		case schema.NameColumns:
			err = w.copy(ctx, t, w.keepColumn, w.editColumns)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type keepRow func(c transform.Columns, batchRow, tableRow int) bool

func everyRow(transform.Columns, int, int) bool { return true }

// keep tells which rows of a table stay.
func (w *versionEraser) keep(table string) keepRow {
	switch table {
	case schema.NameUsers:
		return func(_ transform.Columns, _, row int) bool { return !w.doomed.users[row] }
	case schema.NameUsersFlat:
		return func(c transform.Columns, i, row int) bool {
			if w.doomed.users[row] {
				return false
			}
			item, models := c.Hash("_item_hash", i), c.Hash("_models_hash", i)
			_, _ = w.sum.Write(item[:]) // a hash takes everything
			_, _ = w.sum.Write(models[:])
			return true
		}
	case schema.NameUserContext, schema.NameUserModels, schema.NameDimensions, schema.NameVariables, schema.NameMemories:
		return func(c transform.Columns, i, _ int) bool {
			return !w.doomed.pairs[[2]string{c.Text("org_id", i).String, c.Text("user_id", i).String}]
		}
	case schema.NameUsersHistory, schema.NameUsersDeleted, schema.NameUsersChanges, schema.NameIssues:
		return func(c transform.Columns, i, _ int) bool { return !w.goes(table, c, i) }
	}
	return everyRow
}

func (w *versionEraser) keepColumn(c transform.Columns, i, _ int) bool {
	return c.Text("table_name", i).String != schema.NameUsersFlat || !w.doomed.columns[c.Text("column_name", i).String]
}

// copy hands the rows that stay on, edited where edit is given.
func (w *versionEraser) copy(ctx context.Context, t schema.Table, keep keepRow, edit func(arrow.Record) (arrow.Record, error)) error {
	w.nulls[t.Name] = make([]int64, len(t.Columns))
	row := 0
	return eachRecord(ctx, w.old, w.mem, t.Name, func(batch arrow.Record) error {
		whole, err := project(batch, t)
		if err != nil {
			return err
		}
		defer whole.Release()
		c := transform.ColumnsOf(batch)
		var stay [][2]int // runs of rows, from and to
		for i := range c.Rows() {
			row++
			switch n := len(stay); {
			case !keep(c, i, row-1):
				w.erased++
			case n > 0 && stay[n-1][1] == i:
				stay[n-1][1]++
			default:
				stay = append(stay, [2]int{i, i + 1})
			}
		}
		kept, err := w.gather(whole, stay)
		if err != nil {
			return err
		}
		return w.pass(t, kept, edit)
	})
}

// gather copies runs of rows into a batch of their own. Slices will not do: what a sink makes of a bitmap that begins within a byte is
// not to be relied on.
func (w *versionEraser) gather(whole arrow.Record, stay [][2]int) (arrow.Record, error) {
	rows := 0
	for _, s := range stay {
		rows += s[1] - s[0]
	}
	if int64(rows) == whole.NumRows() {
		whole.Retain()
		return whole, nil
	}
	if rows == 0 {
		return whole.NewSlice(0, 0), nil
	}
	columns := make([]arrow.Array, whole.NumCols())
	defer func() {
		for _, c := range columns {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, c := range whole.Columns() {
		parts := make([]arrow.Array, len(stay))
		for k, s := range stay {
			parts[k] = array.NewSlice(c, int64(s[0]), int64(s[1]))
		}
		var err error
		columns[i], err = array.Concatenate(parts, w.mem)
		for _, p := range parts {
			p.Release()
		}
		if err != nil {
			return nil, err
		}
	}
	return array.NewRecord(whole.Schema(), columns, int64(rows)), nil
}

// project is a batch with the table's columns under the table's own schema.
func project(batch arrow.Record, t schema.Table) (arrow.Record, error) {
	columns := make([]arrow.Array, len(t.Columns))
	for i, c := range t.Columns {
		at := batch.Schema().FieldIndices(c.Name)
		if len(at) != 1 {
			return nil, fmt.Errorf("%s has no column %s", t.Name, c.Name)
		}
		columns[i] = batch.Column(at[0])
	}
	return array.NewRecord(t.Arrow(), columns, batch.NumRows()), nil
}

func (w *versionEraser) pass(t schema.Table, part arrow.Record, edit func(arrow.Record) (arrow.Record, error)) error {
	defer part.Release()
	if part.NumRows() == 0 {
		return nil
	}
	if edit != nil {
		edited, err := edit(part)
		if err != nil {
			return err
		}
		defer edited.Release()
		part = edited
	}
	for i, c := range part.Columns() {
		w.nulls[t.Name][i] += int64(c.NullN())
	}
	w.rows[t.Name] += part.NumRows()
	return w.out.Append(t.Name, part)
}

// certify finds the hash of the users who stay, and remembers which hash it takes the place of.
func (w *versionEraser) certify() error {
	s, err := summaryOf(w.old)
	if err != nil {
		return err
	}
	w.intent.Sums[s.Certificate.UsersSHA256] = hex.EncodeToString(w.sum.Sum(nil))
	return nil
}

func summaryOf(v publish.Version) (Summary, error) {
	var s Summary
	if err := json.Unmarshal(v.Manifest.Summary, &s); err != nil {
		return s, fmt.Errorf("version %s: manifest.json: summary: %w", v.Run, err)
	}
	return s, nil
}

// editRuns gives the runs the hashes of the users who stay. A hash whose users cannot be told any more says something of those who are
// gone: it goes too.
func (w *versionEraser) editRuns(batch arrow.Record) (arrow.Record, error) {
	c := transform.ColumnsOf(batch)
	batch = replaceText(w.mem, batch, "users_sha256", func(i int, old string) string { return w.sumFor(old, c.Micros("started_at", i).At) })
	defer batch.Release()
	return replaceText(w.mem, batch, "asked_as", func(_ int, old string) string {
		if w.names[old] {
			return ""
		}
		return old
	}), nil
}

// replaceText is the batch with another text in a column; an empty one is NULL.
func replaceText(mem memory.Allocator, batch arrow.Record, column string, text func(row int, old string) string) arrow.Record {
	b := array.NewStringBuilder(mem)
	defer b.Release()
	at := batch.Schema().FieldIndices(column)[0]
	old := batch.Column(at).(*array.String)
	for i := range old.Len() {
		if v := text(i, old.Value(i)); v != "" {
			b.Append(v)
		} else {
			b.AppendNull()
		}
	}
	return replaceColumn(batch, at, b.NewArray())
}

func replaceColumn(batch arrow.Record, at int, fresh arrow.Array) arrow.Record {
	defer fresh.Release()
	columns := append([]arrow.Array(nil), batch.Columns()...)
	columns[at] = fresh
	return array.NewRecord(batch.Schema(), columns, batch.NumRows())
}

// editColumns counts the shares of NULLs anew.
func (w *versionEraser) editColumns(batch arrow.Record) (arrow.Record, error) {
	c := transform.ColumnsOf(batch)
	b := array.NewFloat64Builder(w.mem)
	defer b.Release()
	for i := range c.Rows() {
		table := c.Text("table_name", i).String
		column := w.described[table]
		w.described[table]++
		if n := w.rows[table]; n > 0 && table != schema.NameColumns {
			b.Append(float64(w.nulls[table][column]) / float64(n))
		} else {
			b.AppendNull()
		}
	}
	return replaceColumn(batch, batch.Schema().FieldIndices("null_share")[0], b.NewArray()), nil
}

// manifest marks the version's certificate as superseded by one over the users who stay.
func (w *versionEraser) manifest(m *publish.Manifest) error {
	s, err := summaryOf(w.old)
	if err != nil {
		return err
	}
	w.supersede(&s, w.intent.Sums[s.Certificate.UsersSHA256])
	s.Users = w.rows[schema.NameUsers]
	if m.Summary, err = json.Marshal(s); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	m.Erasures = append(m.Erasures, publish.Erasure{At: w.intent.At, Users: len(w.users)})
	return nil
}

package transform

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// Role is a role as users_flat and roles show it.
type Role struct {
	Org                   Text
	ID, Name, Description Text
}

// Builder turns rows into the record batches of every table. Rows are handed to it in the order of the tables: by scope, then user_id,
// bytewise. Close flushes the last batches; Release frees what an abandoned build holds.
type Builder struct {
	mem    memory.Allocator
	run    string
	prefs  *Preferences
	tables map[string]*batcher
	spare  map[string]*batcher
	order  []string
	cells  [][]byte
	roles  map[string]map[string]Text // scope → role id → name
	first  *batcher                   // in a first version: what users_history has beside the columns of users

	QuarantinedRows, QuarantinedCells int64
}

// NewBuilder makes a builder for these tables of a run. prefs must have learned all rows' preferences.
func NewBuilder(mem memory.Allocator, run string, prefs *Preferences, tables []schema.Table, emit Emit) *Builder {
	prefs.Columns() // settled before the first row
	b := &Builder{mem: mem, run: run, prefs: prefs, tables: map[string]*batcher{}, spare: map[string]*batcher{}, roles: map[string]map[string]Text{}}
	b.cells = make([][]byte, len(prefs.columns))
	for _, t := range tables {
		b.tables[t.Name] = newBatcher(mem, t, emit)
		b.order = append(b.order, t.Name)
	}
	return b
}

// First says that the version is the first one: each user has one row of history, which History is given right behind User. The batches of
// users_history share the cells of those of users, and follow them.
func (b *Builder) First() {
	users, history := b.tables[schema.NameUsers], b.tables[schema.NameUsersHistory]
	emit := users.emit
	var twelve arrow.Record
	own := schema.Table{Name: history.table.Name, Columns: history.table.Columns[len(users.table.Columns):]}
	b.first = newBatcher(b.mem, own, func(table string, batch arrow.Record) error {
		if batch.NumRows() != twelve.NumRows() {
			return fmt.Errorf("%d users of a first version have %d rows of history", twelve.NumRows(), batch.NumRows())
		}
		whole := array.NewRecord(history.b.Schema(), slices.Concat(twelve.Columns(), batch.Columns()), batch.NumRows())
		defer whole.Release()
		return emit(table, whole)
	})
	users.emit = func(table string, batch arrow.Record) error {
		if err := emit(table, batch); err != nil {
			return err
		}
		twelve = batch
		return b.first.flush()
	}
}

// Close hands on the batches that are not full.
func (b *Builder) Close() error {
	for _, name := range b.order {
		if err := b.tables[name].flush(); err != nil {
			return err
		}
	}
	return nil
}

// Flush hands on the rows of a table so far.
func (b *Builder) Flush(table string) error { return b.tables[table].flush() }

// Release frees the builder's memory.
func (b *Builder) Release() {
	for _, t := range b.tables {
		t.release()
	}
	for _, t := range b.spare {
		t.release()
	}
	if b.first != nil {
		b.first.release()
	}
}

// ParseRole reads a role of the roles request. ok is false where it has no id.
func ParseRole(raw []byte, org Text) (r Role, ok bool) {
	var c cells
	r.Org = org
	_ = rawjson.Members(raw, func(key, value []byte) error { // validated when it came
		switch string(rawjson.Plain(key)) {
		case `"id"`:
			r.ID = c.text(value, "role_id")
		case `"name"`:
			r.Name = c.text(value, "name")
		case `"description"`:
			r.Description = c.text(value, "description")
		}
		return nil
	})
	return r, r.ID.Valid
}

// Role adds a role of a scope. Roles come before the users who have them.
func (b *Builder) Role(scope string, r Role) error {
	if b.roles[scope] == nil {
		b.roles[scope] = map[string]Text{}
	}
	b.roles[scope][r.ID.String] = r.Name
	t := b.tables[schema.NameRoles]
	t.text(r.Org)
	t.text(r.ID)
	t.text(r.Name)
	t.text(r.Description)
	return t.end()
}

// User adds a live user to users and to every table flattened from it, but for those named by there, which have the user's rows already.
// issues are those of the row's record.
func (b *Builder) User(r *Row, issues []Issue, there ...string) error {
	b.exchange(there)
	defer b.exchange(there)
	report := func(i Issue) { issues = append(issues, i) }
	t := b.tables[schema.NameUsers]
	twelve(t, r)
	if b.first != nil { // the row of history comes first
		t.endRow()
	} else if err := t.end(); err != nil {
		return err
	}
	models, err := b.children(r, report)
	if err != nil {
		return err
	}
	if err := b.flat(r, models, report); err != nil {
		return err
	}
	return b.Issues(r.Scope, r.Org, Text{r.UserID, true}, issues)
}

// exchange puts batchers whose rows go nowhere in the place of those of these tables, or puts these back.
func (b *Builder) exchange(tables []string) {
	for _, name := range tables {
		if b.spare[name] == nil {
			b.spare[name] = newBatcher(b.mem, b.tables[name].table, func(string, arrow.Record) error { return nil })
		}
		b.tables[name], b.spare[name] = b.spare[name], b.tables[name]
	}
}

// Issues adds quarantined cells or rows of one user; user is NULL for a row without an identity.
func (b *Builder) Issues(scope string, org, user Text, issues []Issue) error {
	t := b.tables[schema.NameIssues]
	for _, i := range issues {
		if i.Row {
			b.QuarantinedRows++
			t.str("row")
		} else {
			b.QuarantinedCells++
			t.str("cell")
		}
		t.text(org)
		t.text(user)
		t.str(rawjson.Printable([]byte(i.Path)))
		t.text(Text{i.Column, i.Column != ""})
		t.str(i.Reason)
		t.str(rawjson.Printable(i.Raw))
		t.str(b.run)
		t.str(scope)
		if err := t.end(); err != nil {
			return err
		}
	}
	return nil
}

// twelve appends the cells of the documented columns.
func twelve(t *batcher, r *Row) {
	t.text(r.ID)
	t.json(r.Context)
	t.text(r.Email)
	t.text(r.FirstName)
	t.text(r.LastName)
	t.text(r.Org)
	t.json(r.Preferences)
	t.text(r.Region)
	t.text(r.Role)
	t.time(r.UpdatedAt)
	t.str(r.UserID)
	t.json(r.Models)
}

// Version is a row of users_history.
type Version struct {
	Row      *Row
	From, To Micros
	Deleted  bool
	Run      string
}

// History adds a version of a user; it is the open one where To is NULL.
func (b *Builder) History(v Version) error {
	t := b.tables[schema.NameUsersHistory]
	if b.first != nil {
		t = b.first
	} else {
		twelve(t, v.Row)
	}
	t.time(v.From)
	t.time(v.To)
	t.bool(!v.To.Valid, true)
	t.bool(v.Deleted, true)
	t.str(v.Run)
	t.str(v.Row.Scope)
	if b.first == nil {
		return t.end()
	}
	t.endRow()
	if users := b.tables[schema.NameUsers]; users.full() {
		return users.flush()
	}
	return nil
}

// Op is what happened to a user.
type Op string

// The operations of users_changes.
const (
	Added    Op = "added"
	Changed  Op = "changed"
	Enriched Op = "enriched"
	Deleted  Op = "deleted"
	Returned Op = "returned"
)

// Change adds a row of users_changes for this run.
func (b *Builder) Change(r *Row, op Op, paths []string) error {
	t := b.tables[schema.NameUsersChanges]
	t.str(b.run)
	t.text(r.Org)
	t.str(r.UserID)
	t.str(string(op))
	t.strs(paths)
	t.str(r.Scope)
	return t.end()
}

// Evidence is why a user counts as deleted.
type Evidence struct {
	Run      string `json:"run"`      // the run that found the user absent
	Proof    string `json:"proof"`    // of the certified sweep that did not have the user
	AskedFor bool   `json:"by_id"`    // asked for by id, and absent again
	Accepted bool   `json:"accepted"` // let through by --accept-deletes
}

// Deletion adds a row of users_deleted.
func (b *Builder) Deletion(r *Row, at Micros, lastSeen string, e Evidence) error {
	doc, err := json.Marshal(e)
	if err != nil {
		return err
	}
	t := b.tables[schema.NameUsersDeleted]
	t.text(r.Org)
	t.str(r.UserID)
	t.time(at)
	t.str(lastSeen)
	t.json(doc)
	t.str(r.Scope)
	return t.end()
}

// splitEntry reads "Name: value": what stands before the first ": ", where that has no colon itself, and what stands behind it.
func splitEntry(entry string) (name, value Text) {
	before, after, found := strings.Cut(entry, ": ")
	if !found || before == "" || after == "" || strings.Contains(before, ":") {
		return Text{}, Text{}
	}
	return Text{before, true}, Text{after, true}
}

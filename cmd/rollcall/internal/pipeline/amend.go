package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// A version in which little changed is made by amending the one before: what it has of users whom this run did not touch stays as it is, in
// DuckDB and in Parquet, and is not made from their records again.

// keptTables are those whose rows stay. The others are small.
var keptTables = []string{
	schema.NameUsers, schema.NameUsersFlat, schema.NameUserContext, schema.NameUserModels, schema.NameDimensions, schema.NameVariables,
	schema.NameUsersHistory, schema.NameUsersDeleted, schema.NameUsersChanges,
}

// modelTables are flattened from context and models, childTables from those and the rest of a user.
var (
	modelTables = []string{schema.NameUserContext, schema.NameUserModels, schema.NameDimensions}
	childTables = append([]string{schema.NameVariables}, modelTables...)
)

// mostTouched is the share of users beyond which a version is built whole: to delete and insert is dearer than to insert.
const mostTouched = 0.2

// DamagedError says that the version before is not as it was published, so that nothing can be built upon it.
type DamagedError struct {
	Run string
	err error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the current version %s is damaged: %v", e.Run, e.err)
}

func (e *DamagedError) Unwrap() error { return e.err }

// Hints says what to do.
func (e *DamagedError) Hints() []string {
	return []string{"nothing is built upon a version that somebody wrote to: rollcall rollback makes an earlier one current, and the next run goes on from there",
		"rollcall verify names every file that differs"}
}

// amends tells whether the version can be made by amending the one before, and marks the decisions that touch something.
func (r *run) amends(d *decisions, tables []schema.Table) bool {
	if !r.prior.exists || r.offline || r.always || r.o.Command != Sync || r.rolesChanged() || r.prior.madeUnder() != r.pii.Fingerprint() ||
		!r.prior.version.Amendable(tables) {
		return false
	}
	n, most := 0, mostTouched*float64(d.list.Len())
	keys := map[userKey]bool{}
	for x := range d.each() {
		if x.untouched() {
			continue
		}
		x.mark(touched)
		if n++; float64(n) > most {
			return false // the marks are for amending alone
		}
		if x.known && len(d.scopes) > 1 {
			keys[keyOf(x.before)] = true
		}
	}
	if len(keys) == 0 {
		return true
	}
	// Of users of two organizations the tables may have one key; they are touched together, for rows go by that key.
	for x := range d.each() {
		if !x.is(touched) && keys[keyOf(x.before)] {
			x.mark(touched)
			n++
		}
	}
	return float64(n) <= most
}

// untouched tells whether the user's rows stay as they are, but for the run that they name.
func (x *decision) untouched() bool {
	switch x.what {
	case kept:
		return true
	case same:
		models := x.models()
		return models.from != inAnswer && models.state == x.before.State && models.at == x.before.ModelsAt && models.stats == x.before.StatsAtLast &&
			x.entry.extras == x.before.ExtrasHash
	}
	return false
}

// spare finds out in which tables the rows of a touched user stay all the same: where the user's models, or variables, did not change. For
// the rows also have the org_id, the item is read.
func (x *decision) spare() error {
	if x.entry == nil || !x.known || x.what == deleted {
		return nil
	}
	row, _, err := x.org.roster.row(x.entry)
	if err != nil || row.Org != x.before.Org {
		return err
	}
	if x.models().hash == x.before.ModelsHash {
		x.mark(sameModels)
	}
	if x.entry.extras == x.before.ExtrasHash {
		x.mark(sameExtra)
	}
	return nil
}

// userKey is what rows flattened from a user are found by: org_id and user_id, or, where the table has it, the scope and user_id.
type userKey struct {
	of   transform.Text
	user string
}

func keyOf(u transform.PriorUser) userKey { return userKey{u.Org, u.UserID} }

// keyAt is the key of a row of a table that has org_id and user_id. It shares the batch's memory.
func keyAt(c transform.Columns, row int) userKey {
	return userKey{c.Text("org_id", row), c.Text("user_id", row).String}
}

func (id identity) key() userKey {
	return userKey{transform.Text{String: id.scope, Valid: true}, id.user}
}

// remove takes out of DuckDB what the version before has of the users who are touched, but for their past, which it closes.
func (b *build) remove() error {
	of := map[userKey]int{}
	for x := range b.d.each() {
		if x.is(touched) && x.known {
			of[keyOf(x.before)]++
		}
	}
	keys := map[string][]userKey{}
	var closed, anew, back []userKey
	for x := range b.d.each() {
		if x.is(touched) && x.known {
			if of[keyOf(x.before)] == 1 { // what goes by a key that two have goes for both
				if err := x.spare(); err != nil {
					return err
				}
			}
			for _, table := range append([]string{schema.NameUsers, schema.NameUsersFlat}, childTables...) {
				if !slices.Contains(x.there(), table) {
					keys[table] = append(keys[table], keyOf(x.before))
				}
			}
		}
		switch _, ok := b.verdicts[x.id]; {
		case x.what == enriched:
			anew = append(anew, x.id.key())
		case ok:
			closed = append(closed, x.id.key())
		}
		if x.what == returned {
			back = append(back, x.id.key())
		}
	}
	if err := b.rename(); err != nil {
		return err
	}
	for table, gone := range keys {
		if err := b.removeKeys(table, "org_id", gone, ""); err != nil {
			return err
		}
	}
	if err := b.removeKeys(schema.NameUsersHistory, "_scope", anew, "t._is_current"); err != nil {
		return err
	}
	if err := b.closeKeys(closed); err != nil {
		return err
	}
	return b.removeKeys(schema.NameUsersDeleted, "_scope", back, "")
}

func (b *build) removeKeys(table, of string, keys []userKey, condition string) error {
	if len(keys) == 0 {
		return nil
	}
	batch := keyBatch(b.mem, of, keys)
	defer batch.Release()
	return b.out.Delete(table, batch, condition)
}

// rename has the rows of users_flat name this run in DuckDB: as that which made the version, and, but for users who were not seen, as the last that saw
// them.
func (b *build) rename() error {
	run := schema.Literal(b.dataRun())
	if err := b.out.Fill(schema.NameUsersFlat, "_run_id", run, nil); err != nil {
		return err
	}
	seen := run
	var others []string
	for _, s := range b.d.scopes {
		if s.org == nil {
			others = append(others, schema.Literal(s.before.name))
		}
	}
	if len(others) > 0 { // organizations that were not asked
		seen = fmt.Sprintf("CASE WHEN _scope IN (%s) THEN _last_seen_run ELSE %s END", strings.Join(others, ", "), run)
	}
	var unseen []userKey
	for x := range b.d.each() {
		if x.what == kept && x.org != nil {
			unseen = append(unseen, x.id.key())
		}
	}
	batch := keyBatch(b.mem, "_scope", unseen)
	defer batch.Release()
	return b.out.Fill(schema.NameUsersFlat, "_last_seen_run", seen, batch)
}

// closeKeys closes the open rows of the history that users have in DuckDB.
func (b *build) closeKeys(keys []userKey) error {
	if len(keys) == 0 {
		return nil
	}
	batch := keyBatch(b.mem, "_scope", keys)
	defer batch.Release()
	set := fmt.Sprintf("_valid_to = make_timestamp(%d), _is_current = false", b.clock.UnixMicro())
	return b.out.Update(schema.NameUsersHistory, batch, set, "t._is_current")
}

// keyBatch is a batch of two columns: of, and user_id.
func keyBatch(mem memory.Allocator, of string, keys []userKey) arrow.Record {
	text := arrow.BinaryTypes.String
	rb := array.NewRecordBuilder(mem, arrow.NewSchema([]arrow.Field{{Name: of, Type: text, Nullable: true}, {Name: "user_id", Type: text, Nullable: true}}, nil))
	defer rb.Release()
	for _, k := range keys {
		if k.of.Valid {
			rb.Field(0).(*array.StringBuilder).Append(k.of.String)
		} else {
			rb.Field(0).AppendNull()
		}
		rb.Field(1).(*array.StringBuilder).Append(k.user)
	}
	return rb.NewRecord()
}

// carryChildren takes over the rows flattened from users who are not touched, and their issues.
func (b *build) carryChildren(ctx context.Context) error {
	ids := map[identity]bool{}
	for x := range b.d.each() {
		if x.is(touched) {
			ids[x.id] = true
		}
	}
	for _, table := range childTables {
		keys := map[userKey]bool{}
		grows := false
		for x := range b.d.each() {
			if !x.is(touched) || slices.Contains(x.there(), table) {
				continue
			}
			if x.known {
				keys[keyOf(x.before)] = true
			}
			grows = grows || x.what != deleted
		}
		var gone func(c transform.Columns, i int) bool
		if len(keys) > 0 {
			gone = func(c transform.Columns, i int) bool { return keys[keyAt(c, i)] }
		}
		if err := b.carryTable(ctx, table, grows, []string{"org_id", "user_id"}, gone); err != nil {
			return err
		}
	}
	return b.carryTable(ctx, schema.NameIssues, true, []string{"kind", "_scope", "user_id"}, func(c transform.Columns, i int) bool {
		gone := c.Text("kind", i).String == "row" || ids[scoped(c, i)]
		if !gone {
			b.rowsOf.QuarantinedCells++
		}
		return gone
	})
}

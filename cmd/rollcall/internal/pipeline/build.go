package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// build fills the tables of a version from the decisions. Users go through in the order of the tables, beside the version before, whose rows
// have the same order.
type build struct {
	*run
	d      *decisions
	tables []schema.Table
	prefs  []transform.PriorColumn
	out    *publish.Building
	rowsOf *transform.Builder

	amends bool // the version before; else all rows are written anew

	verdicts map[identity]verdict // those that touch the history
	opened   map[identity]opened  // open history rows that are written anew

	revised *revision // of users and users_flat, where the version before is amended; nil: no rows of them are to come
}

// opened is when and by which run an open history row was written.
type opened struct {
	from transform.Micros
	run  string
}

func (b *build) fill(ctx context.Context) error {
	b.rowsOf = transform.NewBuilder(b.mem, b.dataRun(), b.run.prefs, b.tables, b.append)
	defer b.rowsOf.Release()
	if !b.prior.exists {
		b.rowsOf.First()
		if err := b.out.Follow(schema.NameUsersHistory, schema.NameUsers); err != nil {
			return err
		}
	}
	steps := []func(context.Context) error{b.addRoles, b.carry, b.addUsers, b.addMemories, b.addQuarantine, b.addRun, b.addColumns}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// append takes a batch of new rows.
func (b *build) append(table string, batch arrow.Record) error {
	if b.revised != nil && b.revised.has(table) {
		return b.revised.insert(table, batch)
	}
	return b.out.Append(table, batch)
}

// addRoles takes the roles that were asked for, and of the other organizations those of the version before.
func (b *build) addRoles(context.Context) error {
	for _, o := range b.orgs {
		if !o.rolesKnown {
			continue
		}
		for _, role := range o.roles {
			if err := b.rowsOf.Role(o.name, role); err != nil {
				return err
			}
		}
	}
	for _, role := range b.prior.roles {
		if o := b.orgOf(role.Org.String); o != nil && o.rolesKnown {
			continue
		}
		if err := b.rowsOf.Role(role.Org.String, role); err != nil {
			return err
		}
	}
	return nil
}

// addUsers goes through the decisions beside the version before.
func (b *build) addUsers(ctx context.Context) error {
	before, err := b.openBefore(ctx)
	if err != nil {
		return err
	}
	err = b.eachDecision(ctx, before)
	if b.revised != nil {
		b.revised.release()
	}
	return errors.Join(err, before.close())
}

func (b *build) eachDecision(ctx context.Context, before *beforeRows) error {
	i := 0
	for x := range b.d.each() {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			b.progress("build", int64(i), int64(b.d.list.Len()))
		}
		i++
		if x.known {
			if err := before.advance(ctx, x.id); err != nil {
				return err
			}
		}
		if b.revised != nil && !x.is(touched) {
			b.revised.keep(before.row, x.what == kept)
		} else {
			var old *transform.Row
			if x.known {
				old = before.at()
			}
			if err := b.addUser(x, old, before); err != nil {
				return err
			}
			if b.revised != nil && x.what != deleted {
				b.revised.replace()
			}
		}
		if b.revised != nil && before.last() {
			if err := b.endRevision(before); err != nil {
				return err
			}
		}
	}
	if b.revised != nil {
		return fmt.Errorf("read the version %s: it has users whom nothing is known of", b.prior.version.Run)
	}
	return nil
}

// endRevision hands on what became of the last rows of the version before. What comes behind them is new.
func (b *build) endRevision(before *beforeRows) error {
	err := before.revise()
	b.revised = nil
	return err
}

// addUser writes one decision. old is the user's row of the version before, with its twelve columns, nil where there was none.
func (b *build) addUser(x *decision, old *transform.Row, before *beforeRows) error {
	at := transform.MicrosOf(b.clock)
	if x.what == deleted {
		return b.addDeletion(x, old, at)
	}
	if x.what == kept {
		row := *old
		if err := before.restore(&row); err != nil {
			return err
		}
		return b.rowsOf.User(&row, b.prior.issues[x.id])
	}
	row, issues, err := b.row(x, old, at)
	if err != nil {
		return err
	}
	if err := b.rowsOf.User(&row, issues, x.there()...); err != nil {
		return err
	}
	return b.addVersion(x, &row, old, at)
}

// row is a seen user's row of this version.
func (b *build) row(x *decision, old *transform.Row, at transform.Micros) (transform.Row, []transform.Issue, error) {
	row, issues, err := x.org.roster.row(x.entry)
	if err != nil {
		return row, nil, err
	}
	models := x.models()
	switch models.from {
	case inAnswer:
		raw, err := b.spill.get(x.org.roster.answers(x.entry).model)
		if err != nil {
			return row, nil, err
		}
		row.SetModels(transform.DecodeModels(raw, func(i transform.Issue) { issues = append(issues, i) }))
	case inPrior:
		row.Context, row.Models, row.ModelsHash = old.Context, old.Models, old.ModelsHash
		for _, i := range b.prior.issues[x.id] {
			if i.Column == "additional_context" || i.Column == "user_models" {
				issues = append(issues, i)
			}
		}
	case nowhere:
		row.SetModels(nil, nil)
	}
	row.State, row.ModelsAt, row.StatsAtLast, row.LastSeen = models.state, models.at, models.stats, b.dataRun()
	row.FirstSeen, row.ChangedAt = at, at
	if old != nil {
		row.FirstSeen = old.FirstSeen
		if x.what == same || x.what == enriched {
			row.ChangedAt = old.ChangedAt
		}
	}
	if row.Observed {
		row.UpdatedAt = at
		if old != nil && (x.what == same || x.what == enriched) {
			row.UpdatedAt = old.UpdatedAt
		}
	}
	return row, issues, nil
}

// addVersion writes the history and the change of a seen user.
func (b *build) addVersion(x *decision, row, old *transform.Row, at transform.Micros) error {
	version := transform.Version{Row: row, From: at, Run: b.dataRun()}
	var op transform.Op
	var paths []string
	switch x.what {
	case same:
		return nil
	case added:
		op = transform.Added
	case returned:
		op = transform.Returned
	case changed:
		op, paths = transform.Changed, transform.ChangedPaths(old, row)
	case enriched:
		op, paths = transform.Enriched, transform.ChangedPaths(old, row)
		o, ok := b.opened[x.id]
		if !ok {
			return fmt.Errorf("users_history of the version %s has no open row for a live user", b.prior.version.Run)
		}
		version.From, version.Run = o.from, o.run
	}
	if err := b.rowsOf.History(version); err != nil {
		return err
	}
	return b.rowsOf.Change(row, op, paths)
}

func (b *build) addDeletion(x *decision, old *transform.Row, at transform.Micros) error {
	if err := b.rowsOf.History(transform.Version{Row: old, From: at, Deleted: true, Run: b.dataRun()}); err != nil {
		return err
	}
	if err := b.rowsOf.Change(old, transform.Deleted, nil); err != nil {
		return err
	}
	return b.rowsOf.Deletion(old, at, old.LastSeen, transform.Evidence{
		Run: b.dataRun(), Proof: x.org.certificate.Proof, AskedFor: true, Accepted: b.rules.AcceptDeletes,
	})
}

// addQuarantine writes the rows without an identity.
func (b *build) addQuarantine(context.Context) error {
	for _, o := range b.orgs {
		keys := make([]string, 0, len(o.roster.rows))
		for k := range o.roster.rows {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			issue := transform.Issue{Row: true, Path: "$", Reason: "no usable user_id", Raw: o.roster.rows[k]}
			if err := b.rowsOf.Issues(o.name, o.roster.defaults.Org, transform.Text{}, []transform.Issue{issue}); err != nil {
				return err
			}
		}
	}
	b.d.summary.QuarantinedRows, b.d.summary.QuarantinedCells = b.rowsOf.QuarantinedRows, b.rowsOf.QuarantinedCells
	return nil
}

func (b *build) addRun(context.Context) error {
	b.d.settle()
	return b.rowsOf.Run(b.runRow(&b.d.summary))
}

// addColumns describes every column; it comes last, for it counts the NULLs of the others.
func (b *build) addColumns(context.Context) error {
	if err := b.rowsOf.Close(); err != nil {
		return err
	}
	declared := map[string]bool{}
	typed := map[string]bool{}
	for _, p := range b.prefs {
		declared[p.Column.Name], typed[p.Column.Name] = p.Declared, p.Typed
	}
	for _, t := range b.tables {
		for i, c := range t.Columns {
			isDeclared, learned := declared[c.Name]
			isPref := t.Name == schema.NameUsersFlat && learned
			if err := b.rowsOf.Column(b.columnRow(t, i, c, !isPref || isDeclared, !isPref || typed[c.Name])); err != nil {
				return err
			}
		}
	}
	return b.rowsOf.Close()
}

func (b *build) columnRow(t schema.Table, i int, c schema.Column, declared, typed bool) transform.ColumnRow {
	row := transform.ColumnRow{Table: t.Name, Column: c, Declared: declared, FirstRun: b.dataRun()}
	if old, ok := b.prior.columns[[2]string{t.Name, c.Name}]; ok {
		row.FirstRun, row.LastRun, row.Types = old.firstRun, old.lastRun, old.types
	}
	if now := c.Type.String(); typed && (len(row.Types) == 0 || row.Types[len(row.Types)-1] != now) {
		row.Types = append(slices.Clone(row.Types), now)
	}
	if n, all := b.out.Nulls(t.Name); n > 0 {
		nulls := all[i]
		row.NullShare, row.HasShare = float64(nulls)/float64(n), true
		if nulls < n {
			row.LastRun = b.dataRun()
		}
	}
	return row
}

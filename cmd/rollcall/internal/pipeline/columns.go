package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigosql"
	"github.com/rollcall-data/rollcall/extract/sweep"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// What the user list of source: amigo lacks of the twelve columns can come from the SQL endpoint (sql_columns): _id, region_name and updated_at. They
// count as part of the list item, which they complete and never contradict. Whoever the endpoint has no row of in this run, for it was not asked or
// did not answer, keeps what the version before has, as models are kept; but for updated_at where the user has changed since, which it does
// not tell any more.

// complementer is a source that has what another's list lacks.
type complementer interface {
	Complement(ctx context.Context, seen func(sweep.Item) error) error
}

// noteColumnsMissed and an organization's name say whether its SQL endpoint left the run without some of what it was asked for.
const noteColumnsMissed = "sql_columns_missed/"

// askColumns asks the SQL endpoint for what it has of the users seen, and of those who may yet be found by id.
func (r *run) askColumns(ctx context.Context, t target, o *org) error {
	if t.columns == nil {
		return nil
	}
	o.columns = newByKey[extent](r.space)
	err := t.columns.Complement(ctx, func(i sweep.Item) error {
		if o.roster.find(i.Key) == nil && !r.prior.has(identity{o.name, i.Key}) || r.offline && erased(i) {
			return nil
		}
		where, err := r.spill.put(r.pii.Record(i.Raw))
		if err == nil {
			*o.columns.add(i.Key) = where
		}
		return err
	})
	missed, err := r.columnsMissed(ctx, o, err)
	if err != nil || r.offline || missed == wasMissed(r.journal, o.name) {
		return err
	}
	return r.journal.Note(ctx, noteColumnsMissed+o.name, missed)
}

// noter is what was noted in a journal.
type noter interface {
	Noted(name string) (json.RawMessage, bool)
}

func wasMissed(j noter, org string) bool {
	v, ok := j.Noted(noteColumnsMissed + org)
	return ok && string(v) == "true"
}

// columnsMissed judges how the SQL endpoint was asked: what is to be gone on without, and what ends the run.
func (r *run) columnsMissed(ctx context.Context, o *org, err error) (missed bool, _ error) {
	var refused *amigosql.QueryError
	var unavailable *extract.UnavailableError
	var stuck *sweep.StuckError
	var tooLarge *extract.TooLargeError
	isRefused := errors.As(err, &refused)
	switch {
	case err == nil:
		return false, nil
	case r.offline && errors.Is(err, extract.ErrNotRecorded) && wasMissed(r.journal, o.name):
		return true, nil
	case ctx.Err() != nil || !isRefused && !errors.As(err, &unavailable) && !errors.As(err, &stuck) && !errors.As(err, &tooLarge):
		return false, err
	case r.rules.SQLColumns == config.SQLColumnsAuto:
		r.o.Log.Warn().Str("org", o.name).Err(err).Int("users", o.columns.len()).
			Msg("the SQL endpoint does not complete the list: _id, region_name and updated_at stay as they were for the other users")
		return true, nil
	case isRefused:
		return false, &ColumnsRefusedError{refused}
	}
	return false, err
}

// ColumnsRefusedError says that sql_columns is on, and the SQL endpoint is not to be had.
type ColumnsRefusedError struct {
	refused *amigosql.QueryError
}

func (e *ColumnsRefusedError) Error() string { return "sql_columns is on, and " + e.refused.Error() }

// Unwrap makes it a refusal whatever the status.
func (e *ColumnsRefusedError) Unwrap() []error {
	return []error{e.refused, &extract.RefusedError{Org: e.refused.Org, Kind: extract.KindSQL, Status: e.refused.Status}}
}

// Hints says what to do.
func (e *ColumnsRefusedError) Hints() []string {
	why := "SQL is perhaps not enabled for the organization; Amigo does that on request"
	if e.refused.Status == http.StatusForbidden {
		why = "SQL needs more privileges than DefaultAdministratorRole has; sign in as a user who has them"
	}
	return []string{why, "sql_columns: auto goes on without it"}
}

// fillColumns completes the items of everybody who was seen, now that all are known.
func (r *run) fillColumns(ctx context.Context, o *org) error {
	o.filled = map[string]bool{}
	for user, where := range o.columns.all() {
		e := o.roster.find(user)
		if e == nil {
			continue
		}
		columns, err := r.spill.get(*where)
		if err != nil {
			return err
		}
		if err := o.fill(e, *where, columns); err != nil {
			return err
		}
	}
	if err := r.fillFromSeeds(o); err != nil {
		return err
	}
	return r.fillFromBefore(ctx, o)
}

// fill makes columns, which the spill has at where, part of a user's item.
func (o *org) fill(e *entry, where extent, columns []byte) error {
	row, filled, err := o.roster.completed(e, columns)
	if err != nil {
		return err
	}
	o.complete(e, where, row, filled)
	return nil
}

// completed takes a user's item apart with these columns beside it.
func (r *roster) completed(e *entry, columns []byte) (transform.Row, []string, error) {
	kept, err := r.spill.get(e.item)
	if err != nil {
		return transform.Row{}, nil, err
	}
	_, item := transform.CutOutline(kept)
	record, filled := transform.Complete(item, columns)
	row, _, _ := transform.Decode(record, r.defaults) // it was decoded when it came
	return row, filled, nil
}

// complete makes columns part of a user's item.
func (o *org) complete(e *entry, where extent, row transform.Row, filled []string) {
	if len(filled) == 0 {
		return
	}
	o.roster.answer(e).columns, e.itemHash, e.extras = where, row.ItemHash, row.ExtrasHash
	for _, name := range filled {
		o.filled[name] = true
	}
}

// fillFromSeeds takes what older journals have, in a replay that has no version before.
func (r *run) fillFromSeeds(o *org) error {
	seeds := r.seeds.of(o.name)
	if seeds == nil {
		return nil
	}
	for user, e := range o.roster.all() {
		s := seeds.find(user)
		if s == nil || s.columns.len == 0 || o.columns.find(user) != nil {
			continue
		}
		raw, err := r.seeds.spill.get(s.columns)
		if err != nil {
			return err
		}
		columns := r.pii.Record(raw)
		where, err := r.spill.put(columns)
		if err != nil {
			return err
		}
		if err := o.fill(e, where, columns); err != nil {
			return err
		}
	}
	return nil
}

// fillFromBefore takes what the version before has, of users whom the endpoint has not told about.
func (r *run) fillFromBefore(ctx context.Context, o *org) error {
	names := r.prior.completed()
	if len(names) == 0 {
		return nil
	}
	newRules := r.prior.madeUnder() != r.pii.Fingerprint()
	if newRules { // what one of them is about is not taken from there
		names = slices.DeleteFunc(names, func(name string) bool {
			_, action := r.pii.Hides("$." + name)
			return action != ""
		})
	}
	read := append([]string{"_scope", "user_id", "_updated_at_origin"}, transform.Completed...)
	return eachBatch(ctx, r.prior.version, r.mem, schema.NameUsersFlat, read, func(c transform.Columns) error {
		for i := range c.Rows() {
			if c.Text("_scope", i).String != o.name {
				continue
			}
			user := c.Text("user_id", i).String
			e := o.roster.find(user)
			if o.columns.find(user) != nil || e == nil || e.unkept {
				continue
			}
			values, err := r.valuesBefore(c, i, identity{o.name, user}, names)
			if err != nil {
				return err
			}
			before, _ := r.prior.find(identity{o.name, user})
			changed := func(now transform.Hash) bool { return !newRules && now != before.ItemHash } // new rules change everybody
			if err := r.keepColumns(o, e, values, changed); err != nil {
				return err
			}
		}
		return nil
	})
}

// completed are the columns that the SQL endpoint filled, by the version's own account.
func (p *prior) completed() []string {
	return slices.DeleteFunc(slices.Clone(transform.Completed), func(name string) bool {
		return p.columns[[2]string{schema.NameUsers, name}].origin != schema.FromSQL
	})
}

// valuesBefore are a user's values as a record has them; of what no cell could hold, the quarantined value.
func (r *run) valuesBefore(flat transform.Columns, row int, id identity, names []string) (map[string]json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	for _, name := range names {
		var text transform.Text
		switch {
		case name != "updated_at":
			text = flat.Text(name, row)
		case flat.Text("_updated_at_origin", row).String == "source":
			at := flat.Micros(name, row)
			text = transform.Text{String: time.UnixMicro(at.At).UTC().Format(time.RFC3339Nano), Valid: at.Valid}
		}
		if text.Valid {
			raw, err := json.Marshal(text.String)
			if err != nil {
				return nil, fmt.Errorf("keep a user's %s: %w", name, err)
			}
			values[name] = raw
		}
	}
	for _, i := range r.prior.issues[id] {
		if slices.Contains(names, i.Column) && i.Path == "$."+i.Column && json.Valid(i.Raw) {
			values[i.Column] = i.Raw
		}
	}
	return values, nil
}

// keepColumns completes a user's item with the values of the version before; without updated_at where changed tells by the item's hash that the user
// is not what that was about.
func (r *run) keepColumns(o *org, e *entry, values map[string]json.RawMessage, changed func(transform.Hash) bool) error {
	for len(values) > 0 {
		columns, err := json.Marshal(values)
		if err != nil {
			return fmt.Errorf("keep a user's columns: %w", err)
		}
		row, filled, err := o.roster.completed(e, columns)
		if err != nil {
			return err
		}
		if changed(row.ItemHash) && slices.Contains(filled, "updated_at") {
			delete(values, "updated_at")
			continue
		}
		where, err := r.spill.put(columns)
		if err != nil {
			return err
		}
		o.complete(e, where, row, filled)
		return nil
	}
	return nil
}

// completes are the columns of this run's tables that have values of the SQL endpoint's, be they of a run before.
func (r *run) completes(d *decisions) map[string]bool {
	all := map[string]bool{}
	for _, o := range r.orgs {
		for name := range o.filled {
			all[name] = true
		}
	}
	if d.any(kept) {
		for _, name := range r.prior.completed() {
			all[name] = true
		}
	}
	return all
}

// completedTables are the tables with the SQL endpoint as the origin of the columns that it filled.
func completedTables(tables []schema.Table, names map[string]bool) []schema.Table {
	for i := range tables {
		if t := &tables[i]; t.Name == schema.NameUsers || t.Name == schema.NameUsersFlat || t.Name == schema.NameUsersHistory {
			t.Columns = slices.Clone(t.Columns)
			for k := range t.Columns {
				if names[t.Columns[k].Name] {
					t.Columns[k].Origin = schema.FromSQL
				}
			}
		}
	}
	return tables
}

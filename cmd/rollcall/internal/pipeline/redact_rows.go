package pipeline

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// document writes an object of members that have a value.
type document struct {
	b   []byte
	err error
}

func (d *document) raw(name string, v []byte) {
	if v == nil {
		return
	}
	if len(d.b) == 0 {
		d.b = append(d.b, '{')
	} else {
		d.b = append(d.b, ',')
	}
	d.b = append(append(strconv.AppendQuote(d.b, name), ':'), v...)
}

func (d *document) value(name string, v any) {
	raw, err := json.Marshal(v)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("write %s: %w", name, err)
	}
	d.raw(name, raw)
}

func (d *document) text(name string, t transform.Text) {
	if t.Valid {
		d.value(name, t.String)
	}
}

func (d *document) end() ([]byte, error) {
	if len(d.b) == 0 {
		return []byte("{}"), d.err
	}
	return append(d.b, '}'), d.err
}

// row is a user's row as the rules leave it. The record it came from is put together again from its columns, so that the rules meet what they
// meet in a run. A row that has no time of its own any more has this one.
func (r *redaction) row(old *transform.Row, changed transform.Micros) (*transform.Row, error) {
	var d document
	for _, c := range []struct {
		name string
		text transform.Text
	}{
		{"_id", old.ID}, {"email", old.Email}, {"first_name", old.FirstName}, {"last_name", old.LastName}, {"org_id", old.Org},
		{"region_name", old.Region}, {"role", old.Role}, {"user_id", transform.Text{String: old.UserID, Valid: true}},
	} {
		d.text(c.name, c.text)
	}
	if old.UpdatedAt.Valid {
		d.value("updated_at", time.UnixMicro(old.UpdatedAt.At).UTC())
	}
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"preferences", old.Preferences}, {"additional_context", old.Context}, {"user_models", old.Models}, {"user_stats", old.Extras.Stats},
		{"nonsensitive_variables", old.Extras.Variables}, {"sensitive_variables", old.Extras.Sensitive}, {"enable_actions_access", old.Extras.Actions},
	} {
		d.raw(c.name, c.raw)
	}
	record, err := d.end()
	if err != nil {
		return nil, err
	}
	fresh, _, ok := transform.Decode(r.rules.Record(record), transform.Defaults{Scope: old.Scope})
	if !ok {
		return nil, fmt.Errorf("a row of users has no identity")
	}
	row := *old
	row.ID, row.Email, row.FirstName, row.LastName, row.Org = fresh.ID, fresh.Email, fresh.FirstName, fresh.LastName, fresh.Org
	row.Region, row.Role, row.Preferences, row.Extras = fresh.Region, fresh.Role, fresh.Preferences, fresh.Extras
	if row.UpdatedAt = fresh.UpdatedAt; !fresh.UpdatedAt.Valid && old.UpdatedAt.Valid {
		row.UpdatedAt, row.Observed = changed, true
	}
	row.SetModels(fresh.Context, fresh.Models)
	row.ItemHash, row.ModelsHash = row.Rehash()
	row.Digest = transform.Hash{} // it was of the bytes that were
	return &row, nil
}

// memories takes the memories apart and applies the rules to each.
func (r *redaction) memories(ctx context.Context) error {
	if !r.prior.hasMemories {
		return nil
	}
	return eachBatch(ctx, r.old, r.mem, schema.NameMemories, nil, func(c transform.Columns) error {
		for i := range c.Rows() {
			var d document
			for _, name := range []string{"id", "conversation_id", "content", "context"} {
				d.text(name, c.Text(name, i))
			}
			if at := c.Micros("created_at", i); at.Valid {
				d.value("created_at", time.UnixMicro(at.At).UTC())
			}
			if refs := c.Texts("references", i); refs != nil {
				d.value("references", refs)
			}
			raw, err := d.end()
			if err != nil {
				return err
			}
			org := clone(c.Text("org_id", i))
			if err := r.rowsOf.Memory(org.String, org, c.Text("user_id", i).String, r.rules.Memory(raw)); err != nil {
				return err
			}
		}
		return nil
	})
}

// changes shortens the paths that name what is within a value that the rules take away.
func (r *redaction) changes(ctx context.Context) error {
	t := tableNamed(r.tables, schema.NameUsersChanges)
	return eachRecord(ctx, r.old, r.mem, t.Name, func(batch arrow.Record) error {
		whole, err := project(batch, t)
		if err != nil {
			return err
		}
		defer whole.Release()
		c := transform.ColumnsOf(batch)
		b := array.NewListBuilder(r.mem, arrow.BinaryTypes.String)
		defer b.Release()
		inner := b.ValueBuilder().(*array.StringBuilder)
		for i := range c.Rows() {
			paths := c.Texts("paths", i)
			if paths == nil {
				b.AppendNull()
				continue
			}
			b.Append(true)
			var seen []string
			for _, path := range paths {
				path, _ = r.rules.Hides(path)
				if !slices.Contains(seen, path) {
					seen = append(seen, path)
					inner.Append(path)
				}
			}
		}
		edited := replaceColumn(whole, t.Index("paths"), b.NewArray())
		defer edited.Release()
		return r.emit(t.Name, edited)
	})
}

// runs gives the runs the hashes of their users as the rules leave them; where that cannot be told, the hash goes, for it says something of
// what was there.
func (r *redaction) runs(ctx context.Context) error {
	s, err := summaryOf(r.old)
	if err != nil {
		return err
	}
	r.sums[s.Certificate.UsersSHA256] = hex.EncodeToString(r.sum.Sum(nil))
	t := tableNamed(r.tables, schema.NameRuns)
	return eachRecord(ctx, r.old, r.mem, t.Name, func(batch arrow.Record) error {
		whole, err := project(batch, t)
		if err != nil {
			return err
		}
		defer whole.Release()
		edited := replaceText(r.mem, whole, "users_sha256", func(_ int, old string) string { return r.sums[old] })
		defer edited.Release()
		return r.emit(t.Name, edited)
	})
}

// tableNamed is one of the tables; the zero table where it is not among them.
func tableNamed(tables []schema.Table, name string) schema.Table {
	i := slices.IndexFunc(tables, func(t schema.Table) bool { return t.Name == name })
	if i < 0 {
		return schema.Table{}
	}
	return tables[i]
}

package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
	"github.com/rollcall-data/rollcall/transform/pii"
)

// Unredacted lists the versions that were not made under the rules about personal data in force, the oldest first: they may hold what the rules
// take away.
func Unredacted(wh *publish.Warehouse, rules *pii.Rules) ([]publish.Version, error) {
	runs, err := wh.Versions()
	if err != nil || rules == nil {
		return nil, err
	}
	var out []publish.Version
	for _, run := range runs {
		v, err := wh.Version(run)
		if err != nil {
			return nil, err
		}
		s, err := summaryOf(v)
		if err != nil {
			return nil, err
		}
		if s.PII != rules.Fingerprint() {
			out = append(out, v)
		}
	}
	return out, nil
}

// Redact applies the rules about personal data to every version that was not made under them, by rebuilding it and putting the result in its
// place, and returns their runs. The journal keeps the answers as they came. Interrupted, it leaves each version old or new, and goes on with the
// others when it is called again. PublishCopies and PublishLakes have the copies follow. It takes the warehouse's lock.
func Redact(ctx context.Context, c *config.Config, log zerolog.Logger, now time.Time, breakLock bool) (done []string, err error) {
	rules, err := c.PersonalData(ctx)
	if err != nil {
		return nil, err
	}
	wh := publish.Open(c.Warehouse)
	if _, err := wh.Current(); err != nil {
		return nil, err
	}
	err = Locked(wh, "redact", breakLock, func() error {
		if err := wh.SettleRewrites(); err != nil {
			return err
		}
		versions, err := Unredacted(wh, rules)
		if err != nil {
			return err
		}
		if len(versions) > 0 {
			if err := errors.Join(eraseCopies(wh, stamp(now)), eraseLakes(wh, stamp(now))); err != nil {
				return err
			}
		}
		sums := map[string]string{}
		for _, v := range versions {
			r := &redaction{wh: wh, mem: memory.DefaultAllocator, rules: rules.Again(), at: stamp(now), old: v, sums: sums, sum: sha256.New(),
				nulls: map[string][]int64{}, rows: map[string]int64{}}
			if err := r.version(ctx); err != nil {
				return fmt.Errorf("redact version %s: %w", v.Run, err)
			}
			log.Info().Str("version", v.Run).Msg("rewritten")
			done = append(done, v.Run)
		}
		return supersedeRecords(wh, sums, stamp(now))
	})
	return done, err
}

// redaction rebuilds one version under the rules.
type redaction struct {
	wh    *publish.Warehouse
	mem   memory.Allocator
	rules *pii.Rules
	at    string
	old   publish.Version
	prior *prior

	prefs  *transform.Preferences
	tables []schema.Table
	rowsOf *transform.Builder
	out    *publish.Building

	variables map[[2]string][]transform.Variable // by org_id and user_id
	sums      map[string]string                  // users_sha256 of versions as they were → as they are
	sum       hash.Hash
	nulls     map[string][]int64
	rows      map[string]int64
}

func (r *redaction) version(ctx context.Context) (err error) {
	if r.prior, err = loadPrior(ctx, r.old, nil, r.mem); err != nil {
		return err
	}
	if err := r.loadVariables(ctx); err != nil {
		return err
	}
	var learned []transform.PriorColumn
	for _, p := range r.prior.prefs {
		if at, action := r.rules.Hides(p.Column.Path); action == "" || at == p.Column.Path {
			learned = append(learned, p)
		}
	}
	r.prefs = transform.NewPreferences(learned, transform.Contract{})
	err = r.eachUser(ctx, func(row *transform.Row) error {
		r.prefs.Learn(row.Preferences)
		return nil
	})
	if err != nil {
		return err
	}
	var prefs []schema.Column
	for _, p := range r.prefs.Columns() {
		prefs = append(prefs, p.Column)
	}
	r.tables = noted(schema.Tables(prefs, r.prior.hasMemories), r.rules)
	if r.out, err = r.wh.Rewrite(ctx, r.old, r.tables, r.mem, duckdb.Settings{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.out.Abort()) }()
	r.rowsOf = transform.NewBuilder(r.mem, r.old.Manifest.DataRun, r.prefs, r.tables, r.emit)
	defer r.rowsOf.Release()
	for _, step := range []func(context.Context) error{r.roles, r.users, r.history, r.changes, r.deleted, r.memories, r.unkeyed, r.runs, r.columns} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return r.out.Replace(ctx, r.old, r.manifest)
}

// emit hands a batch to the version and counts its NULLs.
func (r *redaction) emit(table string, batch arrow.Record) error {
	if r.nulls[table] == nil {
		r.nulls[table] = make([]int64, batch.NumCols())
	}
	for i, c := range batch.Columns() {
		r.nulls[table][i] += int64(c.NullN())
	}
	r.rows[table] += batch.NumRows()
	return r.out.Append(table, batch)
}

func (r *redaction) loadVariables(ctx context.Context) error {
	r.variables = map[[2]string][]transform.Variable{}
	return eachBatch(ctx, r.old, r.mem, schema.NameVariables, nil, func(c transform.Columns) error {
		for i := range c.Rows() {
			v := transform.Variable{Name: clone(c.Text("name", i)), Value: clone(c.Text("value", i))}
			v.Sensitive, _ = c.Bool("is_sensitive", i)
			key := [2]string{clone(c.Text("org_id", i)).String, clone(c.Text("user_id", i)).String}
			r.variables[key] = append(r.variables[key], v)
		}
		return nil
	})
}

// eachUser calls take with every live user as the rules leave them.
func (r *redaction) eachUser(ctx context.Context, take func(*transform.Row) error) (err error) {
	users, err := parquet.NewReader(r.mem, r.old.Parquet(schema.NameUsers))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, users.Close()) }()
	return eachBatch(ctx, r.old, r.mem, schema.NameUsersFlat, nil, func(flat transform.Columns) error {
		batch, err := users.Next(ctx)
		if errors.Is(err, io.EOF) || err == nil && batch.NumRows() != int64(flat.Rows()) {
			return errors.New("users and users_flat do not have the same rows")
		}
		if err != nil {
			return err
		}
		twelve := transform.ColumnsOf(batch)
		for i := range flat.Rows() {
			row := transform.Row{Bookkeeping: transform.BookkeepingAt(flat, i)}
			row.Twelve(twelve, i)
			if err := row.RestoreExtras(flat, i, r.variables[[2]string{row.Org.String, row.UserID}]); err != nil {
				return err
			}
			redacted, err := r.row(&row, row.ChangedAt)
			if err != nil {
				return err
			}
			if err := take(redacted); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *redaction) roles(context.Context) error {
	for _, role := range r.prior.roles {
		if err := r.rowsOf.Role(role.Org.String, role); err != nil {
			return err
		}
	}
	return nil
}

func (r *redaction) users(ctx context.Context) error {
	return r.eachUser(ctx, func(row *transform.Row) error {
		_, _ = r.sum.Write(row.ItemHash[:]) // a hash takes everything
		_, _ = r.sum.Write(row.ModelsHash[:])
		return r.rowsOf.User(row, r.issues(r.prior.issues[identity{row.Scope, row.UserID}]))
	})
}

// issues are cells in quarantine as the rules leave them.
func (r *redaction) issues(all []transform.Issue) []transform.Issue {
	var out []transform.Issue
	for _, i := range all {
		raw, keep := r.rules.At(i.Path, i.Raw)
		if !keep {
			continue
		}
		i.Raw = raw
		i.Path, _ = r.rules.Hides(i.Path)
		out = append(out, i)
	}
	return out
}

func (r *redaction) history(ctx context.Context) error {
	return eachBatch(ctx, r.old, r.mem, schema.NameUsersHistory, nil, func(c transform.Columns) error {
		for i := range c.Rows() {
			v := transform.HistoryRow(c, i)
			row, err := r.row(v.Row, v.From)
			if err != nil {
				return err
			}
			v.Row = row
			if err := r.rowsOf.History(v); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *redaction) deleted(ctx context.Context) error {
	return eachBatch(ctx, r.old, r.mem, schema.NameUsersDeleted, nil, func(c transform.Columns) error {
		return r.rowsOf.Pass(schema.NameUsersDeleted, c)
	})
}

// unkeyed writes the rows without an identity.
func (r *redaction) unkeyed(ctx context.Context) error {
	return eachBatch(ctx, r.old, r.mem, schema.NameIssues, nil, func(c transform.Columns) error {
		for i := range c.Rows() {
			issue := transform.IssueRow(c, i)
			if !issue.Row {
				continue
			}
			if json.Valid(issue.Raw) {
				issue.Raw = r.rules.Record(issue.Raw)
			} else {
				issue.Raw = []byte(`"***"`) // the rules cannot tell what is where in it
			}
			err := r.rowsOf.Issues(c.Text("_scope", i).String, clone(c.Text("org_id", i)), clone(c.Text("user_id", i)), []transform.Issue{issue})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// columns describes the columns anew, with the histories they have.
func (r *redaction) columns(context.Context) error {
	if err := r.rowsOf.Close(); err != nil {
		return err
	}
	prefs := map[string]transform.PriorColumn{}
	for _, p := range r.prefs.Columns() {
		prefs[p.Column.Name] = p
	}
	for _, t := range r.tables {
		for i, c := range t.Columns {
			p, learned := prefs[c.Name]
			row := transform.ColumnRow{Table: t.Name, Column: c, Declared: t.Name != schema.NameUsersFlat || !learned || p.Declared, FirstRun: r.old.Manifest.DataRun}
			if old, ok := r.prior.columns[[2]string{t.Name, c.Name}]; ok {
				row.FirstRun, row.LastRun, row.Types = old.firstRun, old.lastRun, old.types
			}
			if now := c.Type.String(); len(row.Types) == 0 || row.Types[len(row.Types)-1] != now {
				row.Types = append(append([]string(nil), row.Types...), now)
			}
			if n := r.rows[t.Name]; n > 0 {
				row.NullShare, row.HasShare = float64(r.nulls[t.Name][i])/float64(n), true
			}
			if err := r.rowsOf.Column(row); err != nil {
				return err
			}
		}
	}
	return r.rowsOf.Close()
}

func (r *redaction) manifest(m *publish.Manifest) error {
	s, err := summaryOf(r.old)
	if err != nil {
		return err
	}
	s.PII = r.rules.Fingerprint()
	s.Certificate.UsersSHA256, s.Certificate.Superseded = hex.EncodeToString(r.sum.Sum(nil)), r.at
	if m.Summary, err = json.Marshal(s); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	m.Erasures = append(m.Erasures, publish.Erasure{At: r.at, Rules: s.PII})
	return nil
}

// supersedeRecords gives the records of runs the hashes that their versions have now.
func supersedeRecords(wh *publish.Warehouse, sums map[string]string, at string) error {
	return rewriteRecords(wh, func(_ string, s *Summary) (bool, error) {
		sum, ok := sums[s.Certificate.UsersSHA256]
		if !ok || sum == s.Certificate.UsersSHA256 {
			return false, nil
		}
		s.Certificate.UsersSHA256, s.Certificate.Superseded = sum, at
		return true, nil
	})
}

// rewriteRecords gives edit the record of each run, by its path in the warehouse, and writes those anew that it changed.
func rewriteRecords(wh *publish.Warehouse, edit func(name string, s *Summary) (changed bool, err error)) error {
	runs, err := wh.RunRecords()
	if err != nil {
		return err
	}
	for _, run := range runs {
		path := wh.RunRecord(run)
		raw, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a run record: %w", err)
		}
		var s Summary
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("read the run record %s: %w", filepath.Base(path), err)
		}
		changed, err := edit("runs/"+filepath.Base(path), &s)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		if raw, err = json.MarshalIndent(&s, "", "  "); err != nil {
			return fmt.Errorf("rewrite a run record: %w", err)
		}
		if err := publish.WriteFile(path, append(raw, '\n')); err != nil {
			return err
		}
	}
	return nil
}

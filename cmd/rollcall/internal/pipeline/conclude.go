package pipeline

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// conclude publishes a version where the tables changed, and sums the run up.
func (r *run) conclude(ctx context.Context, d *decisions) (*Summary, error) {
	s := &d.summary
	s.PII = r.pii.Fingerprint()
	s.Suppressed = int64(len(r.leftOut))
	if d.dirty || r.always {
		if err := r.learnKept(ctx, d); err != nil {
			return s, err
		}
	}
	if broken := r.prefs.Broken(); len(broken) > 0 {
		return s, &ContractError{Broken: broken}
	}
	if d.dirty || r.always {
		if err := r.publish(ctx, d); err != nil {
			return s, r.checkFailed(ctx, err)
		}
	}
	s.Requests, s.BytesReceived = r.tally.snapshot()
	s.Version = r.currentVersion()
	return s, nil
}

// publish builds a version and makes it current.
func (r *run) publish(ctx context.Context, d *decisions) (err error) {
	learned := r.prefs.Columns()
	prefs := make([]schema.Column, len(learned))
	for i, c := range learned {
		prefs[i] = c.Column
	}
	if r.prefs.Full() {
		r.o.Log.Warn().Int("columns", len(prefs)).Msg("too many different preferences: those beyond are in users.preferences alone")
	}
	tables := completedTables(noted(schema.Tables(prefs, r.rules.Memories), r.pii), r.completes(d))
	amends := r.amends(d, tables)
	settings := duckdb.Settings{Threads: r.cfg.DuckDB.Threads}
	if r.cfg.DuckDB.Memory != "auto" {
		settings.MemoryLimit = r.cfg.DuckDB.Memory
	}
	var building *publish.Building
	if amends {
		building, err = r.wh.Amend(ctx, r.id, r.prior.version, tables, keptTables, r.mem, settings)
	} else {
		building, err = r.wh.Begin(ctx, r.id, tables, r.mem, settings)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, building.Abort()) }()
	b := &build{run: r, d: d, tables: tables, prefs: learned, out: building, amends: amends}
	built := r.stage(ctx, StageBuild)
	if err := b.fill(ctx); err != nil {
		return err
	}
	built()
	debug.FreeOSMemory() // DuckDB is about to read all of it back, and nothing of what it was built from is needed for that
	d.settle()
	d.summary.Published = true
	d.summary.Version = &r.id
	r.progress("verify", 0, 0)
	defer r.stage(ctx, StagePublish)()
	_, err = building.Publish(ctx, publish.Details{
		DataRun: r.dataRun(), Base: r.prior.version.Run, Created: r.clock, Summary: &d.summary,
		Check: func(ctx context.Context, database string) error { return r.check(ctx, &d.summary, database) },
	})
	if err != nil {
		d.summary.Published = false
	}
	return err
}

// dataRun is the run whose answers the tables show: the journal's.
func (r *run) dataRun() string { return r.journal.Header().Run }

// runRow is the run's row of _runs.
func (r *run) runRow(s *Summary) transform.RunRow {
	return transform.RunRow{
		ID: r.dataRun(), Started: transform.MicrosOf(r.clock), Status: string(s.Status), Certified: s.Certificate.Certified, Proof: s.Certificate.Proof,
		Reasons: s.Certificate.Reasons, As: s.Certificate.As, Source: s.Source, Orgs: s.Orgs, Users: s.Users, Added: s.Added, Changed: s.Changed,
		Deleted: s.Deleted, DeletesHeld: s.DeletesHeld, QuarantinedRows: s.QuarantinedRows, QuarantinedCells: s.QuarantinedCells,
		Sweeps: int64(s.Sweeps), Shifts: int64(s.Shifts), UsersSHA256: s.Certificate.UsersSHA256,
	}
}

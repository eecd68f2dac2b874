package lake

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// UnknownRunError says that some tables have no snapshot of a run, and that the warehouse has no such version either.
type UnknownRunError struct {
	Run    string
	Tables []string // that have none
	Have   []string // runs that every table could go back to
}

func (e *UnknownRunError) Error() string {
	return fmt.Sprintf("run %s is in no snapshot of %s, and the warehouse has no such version", e.Run, strings.Join(e.Tables, ", "))
}

// Hints says what to do.
func (e *UnknownRunError) Hints() []string {
	if len(e.Have) == 0 {
		return []string{"no run is left in the snapshots of all tables; rollcall-lake publish shows the warehouse's current version"}
	}
	return []string{"the tables can go back to " + strings.Join(e.Have, ", ")}
}

// Rollback makes the tables show an earlier run, or a later one again after a rollback. Every table's snapshot is looked for before the first is
// pointed at: where one has none, and version is nil, nothing is changed and the error is an *UnknownRunError. Otherwise that table is made equal to the
// version. A rollback that was interrupted is gone on with by running it again.
func (l *Lake) Rollback(ctx context.Context, run string, version *Input, done func(Result)) error {
	ctx = compute.WithAllocator(ctx, l.opts.Memory)
	tables, err := l.all(ctx)
	if err != nil {
		return err
	}
	if len(tables) == 0 {
		return ErrNone
	}
	var without []string
	for _, t := range tables {
		if stateOf(t).run != run && marked(t, run) == nil {
			without = append(without, nameOf(t))
		}
	}
	if len(without) > 0 && version == nil {
		return &UnknownRunError{run, without, commonRuns(tables)}
	}
	for _, t := range tables {
		name := nameOf(t)
		if slices.Contains(without, name) {
			continue
		}
		r, err := l.rollback(ctx, name, run)
		if err != nil {
			return err
		}
		done(r)
	}
	if len(without) == 0 {
		return nil
	}
	in := *version // those that show the run by now are passed over
	return l.publish(ctx, in, older, func(r Result) {
		if r.Did != DidNothing {
			r.Did = DidRollback
			done(r)
		}
	})
}

// Before is the newest run before the one shown that every table can go back to; empty where there is none.
func (l *Lake) Before(ctx context.Context) (string, error) {
	tables, err := l.all(ctx)
	if err != nil {
		return "", err
	}
	if len(tables) == 0 {
		return "", ErrNone
	}
	shown := ""
	for _, t := range tables {
		shown = max(shown, stateOf(t).run)
	}
	before := ""
	for _, run := range commonRuns(tables) {
		if run < shown {
			before = max(before, run)
		}
	}
	return before, nil
}

// commonRuns are the runs that every table has a snapshot of, oldest first.
func commonRuns(tables []*table.Table) []string {
	in := map[string]int{}
	for _, t := range tables {
		seen := map[string]bool{}
		for _, s := range t.Metadata().Snapshots() {
			if s.Summary != nil && s.Summary.Properties[propertyRun] != "" {
				seen[s.Summary.Properties[propertyRun]] = true
			}
		}
		for run := range seen {
			in[run]++
		}
	}
	var out []string
	for run, n := range in {
		if n == len(tables) {
			out = append(out, run)
		}
	}
	slices.Sort(out)
	return out
}

func (l *Lake) rollback(ctx context.Context, name, run string) (Result, error) {
	var last error
	for attempt := 1; attempt <= conflicts; attempt++ {
		if attempt > 1 {
			l.retry(name, attempt, last)
			if err := pause(ctx, attempt); err != nil {
				return Result{}, err
			}
		}
		t, err := l.load(ctx, name)
		if err != nil {
			return Result{}, err
		}
		if t == nil {
			return Result{}, fmt.Errorf("table %s is gone", name)
		}
		is := stateOf(t)
		if is.run == run {
			return Result{Table: name, Did: DidNothing, Run: run, Rows: rowsOf(t), Attempts: attempt}, nil
		}
		to := marked(t, run)
		if to == nil {
			return Result{}, &UnknownRunError{Run: run, Tables: []string{name}}
		}
		id := uuid.NewString()
		l.step("rollback")
		_, _, err = l.catalog.CommitTable(ctx, l.id(name), requirements(t), pointAt(t, to, is, run, id))
		l.step("rolled back")
		if err != nil && ctx.Err() != nil {
			return Result{}, context.Cause(ctx)
		}
		now, lerr := l.load(ctx, name)
		if lerr == nil && now != nil && now.Properties()[propertyPublish] == id {
			return Result{Table: name, Did: DidRollback, Run: run, Rows: rowsOf(now), Attempts: attempt}, nil
		}
		last = err
	}
	return Result{}, &BusyError{name, last}
}

// requirements are that a table is the one that was loaded, and that its main has not moved since.
func requirements(t *table.Table) []table.Requirement {
	out := []table.Requirement{table.AssertTableUUID(t.Metadata().TableUUID())}
	if s := t.CurrentSnapshot(); s != nil {
		return append(out, table.AssertRefSnapshotID(table.MainBranch, &s.SnapshotID))
	}
	return append(out, table.AssertRefSnapshotID(table.MainBranch, nil))
}

// pointAt are the updates that make a table show a snapshot, with its columns.
func pointAt(t *table.Table, to *table.Snapshot, is state, run, id string) []table.Update {
	properties := iceberg.Properties{propertyRun: run, propertyPublish: id}
	if held := max(is.run, is.rolledBack); held > run {
		properties[propertyRolledBack] = held
	}
	updates := []table.Update{
		table.NewSetSnapshotRefUpdate(table.MainBranch, to.SnapshotID, table.BranchRef, 0, 0, 0),
		table.NewSetPropertiesUpdate(properties),
	}
	if is.rolledBack != "" && properties[propertyRolledBack] == "" {
		updates = append(updates, table.NewRemovePropertiesUpdate([]string{propertyRolledBack}))
	}
	if to.SchemaID != nil && *to.SchemaID != t.Schema().ID {
		updates = append(updates, table.NewSetCurrentSchemaUpdate(*to.SchemaID))
	}
	return updates
}

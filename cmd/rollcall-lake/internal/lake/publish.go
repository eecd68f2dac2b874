package lake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/iceberg-go"
	icebergcatalog "github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// What was done to a table.
const (
	DidCreate   = "created"   // its first rows
	DidReplace  = "replaced"  // all its files
	DidUpdate   = "updated"   // some users' rows
	DidMark     = "unchanged" // the run was marked; the rows were those of it
	DidNothing  = "shown"     // it showed the run already
	DidHold     = "held"      // it was rolled back from this run, and stays so until a newer one
	DidEmpty    = "emptied"   // the version has no such table
	DidRollback = "rolled back"
	DidErase    = "erased" // no byte is left that the version has not
)

// Result is what was done to a table.
type Result struct {
	Table    string  `json:"table"`
	Did      string  `json:"did"`
	Run      string  `json:"run_id"` // that it shows now
	Rows     int64   `json:"rows"`
	Appended int64   `json:"rows_written"`
	Users    int     `json:"users_changed"` // 0 where it was replaced
	Bytes    int64   `json:"bytes_written"` // of data files
	Attempts int     `json:"attempts"`
	Seconds  float64 `json:"seconds"`
}

// rule is which runs a publish may bring.
type rule int

const (
	newer  rule = iota // than what is shown and was rolled back from
	forced             // any, compared by content even where it is shown: an erasure
	older              // any that is not shown: a rollback to a version that the lake has no snapshot of
)

// Publish makes the tables show a version, one commit a table. Each table's result is given as soon as it is known; after an error the tables
// before it stay as they are, and the next publish goes on. The error is an *OlderError where the lake shows a newer run.
func (l *Lake) Publish(ctx context.Context, in Input, done func(Result)) error {
	return l.publish(ctx, in, newer, done)
}

func (l *Lake) publish(ctx context.Context, in Input, r rule, done func(Result)) error {
	ctx = compute.WithAllocator(ctx, l.opts.Memory)
	for _, name := range in.Tables {
		result, err := l.publishTable(ctx, in, name, r)
		if err != nil {
			return err
		}
		done(result)
	}
	return l.emptyOthers(ctx, in, r, done)
}

// emptyOthers empties those of our tables that the version does not have.
func (l *Lake) emptyOthers(ctx context.Context, in Input, r rule, done func(Result)) error {
	tables, err := l.all(ctx)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, name := range in.Tables {
		has[name] = true
	}
	for _, t := range tables {
		name := nameOf(t)
		if has[name] {
			continue
		}
		schema, err := table.SchemaToArrowSchema(t.Schema(), nil, false, false)
		if err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		result, err := l.commit(ctx, in, name, nothing{schema}, r)
		if err != nil {
			return err
		}
		if result.Did != DidNothing && result.Did != DidHold && result.Did != DidMark {
			result.Did = DidEmpty
		}
		done(result)
	}
	return nil
}

func (l *Lake) publishTable(ctx context.Context, in Input, name string, r rule) (Result, error) {
	t, err := l.load(ctx, name)
	if err != nil {
		return Result{}, err
	}
	if t != nil && r != forced { // the version need not be read
		if did, err := allows(stateOf(t), in.Run, r, name); did != "" || err != nil {
			return Result{Table: name, Did: did, Run: stateOf(t).run, Rows: rowsOf(t)}, err
		}
	}
	src, err := in.Open(ctx, name)
	if err != nil {
		return Result{}, err
	}
	result, err := l.commit(ctx, in, name, src, r)
	return result, errors.Join(err, src.Close())
}

// allows says what is done instead of publishing a run to a table; empty: it is published.
func allows(s state, run string, r rule, name string) (did string, err error) {
	switch {
	case r == forced:
		return "", nil
	case run == s.run:
		return DidNothing, nil
	case r == older:
		return "", nil
	case run == s.rolledBack:
		return DidHold, nil
	case run < s.run:
		return "", &OlderError{Table: name, Run: run, Newer: s.run}
	case run < s.rolledBack:
		return "", &OlderError{Table: name, Run: run, Newer: s.rolledBack, RolledBack: true}
	}
	return "", nil
}

// How often a commit is tried again: where another committed first, and where nobody did and it fails nevertheless.
const (
	maxConflicts = 40
	maxFailures  = 3
)

// commit makes a table show a run: it tries until the table's mark says that it does.
func (l *Lake) commit(ctx context.Context, in Input, name string, src Source, r rule) (Result, error) {
	began := time.Now()
	failures := 0
	var last error
	for attempt := 1; attempt <= maxConflicts; attempt++ {
		if attempt > 1 {
			l.retry(name, attempt, last)
			if err := pause(ctx, attempt); err != nil {
				return Result{}, err
			}
		}
		t, err := l.ensure(ctx, name, src.Schema())
		if err != nil {
			return Result{}, err
		}
		if did, err := allows(stateOf(t), in.Run, r, name); did != "" || err != nil {
			return Result{Table: name, Did: did, Run: stateOf(t).run, Rows: rowsOf(t), Attempts: attempt, Seconds: time.Since(began).Seconds()}, err
		}
		result, id, err := l.attempt(ctx, t, in, src, r)
		if err == nil {
			result.Attempts, result.Seconds = attempt, time.Since(began).Seconds()
			return result, nil
		}
		if ctx.Err() != nil {
			return Result{}, context.Cause(ctx)
		}
		now, lerr := l.load(ctx, name)
		switch {
		case lerr != nil || now == nil:
			failures++
		case now.Properties()[propertyPublish] == id: // it was made, whatever was said
			result.Attempts, result.Seconds = attempt, time.Since(began).Seconds()
			return result, nil
		case now.MetadataLocation() == t.MetadataLocation():
			failures++
		}
		last = err
		if failures == maxFailures {
			return Result{}, fmt.Errorf("commit to table %s: %w", name, err)
		}
	}
	return Result{}, &BusyError{name, last}
}

// backoff is how long is waited before an attempt.
func backoff(attempt int) time.Duration {
	longest := min(time.Duration(20<<min(attempt, 7))*time.Millisecond, 2*time.Second)
	return longest/2 + rand.N(longest/2)
}

// tableVersion is the version of Iceberg's format that tables have: the one whose deletes by position every reader knows.
const tableVersion = 2

// rowGroupBytes is how large a row group becomes, compressed. Who writes a file or reads one, our own compaction too, has a row group of it in memory.
const rowGroupBytes = 32 << 20

// ensure is a table, made where there is none. Who else makes it at the same time makes the same.
func (l *Lake) ensure(ctx context.Context, name string, s *arrow.Schema) (*table.Table, error) {
	t, err := l.load(ctx, name)
	if t != nil || err != nil {
		if t != nil && !managed(t) {
			return nil, &ForeignError{name}
		}
		return t, err
	}
	schema, err := fresh(s)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	spec := partitions(schema, l.opts.Buckets)
	properties := iceberg.Properties{
		propertyManaged:                      "true",
		table.PropertyFormatVersion:          strconv.Itoa(tableVersion),
		table.ParquetCompressionKey:          "zstd",
		table.ParquetRowGroupSizeBytesKey:    strconv.Itoa(rowGroupBytes),
		table.WriteDeleteModeKey:             table.WriteModeMergeOnRead,
		"write.update.mode":                  table.WriteModeMergeOnRead,
		"write.merge.mode":                   table.WriteModeMergeOnRead,
		table.MetadataPreviousVersionsMaxKey: "50",
	}
	if l.opts.Catalog == "sql" { // a REST server does it itself
		properties[table.MetadataDeleteAfterCommitEnabledKey] = "true"
	}
	l.step("create")
	t, err = l.catalog.CreateTable(ctx, l.id(name), schema, icebergcatalog.WithPartitionSpec(&spec), icebergcatalog.WithProperties(properties),
		icebergcatalog.WithLocation(l.locationOf(name)))
	if err == nil {
		return t, nil
	}
	if there, again := l.load(ctx, name); again == nil && there != nil { // another made it, or we did and were not told
		return there, nil
	}
	return nil, fmt.Errorf("create table %s: %w", name, err)
}

// ForeignError says that a table of the name is there and not ours.
type ForeignError struct{ Table string }

func (e *ForeignError) Error() string {
	return "table " + e.Table + " is there already, and rollcall did not make it"
}

// Hints says what to do.
func (e *ForeignError) Hints() []string {
	return []string{"give rollcall a namespace of its own: --namespace, ROLLCALL_LAKE_NAMESPACE"}
}

func (l *Lake) locationOf(name string) string {
	at := l.opts.Location
	for _, level := range append(append([]string{}, l.namespace...), name) {
		at = join(at, level)
	}
	return at
}

// attempt makes one commit. The result is right where the error is nil, or where the table is marked with the attempt's id all the same.
func (l *Lake) attempt(ctx context.Context, t *table.Table, in Input, src Source, r rule) (Result, string, error) {
	id := uuid.NewString()
	result := Result{Table: nameOf(t), Run: in.Run, Rows: src.Rows()}
	e, err := plan(t.Schema(), src.Schema())
	if err != nil {
		return result, id, fmt.Errorf("table %s: %w", result.Table, err)
	}
	tx := t.NewTransaction()
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
		return result, id, err
	}
	if err := e.stage(tx); err != nil {
		return result, id, fmt.Errorf("table %s: %w", result.Table, err)
	}
	summary := iceberg.Properties{
		propertyRun: in.Run, propertyPublish: id, summaryRows: strconv.FormatInt(src.Rows(), 10),
		summaryCertified: strconv.FormatBool(in.Certificate.Certified), summaryProof: in.Certificate.Proof, summaryUsersSHA256: in.Certificate.UsersSHA256,
	}
	if content := src.SHA256(); content != "" {
		summary[summaryContent] = content
	}
	if err := l.stageRows(ctx, tx, t, src, e, r, summary, &result); err != nil {
		return result, id, fmt.Errorf("table %s: %w", result.Table, err)
	}
	if err := markRun(tx, stateOf(t), in.Run, id, r); err != nil {
		return result, id, err
	}
	l.step("commit")
	err = l.commitTransaction(ctx, tx)
	l.step("committed")
	return result, id, err
}

// markRun puts the run that the table shows from now on into its properties.
func markRun(tx *table.Transaction, was state, run, id string, r rule) error {
	p := iceberg.Properties{propertyRun: run, propertyPublish: id}
	held := max(was.rolledBack, was.run)
	switch {
	case r != newer && held > run:
		p[propertyRolledBack] = held
	case was.rolledBack != "":
		if err := tx.RemoveProperties([]string{propertyRolledBack}); err != nil {
			return err
		}
	}
	return tx.SetProperties(p)
}

// stageRows puts the rows into a transaction.
func (l *Lake) stageRows(ctx context.Context, tx *table.Transaction, t *table.Table, src Source, e *evolution, r rule, summary iceberg.Properties,
	result *Result,
) error {
	target := t
	if !e.empty() {
		staged, err := tx.StagedTable()
		if err != nil {
			return err
		}
		target = staged.Table
	}
	if content := src.SHA256(); r != forced && e.empty() && content != "" && content == contentOf(t) {
		result.Did = DidMark
		return appendNothing(ctx, tx, target, summary)
	}
	l.step("compare")
	c, err := l.change(ctx, t, target, src, e)
	if err != nil {
		return err
	}
	l.step("write")
	switch {
	case c.whole:
		return l.stageWhole(ctx, tx, t, target, src, summary, result)
	case c.empty():
		result.Did = DidMark
		return appendNothing(ctx, tx, target, summary)
	}
	result.Did, result.Users = DidUpdate, c.users
	result.wrote(c.added, c.rows)
	if len(c.deletes) == 0 {
		return appendFiles(ctx, tx, target, c.added, summary)
	}
	if err := tx.NewRowDelta(summary).AddRows(c.added...).AddDeletes(c.deletes...).Commit(ctx); err != nil {
		return fmt.Errorf("delete what changed: %w", err)
	}
	return nil
}

// contentOf is the content that a table's present snapshot says it has; empty where it does not say. One that does is ours, with the rows that it was given:
// another program's has no such thing in its summary. That a column was dropped and added again, which makes no snapshot, is seen by the columns' number.
func contentOf(t *table.Table) string {
	s := t.CurrentSnapshot()
	if s == nil || s.Summary == nil || s.SchemaID == nil || *s.SchemaID != t.Schema().ID {
		return ""
	}
	return s.Summary.Properties[summaryContent]
}

func (l *Lake) stageWhole(ctx context.Context, tx *table.Transaction, t, target *table.Table, src Source, summary iceberg.Properties, result *Result) error {
	result.Did = DidReplace
	if t.CurrentSnapshot() == nil {
		result.Did = DidCreate
	}
	has, err := contents(ctx, t)
	if err != nil {
		return err
	}
	files, rows, err := write(ctx, target, src.Read(ctx))
	if err != nil {
		return err
	}
	if rows != src.Rows() {
		return fmt.Errorf("%d rows were written of %d", rows, src.Rows())
	}
	result.wrote(files, rows)
	if len(has.data)+len(has.deletes) == 0 {
		return appendFiles(ctx, tx, target, files, summary)
	}
	return tx.ReplaceFiles(ctx, has.data, files, has.deletes, summary, table.WithoutAutoNameMapping())
}

func (r *Result) wrote(files []iceberg.DataFile, rows int64) {
	r.Appended = rows
	for _, f := range files {
		r.Bytes += f.FileSizeBytes()
	}
}

func appendFiles(ctx context.Context, tx *table.Transaction, t *table.Table, files []iceberg.DataFile, summary iceberg.Properties) error {
	if len(files) == 0 {
		return appendNothing(ctx, tx, t, summary)
	}
	return tx.AddDataFiles(ctx, files, summary, table.WithoutAutoNameMapping(), table.WithoutDuplicateCheck())
}

// appendNothing makes a snapshot of the rows that are there: it has the run in its summary, and nobody who has read the head before can commit.
func appendNothing(ctx context.Context, tx *table.Transaction, t *table.Table, summary iceberg.Properties) error {
	schema, err := table.SchemaToArrowSchema(t.Schema(), nil, true, false)
	if err != nil {
		return err
	}
	none, err := array.NewRecordReader(schema, nil)
	if err != nil {
		return err
	}
	defer none.Release()
	return tx.Append(ctx, none, summary)
}

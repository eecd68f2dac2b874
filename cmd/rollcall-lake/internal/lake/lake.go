package lake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	icebergcatalog "github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
)

// Properties of a table.
const (
	propertyManaged    = "rollcall.managed"          // "true": made by us, and ours to empty
	propertyRun        = "rollcall.run-id"           // the run that the table shows; also in the summary of its snapshots
	propertyPublish    = "rollcall.publish-id"       // the attempt that made the last commit; also in summaries
	propertyRolledBack = "rollcall.rolled-back-from" // runs up to this one are not published here
)

// Properties in a snapshot's summary, beside the run and the attempt.
const (
	summaryCertified   = "rollcall.certified"
	summaryProof       = "rollcall.proof"
	summaryUsersSHA256 = "rollcall.users-sha256"
	summaryRows        = "rollcall.rows"           // of the table
	summaryContent     = "rollcall.content-sha256" // of what the version has of the table; in a snapshot that has the rows of it
)

// Catalog is what is asked of a catalog.
type Catalog interface {
	LoadTable(ctx context.Context, id table.Identifier) (*table.Table, error)
	CreateTable(ctx context.Context, id table.Identifier, schema *iceberg.Schema, opts ...icebergcatalog.CreateTableOpt) (*table.Table, error)
	CommitTable(ctx context.Context, id table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error)
	ListTables(ctx context.Context, namespace table.Identifier) iter.Seq2[table.Identifier, error]
	CheckNamespaceExists(ctx context.Context, namespace table.Identifier) (bool, error)
}

// Options of a lake.
type Options struct {
	Namespace string // its levels joined by dots
	Location  string // s3://… or file:///…, under which tables are made
	Buckets   int    // of org_id, in tables made from now on
	Catalog   string // rest or sql
	HeldRows  int    // of a table that are held in memory while it is compared, in 40 bytes each, below 2^32; 0: the constant HeldRows

	Memory memory.Allocator
	Hooks  Hooks
}

// Hooks are told what happens. Any may be nil.
type Hooks struct {
	Retry func(table string, attempt int, err error) // a commit was not made, or is not known to have been made, and is tried again
	Step  func(name string)                          // tests: a step begins
}

// ReplaceShare is the share of rows that are to be written or deleted beyond which a table is replaced whole. With 1 % changed a replacement would be ninety times
// the bytes; with a third changed the saving is small, and readers would merge the deletes until the next compaction.
const ReplaceShare = 0.3

// Lake is the tables of a namespace.
type Lake struct {
	catalog   Catalog
	namespace table.Identifier
	opts      Options
}

// New is the lake in a catalog's namespace, which is there.
func New(c Catalog, o Options) *Lake {
	if o.Memory == nil {
		o.Memory = memory.DefaultAllocator
	}
	if o.HeldRows == 0 {
		o.HeldRows = HeldRows
	}
	return &Lake{catalog: c, namespace: strings.Split(o.Namespace, "."), opts: o}
}

// Certificate is what a run proved about its version.
type Certificate struct {
	Certified   bool
	Proof       string
	UsersSHA256 string
}

// Input is what tables are made to show.
type Input struct {
	Run         string // run ids sort by time
	Certificate Certificate
	Tables      []string
	Open        func(ctx context.Context, table string) (Source, error)
}

// Source is a table's rows. Read can be called several times, and gives the same rows each time; a batch is valid until the next one is asked for, and may
// lack columns of the schema.
type Source interface {
	Schema() *arrow.Schema
	Rows() int64
	SHA256() string // the same for sources with the same rows and columns only; empty: not known
	Read(ctx context.Context) iter.Seq2[arrow.RecordBatch, error]
	Close() error
}

// OlderError says that a table shows a newer run than the one to be published, or was rolled back from one.
type OlderError struct {
	Table, Run, Newer string
	RolledBack        bool
}

func (e *OlderError) Error() string {
	has := "shows"
	if e.RolledBack {
		has = "was rolled back from"
	}
	return fmt.Sprintf("table %s %s run %s, which is newer than %s", e.Table, has, e.Newer, e.Run)
}

// Hints says what to do.
func (e *OlderError) Hints() []string {
	return []string{"rollcall-lake rollback " + e.Run + " makes the tables show it all the same"}
}

// BusyError says that somebody else commits to a table again and again.
type BusyError struct {
	Table string
	err   error
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("another publisher is at work on table %s", e.Table)
}

// Unwrap is the last commit's error, nil where there is none.
func (e *BusyError) Unwrap() error { return e.err }

// Hints says what to do.
func (e *BusyError) Hints() []string {
	return []string{"run it again when the other has ended; what was done stays done"}
}

// state is what a table's properties say.
type state struct {
	run        string // the run it shows; empty: none yet
	rolledBack string
}

func stateOf(t *table.Table) state {
	p := t.Properties()
	return state{run: p[propertyRun], rolledBack: p[propertyRolledBack]}
}

func managed(t *table.Table) bool { return t.Properties()[propertyManaged] == "true" }

func (l *Lake) id(name string) table.Identifier {
	return append(append(table.Identifier{}, l.namespace...), name)
}

// load is a table; nil where there is none.
func (l *Lake) load(ctx context.Context, name string) (*table.Table, error) {
	t, err := l.catalog.LoadTable(ctx, l.id(name))
	if errors.Is(err, icebergcatalog.ErrNoSuchTable) {
		return nil, nil //nolint:nilnil // no table is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("load table %s: %w", name, err)
	}
	return t, nil
}

// all are the tables that are ours, by their names.
func (l *Lake) all(ctx context.Context) ([]*table.Table, error) {
	there, err := l.catalog.CheckNamespaceExists(ctx, l.namespace)
	if err != nil {
		return nil, fmt.Errorf("look for the namespace: %w", err)
	}
	if !there {
		return nil, nil
	}
	var names []string
	for id, err := range l.catalog.ListTables(ctx, l.namespace) {
		if err != nil {
			return nil, fmt.Errorf("list the tables: %w", err)
		}
		names = append(names, id[len(id)-1])
	}
	var out []*table.Table
	for _, name := range names {
		t, err := l.load(ctx, name)
		if err != nil {
			return nil, err
		}
		if t != nil && managed(t) {
			out = append(out, t)
		}
	}
	return out, nil
}

func nameOf(t *table.Table) string {
	id := t.Identifier()
	return id[len(id)-1]
}

func (l *Lake) retry(name string, attempt int, err error) {
	if l.opts.Hooks.Retry != nil {
		l.opts.Hooks.Retry(name, attempt, err)
	}
}

func (l *Lake) step(name string) {
	if l.opts.Hooks.Step != nil {
		l.opts.Hooks.Step(name)
	}
}

// pause waits before another attempt: longer each time, and not as long as the others do.
func pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(backoff(attempt))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// ErrNone says that a lake has no tables of ours.
var ErrNone = errors.New("the lake has no tables of rollcall")

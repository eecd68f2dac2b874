package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

// Building is a version that is being built. Batches go to DuckDB and to Parquet side by side.
type Building struct {
	w      *Warehouse
	run    string
	dir    string
	tables []schema.Table
	base   *Version          // nil: the version is built whole
	kept   []string          // the tables that keep the rows of the base in the database
	follow map[string]string // by table: the one that has its rows, with more columns

	settings duckdb.Settings

	rows  map[string]int64
	nulls map[string][]int64

	db      *duckdb.Writer
	parts   map[string]*parquet.Writer
	files   map[string]parquet.Part // what the finished parts are, by path
	toDB    chan work
	toParts chan work
	wait    sync.WaitGroup
	mu      sync.Mutex
	failure error
	stop    context.CancelFunc
	stopped func() error // why the context that the build began with ended; nil while it has not
	closed  bool
}

// Begin starts a version for a run, sweeping away what unfinished builds left. Abort must be called in the end, whatever happened.
func (w *Warehouse) Begin(ctx context.Context, run string, tables []schema.Table, mem memory.Allocator, s duckdb.Settings) (*Building, error) {
	return w.begin(ctx, &Building{w: w, run: run, tables: tables}, mem, s)
}

func (w *Warehouse) begin(ctx context.Context, b *Building, mem memory.Allocator, s duckdb.Settings) (*Building, error) {
	if err := w.sweep(); err != nil {
		return nil, err
	}
	b.dir, b.settings = filepath.Join(w.dir, versionsName, buildPrefix+b.run), s
	b.rows, b.nulls = map[string]int64{}, map[string][]int64{}
	b.parts, b.files, b.follow = map[string]*parquet.Writer{}, map[string]parquet.Part{}, map[string]string{}
	for _, t := range b.tables {
		b.nulls[t.Name] = make([]int64, len(t.Columns))
	}
	ctx, b.stop = context.WithCancel(ctx)
	b.stopped = ctx.Err
	if err := b.open(ctx, mem, s); err != nil {
		return nil, errors.Join(fmt.Errorf("begin version %s: %w", b.run, err), b.Abort())
	}
	return b, nil
}

func (b *Building) open(ctx context.Context, mem memory.Allocator, s duckdb.Settings) error {
	if err := os.MkdirAll(b.dir, dirMode); err != nil {
		return err
	}
	var err error
	path := filepath.Join(b.dir, databaseName)
	if b.base == nil {
		b.db, err = duckdb.Create(ctx, path, b.tables, s)
	} else if err = copyFile(b.base.Database(), path); err == nil {
		b.db, err = duckdb.Amend(ctx, path, b.tables, b.kept, s)
	}
	if err != nil {
		return err
	}
	for _, t := range b.tables {
		part, err := parquet.NewWriter(mem, filepath.Join(b.dir, parquetName, t.Name), t)
		if err != nil {
			return err
		}
		b.parts[t.Name] = part
	}
	b.toDB = b.sink(ctx, mem, func(table string, batch arrow.Record) error { return b.db.Append(ctx, table, batch) })
	b.toParts = b.sink(ctx, mem, func(table string, batch arrow.Record) error { return b.parts[table].Append(ctx, batch) })
	return nil
}

// Follow says that a table has the rows of another, whose columns are its first ones, and that batches of both are appended with the same cells, the
// leader's first. It comes before the first of them.
func (b *Building) Follow(table, leader string) error {
	if b.parts[table] == nil || b.parts[leader] == nil {
		return fmt.Errorf("version %s: no table %s or %s", b.run, table, leader)
	}
	b.follow[leader] = table
	return b.parts[table].Follow(b.parts[leader])
}

// drain waits until the sinks have done their work, and ends them.
func (b *Building) drain() {
	for _, q := range []*chan work{&b.toDB, &b.toParts} {
		if *q != nil {
			close(*q)
			*q = nil
		}
	}
	b.wait.Wait()
}

func (b *Building) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failure == nil {
		b.failure = err
		b.stop()
	}
}

func (b *Building) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failure != nil {
		return b.failure
	}
	return b.stopped()
}

// Append adds a batch to a table of the version. It waits for room where the sinks are behind.
func (b *Building) Append(table string, batch arrow.Record) error {
	if err := b.err(); err != nil {
		return err
	}
	if b.parts[table] == nil {
		return fmt.Errorf("version %s: no table %s", b.run, table)
	}
	b.count(table, batch)
	for _, q := range []chan work{b.toDB, b.toParts} {
		batch.Retain()
		q <- work{table: table, batches: []arrow.Record{batch}}
	}
	return nil
}

func (b *Building) count(table string, batch arrow.Record) {
	b.rows[table] += batch.NumRows()
	for i := range min(len(b.nulls[table]), len(batch.Columns())) { // the sinks tell what is not the table's
		b.nulls[table][i] += int64(batch.Column(i).NullN())
	}
}

// Nulls is how many rows a table has so far, and in how many each column is NULL.
func (b *Building) Nulls(table string) (rows int64, nulls []int64) {
	return b.rows[table], b.nulls[table]
}

// finish closes every file, complete and synced.
func (b *Building) finish(ctx context.Context) error {
	b.drain()
	if err := b.err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- b.finishParts() }()
	err := b.db.Close(ctx)
	return errors.Join(err, <-done)
}

func (b *Building) finishParts() error {
	for _, t := range b.tables {
		p := b.parts[t.Name]
		delete(b.parts, t.Name)
		if err := p.Close(); err != nil {
			return err
		}
		for _, part := range p.Parts() {
			b.files[path.Join(parquetName, t.Name, part.Name)] = part
		}
	}
	return nil
}

// entries are the tables as the manifest has them.
func (b *Building) entries() []TableEntry {
	out := make([]TableEntry, len(b.tables))
	for i, t := range b.tables {
		out[i] = TableEntry{Name: t.Name, Rows: b.rows[t.Name]}
	}
	return out
}

// describe syncs the files and writes what they are into the manifest.
func (b *Building) describe(m *Manifest) (err error) {
	to, err := b.w.access()
	if err != nil {
		return err
	}
	if m.Files, err = syncFiles(b.dir, to); err != nil {
		return err
	}
	for i := range m.Files {
		f := &m.Files[i]
		part := b.files[f.Path]
		f.Rows, f.Nulls, f.RowsDigest = part.Rows, part.Nulls, part.Digest
		if f.Path == databaseName {
			m.Compact = f.Size
		}
	}
	if b.base != nil {
		m.Compact = b.base.Manifest.Compact
	}
	return nil
}

// writeManifest writes the last file of the version.
func (b *Building) writeManifest(m Manifest) error {
	to, err := b.w.access()
	if err != nil {
		return err
	}
	if err := writeManifest(b.dir, m); err != nil {
		return err
	}
	return to.give(filepath.Join(b.dir, manifestName), to.file)
}

// compare reads the version back. Parts that were linked are what they were when the base was compared, for their bytes are.
func (b *Building) compare(ctx context.Context, expected []TableEntry) error {
	c := comparison{dir: b.dir, parts: map[string]duckdb.Digest{}, follow: b.follow}
	for name, part := range b.files {
		if d, ok := duckdb.ParseDigest(part.Digest, part.Rows); ok {
			c.parts[name] = d
		}
	}
	if err := c.compare(ctx, expected, b.settings); err != nil {
		return err
	}
	for name, part := range b.files {
		part.Digest = c.parts[name].String()
		b.files[name] = part
	}
	return nil
}

// Details is what the manifest says of a version beside its files.
type Details struct {
	DataRun string
	Base    string
	Created time.Time
	Summary any // the run's summary, written as JSON
	// Check, where it is not nil, has the last word on the database before it is made current: its error blocks the publish. It comes before
	// Summary is written.
	Check func(ctx context.Context, database string) error
}

// Publish completes the version, reads it back, compares DuckDB with Parquet and both with what was appended, and makes it current. The
// version before stays current where anything fails.
func (b *Building) Publish(ctx context.Context, d Details) (Version, error) {
	if err := b.finish(ctx); err != nil {
		return Version{}, err
	}
	expected := b.entries()
	if err := b.compare(ctx, expected); err != nil {
		return Version{}, err
	}
	if d.Check != nil {
		if err := d.Check(ctx, filepath.Join(b.dir, databaseName)); err != nil {
			return Version{}, err
		}
	}
	m := Manifest{Format: manifestFormat, Run: b.run, DataRun: d.DataRun, Base: d.Base, CreatedAt: d.Created.UTC().Format(time.RFC3339Nano),
		Fingerprint: fingerprint(b.tables), Tables: expected}
	var err error
	if m.Summary, err = json.Marshal(d.Summary); err != nil {
		return Version{}, fmt.Errorf("publish %s: %w", b.run, err)
	}
	if err := b.describe(&m); err != nil {
		return Version{}, fmt.Errorf("publish %s: %w", b.run, err)
	}
	if err := b.writeManifest(m); err != nil {
		return Version{}, err
	}
	return b.flip(ctx)
}

func (b *Building) flip(ctx context.Context) (Version, error) {
	if err := ctx.Err(); err != nil {
		return Version{}, err
	}
	if current, err := b.w.Current(); err == nil && current.Run == b.run {
		return Version{}, fmt.Errorf("publish %s: it is the current version already", b.run)
	}
	dir := filepath.Join(b.w.dir, versionsName, b.run)
	if _, err := os.Lstat(dir); err == nil { // published, but never made current: a run was killed between the two renames
		if err := b.w.remove(b.run); err != nil {
			return Version{}, fmt.Errorf("publish %s: %w", b.run, err)
		}
	}
	if err := os.Rename(b.dir, dir); err != nil {
		return Version{}, fmt.Errorf("publish %s: %w", b.run, err)
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return Version{}, err
	}
	if err := b.w.SetCurrent(b.run); err != nil {
		return Version{}, err
	}
	return b.w.Version(b.run)
}

// Abort removes an unfinished version. After Publish it does nothing.
func (b *Building) Abort() error {
	if b.closed {
		return nil
	}
	b.closed = true
	b.stop()
	b.drain()
	var errs []error
	if b.db != nil {
		errs = append(errs, b.db.Abandon())
	}
	for _, p := range b.parts {
		errs = append(errs, p.Abandon())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// syncFiles gives every file below dir to who may read it, makes it durable, and says what it is.
func syncFiles(dir string, to access) ([]FileEntry, error) {
	var files []FileEntry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return errors.Join(to.give(path, to.dir), syncDir(path))
		}
		if err := to.give(path, to.file); err != nil {
			return err
		}
		e, err := describe(dir, path, true)
		files = append(files, e)
		return err
	})
	slices.SortFunc(files, func(a, b FileEntry) int { return strings.Compare(a.Path, b.Path) })
	return files, err
}

// describe reads a file's size and hash.
func describe(dir, path string, sync bool) (FileEntry, error) {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return FileEntry{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return FileEntry{}, err
	}
	defer func() { _ = f.Close() }() // read only
	if sync {
		if err := f.Sync(); err != nil {
			return FileEntry{}, fmt.Errorf("%s: %w", rel, err)
		}
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return FileEntry{}, fmt.Errorf("%s: %w", rel, err)
	}
	return FileEntry{Path: filepath.ToSlash(rel), Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// flattening is counted up with every change of how records become rows, so that no version is amended whose rows were made another way.
const flattening = 1

func fingerprint(tables []schema.Table) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", flattening)
	for _, t := range tables {
		fmt.Fprintf(h, "%s\n", t.DDL())
	}
	return hex.EncodeToString(h.Sum(nil))
}

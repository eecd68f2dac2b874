package lake_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	icebergtable "github.com/apache/iceberg-go/table"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
)

// entry is a row of a delete file.
type entry struct {
	path string
	at   int64
}

// deleted reads the table's delete files: each is sorted, says what it has, and is about files of its own partition; no row is deleted twice.
func deleted(t *testing.T, c *shelf, name string) map[entry]bool {
	t.Helper()
	tbl := load(t, c, name)
	storage, err := tbl.FS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := tbl.CurrentSnapshot().Manifests(storage)
	if err != nil {
		t.Fatal(err)
	}
	partition, rows := map[string]string{}, map[string]int64{}
	var deletes []iceberg.DataFile
	for _, m := range manifests {
		for e, err := range m.Entries(storage, true) {
			if err != nil {
				t.Fatal(err)
			}
			switch f := e.DataFile(); f.ContentType() {
			case iceberg.EntryContentData:
				partition[f.FilePath()], rows[f.FilePath()] = fmt.Sprint(f.SpecID(), f.Partition()), f.Count()
			case iceberg.EntryContentPosDeletes:
				deletes = append(deletes, f)
			default:
				t.Fatalf("%s is neither data nor deletes by position", f.FilePath())
			}
		}
	}
	out := map[entry]bool{}
	for _, d := range deletes {
		entries := deleteEntries(t, d.FilePath())
		if int64(len(entries)) != d.Count() || d.Count() == 0 {
			t.Errorf("%d rows in a delete file that is said to have %d", len(entries), d.Count())
		}
		if !slices.IsSortedFunc(entries, func(a, b entry) int {
			return strings.Compare(fmt.Sprintf("%s %012d", a.path, a.at), fmt.Sprintf("%s %012d", b.path, b.at))
		}) {
			t.Errorf("a delete file is not sorted: %v", entries)
		}
		for _, e := range entries {
			if of, ok := partition[e.path]; ok && of != fmt.Sprint(d.SpecID(), d.Partition()) {
				t.Errorf("deletes of partition %v are about a file of %s", d.Partition(), of)
			}
			if n, ok := rows[e.path]; ok && e.at >= n {
				t.Errorf("row %d of %d is deleted", e.at, n)
			}
			if out[e] {
				t.Errorf("%v is deleted twice", e)
			}
			out[e] = true
		}
		if least := string(d.LowerBoundValues()[2147483546]); len(entries) > 0 && least != entries[0].path {
			t.Errorf("the least path is said to be %s", least)
		}
		if ref := d.ReferencedDataFile(); ref != nil && (entries[0].path != *ref || entries[len(entries)-1].path != *ref) {
			t.Error("a delete file is about another file than it says")
		}
	}
	return out
}

func deleteEntries(t *testing.T, path string) []entry {
	t.Helper()
	r, err := file.OpenParquetFile(strings.TrimPrefix(path, "file://"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, want := range []int32{2147483546, 2147483545} {
		if got := r.MetaData().Schema.Column(i).SchemaNode().FieldID(); got != want {
			t.Errorf("column %d has id %d, want %d", i, got, want)
		}
	}
	a, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := a.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Release()
	var out []entry
	all := array.NewTableReader(tbl, -1)
	defer all.Release()
	for all.Next() {
		b := all.RecordBatch()
		for i := range int(b.NumRows()) {
			out = append(out, entry{b.Column(0).(*array.String).Value(i), b.Column(1).(*array.Int64).Value(i)})
		}
	}
	return out
}

// ballast makes rows so heavy that a file is read in several batches: it hardly gets smaller by compression.
func (r *rows) ballast() *rows {
	return r.with("ballast", text, func(i int) any {
		b := make([]byte, 2000)
		_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(b)
		return hex.EncodeToString(b)
	})
}

// Night after night a few change, in files that have deleted rows already, with several row groups, a column that becomes wider, and rewritten by us and by others.
func TestDeletedRowsAreTheRightOnes(t *testing.T) {
	for _, held := range []int{0, 70} { // compared at once, and in several passes
		t.Run(fmt.Sprint(held), func(t *testing.T) { deletesNightAfterNight(t, held) })
	}
}

func deletesNightAfterNight(t *testing.T, held int) {
	t.Helper()
	_, c := local(t).must(t)
	tables := map[string]*rows{}
	l := lake.New(c, lake.Options{Namespace: c.namespace, Location: "file://" + t.TempDir(), Buckets: 3, Catalog: "sql", HeldRows: held})
	night := 0
	next := func(r *rows, did string) lake.Result {
		t.Helper()
		night++
		r = r.ballast()
		tables["users"] = r
		result := publish(t, l, input(runID(night), tables))["users"]
		if result.Did != did {
			t.Fatalf("night %d: %s, want %s", night, result.Did, did)
		}
		shows(t, c, "users", r)
		deleted(t, c, "users")
		return result
	}
	some := func(night int) func(int) int {
		return func(i int) int {
			switch {
			case i%60 == night, i%30 == 3: // the latter every night
				return night
			case i > 540+night, i%199 == night: // who came later, and who left
				return -1
			}
			return 1
		}
	}
	narrow := func(night int) *rows {
		return users(600, some(night)).with("x", short, func(i int) any { return i })
	}
	next(users(5, fixed(9)).with("x", short, func(int) any { return 1 }), lake.DidCreate)
	smallGroups(t, c)
	next(narrow(2), lake.DidReplace)
	if n := rowGroups(t, c); n < 2 {
		t.Fatalf("files have at most %d row groups", n)
	}
	for n := 3; n <= 6; n++ {
		if r := next(narrow(n), lake.DidUpdate); r.Appended < 10 || r.Appended > 90 {
			t.Errorf("%d rows were written", r.Appended)
		}
	}
	before := len(deleted(t, c, "users"))
	if before < 50 {
		t.Fatalf("only %d deleted rows", before)
	}
	wide := func(n int) *rows {
		return users(600, some(n)).with("x", long, func(i int) any { return int64(i) + int64(i%2)*int64(n/8)<<40 })
	}
	next(wide(7), lake.DidUpdate)
	rewriteAsOthersDo(t, c)
	shows(t, c, "users", tables["users"])
	next(wide(7), lake.DidMark)
	next(users(600, some(6)).with("x", long, func(i int) any { return i }), lake.DidUpdate)
	next(users(600, some(7)).with("x", long, func(i int) any { return i }), lake.DidUpdate)
	u := lake.Upkeep{MinFiles: 2, All: true, TargetBytes: 512 << 20, KeepSnapshots: 20, OrphanAge: 1 << 40}
	if err := l.Maintain(t.Context(), u, func(lake.Maintained) {}); err != nil {
		t.Fatal(err)
	}
	if n := len(deleted(t, c, "users")); n != 0 {
		t.Errorf("%d deleted rows after compaction", n)
	}
	next(users(600, some(8)).with("x", long, func(i int) any { return i }), lake.DidUpdate)
}

func smallGroups(t *testing.T, c *shelf) {
	t.Helper()
	tx := load(t, c, "users").NewTransaction()
	if err := tx.SetProperties(iceberg.Properties{"write.parquet.row-group-limit": "40"}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// rowGroups is the greatest number that a data file has.
func rowGroups(t *testing.T, c *shelf) int {
	t.Helper()
	tasks, err := load(t, c, "users").Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, task := range tasks {
		r, err := file.OpenParquetFile(strings.TrimPrefix(task.File.FilePath(), "file://"), false)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, r.NumRowGroups())
		r.Close()
	}
	return most
}

// rewriteAsOthersDo compacts a table as an engine does: without our marks, and with the delete files left that now delete nothing.
func rewriteAsOthersDo(t *testing.T, c *shelf) {
	t.Helper()
	tbl := load(t, c, "users")
	tasks, err := tbl.Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]*icebergtable.CompactionTaskGroup{}
	for _, task := range tasks {
		key := fmt.Sprint(task.File.Partition())
		if groups[key] == nil {
			groups[key] = &icebergtable.CompactionTaskGroup{PartitionKey: key}
		}
		groups[key].Tasks = append(groups[key].Tasks, task)
	}
	var all []icebergtable.CompactionTaskGroup
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		all = append(all, *groups[key])
	}
	if _, err := tbl.RewriteDataFiles(t.Context(), all, icebergtable.RewriteDataFilesOptions{}); err != nil {
		t.Fatal(err)
	}
}

// unreadable is a source that cannot be read.
type unreadable struct{ *rows }

var errRead = errors.New("it was read")

func (unreadable) Read(context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) { yield(nil, errRead) }
}

// A table whose version is the file that it was made from is not read, but where somebody else wrote to it since, or it is to be sure of.
func TestTheSameContentIsNotReadAgain(t *testing.T) {
	l, c := local(t).must(t)
	u := users(100, fixed(1))
	u.sha256 = "abc"
	of := func(run int) lake.Input {
		in := input(runID(run), one("users", u))
		in.Open = func(context.Context, string) (lake.Source, error) { return unreadable{u}, nil }
		return in
	}
	nothing := func(lake.Result) {}
	mark := func(run int) {
		t.Helper()
		if r := publish(t, l, of(run))["users"]; r.Did != lake.DidMark || r.Run != runID(run) {
			t.Errorf("%+v", r)
		}
		shows(t, c, "users", u)
	}
	publish(t, l, input(runID(1), one("users", u)))
	mark(2)
	mark(3)
	if err := l.Erase(t.Context(), of(4), nothing, func(lake.Erased) {}); !errors.Is(err, errRead) {
		t.Errorf("erase: %v", err)
	}
	other := users(100, changed(50))
	other.sha256 = "def"
	if err := l.Publish(t.Context(), lake.Input{Run: runID(4), Tables: []string{"users"}, Open: func(context.Context, string) (lake.Source, error) {
		return unreadable{other}, nil
	}}, nothing); !errors.Is(err, errRead) {
		t.Errorf("another content: %v", err)
	}
	publish(t, l, input(runID(4), one("users", other)))
	u = other
	upkeep := lake.Upkeep{MinFiles: 2, All: true, TargetBytes: 512 << 20, KeepSnapshots: 20, OrphanAge: 1 << 40}
	if err := l.Maintain(t.Context(), upkeep, func(lake.Maintained) {}); err != nil {
		t.Fatal(err)
	}
	mark(5)
	writeAsOthersDo(t, c)
	if err := l.Publish(t.Context(), of(6), nothing); !errors.Is(err, errRead) {
		t.Errorf("after another program: %v", err)
	}
	if r := publish(t, l, input(runID(6), one("users", u)))["users"]; r.Did != lake.DidUpdate {
		t.Errorf("%+v", r)
	}
	shows(t, c, "users", u)
	mark(7)
}

func writeAsOthersDo(t *testing.T, c *shelf) {
	t.Helper()
	tx := load(t, c, "users").NewTransaction()
	if err := tx.Delete(t.Context(), iceberg.IsIn(iceberg.Reference("user_id"), "user-00003"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Where so much differs that the table is replaced, what was written before that was known is removed.
func TestWhatIsNotCommittedIsRemoved(t *testing.T) {
	p := local(t)
	l, c := p.must(t)
	publish(t, l, input(runID(1), one("users", users(1000, fixed(1)))))
	two := users(1000, func(i int) int { return 1 + i/600 }) // they come late in the version
	if r := publish(t, l, input(runID(2), one("users", two)))["users"]; r.Did != lake.DidReplace {
		t.Errorf("%+v", r)
	}
	shows(t, c, "users", two)
	known := map[string]bool{}
	tbl := load(t, c, "users")
	storage, err := tbl.FS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range tbl.Metadata().Snapshots() {
		manifests, err := s.Manifests(storage)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range manifests {
			for e, err := range m.Entries(storage, false) {
				if err != nil {
					t.Fatal(err)
				}
				known[filepath.Base(e.DataFile().FilePath())] = true
			}
		}
	}
	err = filepath.WalkDir(strings.TrimPrefix(p.Location, "file://"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") && !known[filepath.Base(path)] {
			t.Errorf("%s is nobody's", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

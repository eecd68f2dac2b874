package lake_test

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	iceio "github.com/apache/iceberg-go/io"
	icebergtable "github.com/apache/iceberg-go/table"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
)

// stored is every stored byte of a table, what is compressed also decompressed, by file.
func stored(t *testing.T, c *shelf, name string) map[string][]byte {
	t.Helper()
	tbl := load(t, c, name)
	storage, err := tbl.FS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	err = storage.(iceio.ListableIO).WalkDir(tbl.Location(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := storage.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		raw, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		out[path] = raw
		switch {
		case strings.HasSuffix(path, ".parquet"):
			out[path] = append(raw, parquetText(t, raw)...)
		case strings.HasSuffix(path, ".avro"):
			out[path] = append(raw, avroText(raw)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func parquetText(t *testing.T, raw []byte) []byte {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	a, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := a.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Release()
	return []byte(tbl.String())
}

// avroText is the blocks of an Avro file decompressed. Each stands behind the file's marker, which is its last 16 bytes too, and two numbers.
func avroText(raw []byte) []byte {
	var out []byte
	marker := raw[len(raw)-16:]
	for at := bytes.Index(raw, marker); at >= 0 && at < len(raw)-16; {
		at += len(marker)
		for i := at; i < min(at+12, len(raw)); i++ {
			got, _ := io.ReadAll(flate.NewReader(bytes.NewReader(raw[i:])))
			out = append(out, got...)
		}
		next := bytes.Index(raw[at:], marker)
		if next < 0 {
			break
		}
		at += next
	}
	return out
}

func holds(t *testing.T, c *shelf, name, what string) []string {
	t.Helper()
	var out []string
	for path, raw := range stored(t, c, name) {
		if bytes.Contains(raw, []byte(what)) {
			out = append(out, path)
		}
	}
	return out
}

// without is a version in which a user was never there.
func without(r *rows, user string) *rows {
	out := &rows{r.schema, nil, r.batch, r.mem, ""}
	for _, v := range r.values {
		if v["user_id"] != user {
			out.values = append(out.values, v)
		}
	}
	return out
}

func erase(t *testing.T, l *lake.Lake, in lake.Input) []lake.Erased {
	t.Helper()
	var out []lake.Erased
	if err := l.Erase(t.Context(), in, func(lake.Result) {}, func(e lake.Erased) { out = append(out, e) }); err != nil {
		t.Fatalf("%v (%v)", err, errors.Unwrap(err))
	}
	return out
}

func TestEraseLeavesNoByte(t *testing.T) { eraseLeavesNoByte(t, local(t)) }

func eraseLeavesNoByte(t *testing.T, p place) {
	t.Helper()
	l, c := p.must(t)
	const user = "user-00000" // the least of the ids: manifests have it as a bound
	version := func(rev func(int) int) *rows {
		r := users(60, rev)
		r.values[0]["name"] = "Forgotten Person"
		return r
	}
	for night, r := range []*rows{
		version(fixed(1)), version(func(i int) int { return 1 + i%60/58 }), version(fixed(3)).with("secret", text, func(i int) any { return "secret column" }),
		version(fixed(3)), version(func(i int) int { return 3 + i%60/57 }),
	} {
		publish(t, l, input(runID(night+1), one("users", r)))
	}
	// A branch and a tag of an analyst, and a file that a publisher left who was killed.
	tbl := load(t, c, "users")
	head := tbl.CurrentSnapshot().SnapshotID
	if _, _, err := c.CommitTable(t.Context(), tbl.Identifier(), nil, []icebergtable.Update{
		icebergtable.NewSetSnapshotRefUpdate("audit", head, icebergtable.TagRef, 0, 0, 0),
	}); err != nil {
		t.Fatal(err)
	}
	storage, err := tbl.FS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.(iceio.WriteFileIO).WriteFile(tbl.Location()+"/data/left-behind.parquet.tmp", []byte("row of "+user)); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{user, "Forgotten Person", "secret column"} {
		if len(holds(t, c, "users", what)) == 0 {
			t.Fatalf("the search does not find %q before it is erased", what)
		}
	}
	if !slices.ContainsFunc(holds(t, c, "users", user), func(path string) bool { return strings.HasSuffix(path, ".avro") }) {
		t.Fatal("the search does not look into manifests")
	}
	last := without(version(func(i int) int { return 3 + i%60/57 }), user)
	for range 2 { // and again
		erase(t, l, input(runID(5), one("users", last)))
		shows(t, c, "users", last)
		for _, what := range []string{user, "Forgotten Person", "secret column"} {
			if got := holds(t, c, "users", what); len(got) > 0 {
				t.Errorf("%q is still in %v", what, got)
			}
		}
		if n := len(load(t, c, "users").Metadata().Snapshots()); n != 1 {
			t.Errorf("%d snapshots", n)
		}
	}
	next := users(60, fixed(9))
	publish(t, l, input(runID(6), one("users", next)))
	shows(t, c, "users", next)
}

// A publisher that wrote files before the erasure cannot commit them after it.
func TestErasePassesBesideAPublisher(t *testing.T) {
	p := local(t)
	l, c := p.must(t)
	publish(t, l, input(runID(1), one("users", users(60, fixed(1)))))
	erased := make(chan struct{})
	waits := make(chan struct{})
	first := true
	slow, sc, err := p.open(t.Context(), memory.DefaultAllocator, lake.Hooks{Step: func(step string) {
		if step == "commit" && first { // its files are written
			first = false
			close(waits)
			<-erased
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	third := users(60, func(i int) int { return 1 + i%60/58 })
	ended := make(chan error, 1)
	go func() {
		ended <- slow.Publish(t.Context(), input(runID(3), one("users", third)), func(lake.Result) {})
	}()
	<-waits
	second := without(users(60, fixed(1)), "user-00007")
	erase(t, l, input(runID(2), one("users", second)))
	close(erased)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	shows(t, c, "users", third)
}

// A publisher that writes files while they are looked for is seen.
func TestEraseSaysThatAnotherIsAtWork(t *testing.T) {
	p := local(t)
	l, c := p.must(t)
	publish(t, l, input(runID(1), one("users", users(60, fixed(1)))))
	tbl := load(t, c, "users")
	storage, err := tbl.FS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	busy, bc, err := p.open(t.Context(), memory.DefaultAllocator, lake.Hooks{Step: func(step string) {
		if step == "listed" {
			if err := storage.(iceio.WriteFileIO).WriteFile(tbl.Location()+"/data/just-written.parquet", []byte("rows")); err != nil {
				t.Error(err)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer bc.Close()
	err = busy.Erase(t.Context(), input(runID(1), one("users", users(60, fixed(1)))), func(lake.Result) {}, func(lake.Erased) {})
	var another *lake.BusyError
	if !errors.As(err, &another) || len(another.Hints()) == 0 {
		t.Errorf("%v", err)
	}
	erase(t, l, input(runID(1), one("users", users(60, fixed(1)))))
	if got := holds(t, c, "users", "just-written"); len(got) > 0 {
		t.Error(got)
	}
}

func TestMaintenance(t *testing.T) { maintenance(t, local(t)) }

func maintenance(t *testing.T, p place) {
	t.Helper()
	l, c := p.must(t)
	var last *rows
	for night := 1; night <= 8; night++ {
		last = users(140, func(i int) int {
			if i%20 == night {
				return night
			}
			return 1
		})
		publish(t, l, input(runID(night), one("users", last)))
	}
	before := load(t, c, "users")
	if deleteFiles(t, l, "users") == 0 {
		t.Fatal("there is nothing to compact")
	}
	maintain := func(u lake.Upkeep) lake.Maintained {
		t.Helper()
		var out lake.Maintained
		if err := l.Maintain(t.Context(), u, func(m lake.Maintained) { out = m }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	u := lake.Upkeep{MinFiles: 5, DeletedShare: 0.05, TargetBytes: 512 << 20, KeepSnapshots: 6, KeepFor: 0, OrphanAge: time.Hour}
	m := maintain(u)
	if m.FilesBefore <= m.FilesAfter || m.DeletesRemoved == 0 || m.Expired == 0 {
		t.Errorf("%+v", m)
	}
	shows(t, c, "users", last)
	after := load(t, c, "users")
	if deleteFiles(t, l, "users") != 0 || len(after.Metadata().Snapshots()) >= len(before.Metadata().Snapshots()) {
		t.Errorf("%d delete files, %d snapshots", deleteFiles(t, l, "users"), len(after.Metadata().Snapshots()))
	}
	if after.Properties()["rollcall.run-id"] != runID(8) || after.CurrentSnapshot().Summary.Properties["rollcall.users-sha256"] != "sha-of-"+runID(8) {
		t.Errorf("the run is lost: %v", after.CurrentSnapshot().Summary.Properties)
	}
	if m := maintain(u); m.FilesBefore != 0 || m.Expired != 0 {
		t.Errorf("again: %+v", m)
	}
	if r := publish(t, l, input(runID(8), one("users", last)))["users"]; r.Did != lake.DidNothing {
		t.Errorf("the run is published twice: %+v", r)
	}
	next := users(140, fixed(1))
	publish(t, l, input(runID(9), one("users", next)))
	shows(t, c, "users", next)
}

// The tables of namespace rollcall.users are in the folder of table users of namespace rollcall.
func TestTablesOfANamespaceWithinAreLeftAlone(t *testing.T) {
	p := local(t)
	l, c := p.must(t)
	p.Namespace = "rollcall.users"
	within, inner := p.must(t)
	r := users(20, fixed(1))
	publish(t, l, input(runID(1), one("users", r)))
	publish(t, within, input(runID(1), one("users", r)))
	err := filepath.WalkDir(strings.TrimPrefix(p.Location, "file://"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, time.Time{}, time.Now().Add(-1000*time.Hour))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Maintain(t.Context(), lake.Upkeep{MinFiles: 5, KeepSnapshots: 1, OrphanAge: time.Hour}, func(lake.Maintained) {}); err != nil {
		t.Fatal(err)
	}
	shows(t, inner, "users", r)
	erase(t, l, input(runID(1), one("users", r)))
	shows(t, inner, "users", r)
	shows(t, c, "users", r)
}

func TestEraseAloneTriesNothingAgain(t *testing.T) {
	l, c, err := local(t).open(t.Context(), memory.DefaultAllocator, lake.Hooks{Retry: func(table string, attempt int, err error) {
		t.Errorf("table %s, attempt %d: %v", table, attempt, err)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for night := range 3 {
		publish(t, l, input(runID(night+1), one("users", users(20, fixed(night)))))
	}
	erase(t, l, input(runID(3), one("users", users(20, fixed(2)))))
}

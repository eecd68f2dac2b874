package lake_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
)

func TestAVersionIsShown(t *testing.T) {
	l, c := local(t).must(t)
	first := users(1000, fixed(1))
	if r := publish(t, l, input(runID(1), one("users", first)))["users"]; r.Did != lake.DidCreate || r.Appended != 1000 || r.Bytes == 0 {
		t.Errorf("%+v", r)
	}
	shows(t, c, "users", first)
	tbl := load(t, c, "users")
	spec := tbl.Spec()
	if got := spec.String(); !strings.Contains(got, "org_id_bucket: bucket[4]") {
		t.Errorf("partitions: %s", got)
	}
	if tbl.Metadata().Version() != 2 || tbl.Properties()["rollcall.run-id"] != runID(1) {
		t.Errorf("version %d, %v", tbl.Metadata().Version(), tbl.Properties())
	}
	summary := tbl.CurrentSnapshot().Summary.Properties
	for k, want := range map[string]string{
		"rollcall.run-id": runID(1), "rollcall.certified": "true", "rollcall.proof": "count", "rollcall.users-sha256": "sha-of-" + runID(1), "rollcall.rows": "1000",
	} {
		if summary[k] != want {
			t.Errorf("summary: %s is %q, want %q", k, summary[k], want)
		}
	}
	if got := names(tbl); !strings.HasPrefix(got, "user_id string, org_id string, name string, n long, at timestamp, tags list<string>") {
		t.Error(got)
	}

	if r := publish(t, l, input(runID(1), one("users", first)))["users"]; r.Did != lake.DidNothing {
		t.Errorf("again: %+v", r)
	}
	second := users(1000, changed(100))
	r := publish(t, l, input(runID(2), one("users", second)))["users"]
	if r.Did != lake.DidUpdate || r.Users != 10 || r.Appended != 10 {
		t.Errorf("1 %% changed: %+v", r)
	}
	shows(t, c, "users", second)
	if deletes := deleteFiles(t, l, "users"); deletes == 0 {
		t.Error("rows were not deleted by position")
	}
	if r := publish(t, l, input(runID(3), one("users", second)))["users"]; r.Did != lake.DidMark || r.Appended != 0 {
		t.Errorf("unchanged: %+v", r)
	}
	shows(t, c, "users", second)
	third := users(1000, fixed(3))
	if r := publish(t, l, input(runID(4), one("users", third)))["users"]; r.Did != lake.DidReplace {
		t.Errorf("all changed: %+v", r)
	}
	shows(t, c, "users", third)
	if deletes := deleteFiles(t, l, "users"); deletes != 0 {
		t.Errorf("%d delete files are left of rows that are gone", deletes)
	}
}

func deleteFiles(t *testing.T, l *lake.Lake, name string) int {
	t.Helper()
	all, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Table == name {
			return s.DeleteFiles
		}
	}
	t.Fatalf("no table %s", name)
	return 0
}

// Any history of changes, whatever came before, ends in exactly the rows of the last version.
func TestAnyChangeIsFound(t *testing.T) {
	l, c := local(t).must(t)
	random := rand.New(rand.NewPCG(1, 2))
	state := make([]int, 300)
	for run := 1; run <= 25; run++ {
		share := []int{0, 1, 3, 10, 50, 200}[random.IntN(6)]
		for i := range state {
			if random.IntN(300) < share {
				state[i] = random.IntN(5) - 1 // -1: not there
			}
		}
		r := users(len(state), func(i int) int { return state[i] })
		for range random.IntN(4) { // rows without a user, as those in quarantine
			r.values = append(r.values, map[string]any{"user_id": nil, "org_id": "org-1", "name": fmt.Sprint(random.IntN(3))})
		}
		for range random.IntN(3) { // a user with several rows, of which two may be the same
			if i := random.IntN(300); len(r.values) > i {
				r.values = append(r.values, r.values[i])
			}
		}
		random.Shuffle(len(r.values), func(i, j int) { r.values[i], r.values[j] = r.values[j], r.values[i] })
		publish(t, l, input(runID(run), one("users", r)))
		shows(t, c, "users", r)
	}
}

func TestColumnsComeAndGo(t *testing.T) {
	l, c := local(t).must(t)
	base := users(200, fixed(1))
	steps := []struct {
		name string
		rows *rows
		did  string
		ends string
	}{
		{"first", base.with("x", short, func(i int) any { return i }), lake.DidCreate, "x int"},
		{"added", base.with("x", short, func(i int) any { return i }).with("y", text, func(i int) any {
			if i%100 == 3 {
				return "set"
			}
			return nil
		}), lake.DidUpdate, "x int, y string"},
		{"widened", base.with("x", long, func(i int) any {
			if i == 5 {
				return int64(1) << 40
			}
			return i
		}).with("y", text, func(int) any { return nil }), lake.DidUpdate, "x long, y string"},
		{"not to be widened", base.with("x", text, func(i int) any { return fmt.Sprint("t", i) }).with("y", text, func(int) any { return nil }), lake.DidReplace, "x string, y string"},
		{"dropped", base.with("y", text, func(int) any { return nil }), lake.DidMark, "big decimal(38, 0), y string"},
		{"back", base.with("x", text, func(i int) any { return fmt.Sprint("t", i) }).with("y", text, func(int) any { return nil }), lake.DidReplace, "x string, y string"},
		{"between", base.with("x", text, func(i int) any { return fmt.Sprint("t", i) }).with("between", long, func(int) any { return nil }).with("y", text, func(int) any { return nil }), lake.DidMark, "x string, between long, y string"},
	}
	ids := map[int]string{}
	for i, s := range steps {
		r := publish(t, l, input(runID(i+1), one("users", s.rows)))["users"]
		if r.Did != s.did {
			t.Errorf("%s: %s, want %s", s.name, r.Did, s.did)
		}
		shows(t, c, "users", s.rows)
		tbl := load(t, c, "users")
		if got := names(tbl); !strings.HasSuffix(got, s.ends) {
			t.Errorf("%s: %s", s.name, got)
		}
		for _, f := range tbl.Schema().Fields() { // an id never becomes another column's, or another type's that it cannot be widened to
			of := f.Name + " " + strings.NewReplacer("int", "long").Replace(f.Type.String())
			of = strings.ReplaceAll(of, "llongg", "long")
			if was, ok := ids[f.ID]; ok && was != of {
				t.Errorf("%s: field %d was %s and is %s", s.name, f.ID, was, of)
			}
			ids[f.ID] = of
		}
	}
}

func TestTheRunOnEachRowIsNoChange(t *testing.T) {
	l, c := local(t).must(t)
	version := func(run string, absent int) *rows {
		return users(100, fixed(1)).with("_run_id", text, func(int) any { return run }).with("_last_seen_run", text, func(i int) any {
			if i == absent {
				return runID(0)
			}
			return run
		})
	}
	publish(t, l, input(runID(1), one("users_flat", version(runID(1), -1))))
	if r := publish(t, l, input(runID(2), one("users_flat", version(runID(2), -1))))["users_flat"]; r.Did != lake.DidMark {
		t.Errorf("%+v", r)
	}
	shows(t, c, "users_flat", version(runID(1), -1))
	if r := publish(t, l, input(runID(3), one("users_flat", version(runID(3), 7))))["users_flat"]; r.Did != lake.DidUpdate || r.Users != 1 {
		t.Errorf("absent but kept: %+v", r)
	}
	if r := publish(t, l, input(runID(4), one("users_flat", version(runID(4), -1))))["users_flat"]; r.Did != lake.DidUpdate || r.Users != 1 {
		t.Errorf("seen again: %+v", r)
	}
}

func TestATableWithoutUsersIsReplaced(t *testing.T) {
	l, c := local(t).must(t)
	roles := func(n int) *rows {
		r := &rows{schema: schema("role_id", text, "n", long), batch: 10, mem: memory.DefaultAllocator}
		for i := range n {
			r.values = append(r.values, map[string]any{"role_id": fmt.Sprint(i), "n": i})
		}
		return r
	}
	for run, n := range []int{3, 3, 100, 0, 0, 2} {
		publish(t, l, input(runID(run+1), one("_runs", roles(n))))
		shows(t, c, "_runs", roles(n))
	}
}

func TestATableThatIsGoneIsEmptied(t *testing.T) {
	l, c := local(t).must(t)
	u := users(50, fixed(1))
	publish(t, l, input(runID(1), map[string]*rows{"users": u, "user_memories": u}))
	if r := publish(t, l, input(runID(2), one("users", u)))["user_memories"]; r.Did != lake.DidEmpty {
		t.Errorf("%+v", r)
	}
	shows(t, c, "user_memories", &rows{schema: u.schema})
	publish(t, l, input(runID(3), one("users", u)))
	publish(t, l, input(runID(4), map[string]*rows{"users": u, "user_memories": u}))
	shows(t, c, "user_memories", u)
}

func TestAnOlderRunIsRefused(t *testing.T) {
	l, c := local(t).must(t)
	two := users(50, fixed(2))
	publish(t, l, input(runID(2), one("users", two)))
	err := l.Publish(t.Context(), input(runID(1), one("users", users(50, fixed(1)))), func(lake.Result) {})
	var older *lake.OlderError
	if !errors.As(err, &older) || older.Newer != runID(2) {
		t.Errorf("%v", err)
	}
	shows(t, c, "users", two)
}

func TestATableOfOthersIsLeftAlone(t *testing.T) {
	l, c := local(t).must(t)
	for _, name := range []string{"users", "theirs"} {
		if _, err := c.CreateTable(t.Context(), c.id(name), iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "a", Type: iceberg.PrimitiveTypes.String})); err != nil {
			t.Fatal(err)
		}
	}
	u := users(10, fixed(1))
	var foreign *lake.ForeignError
	if err := l.Publish(t.Context(), input(runID(1), one("users", u)), func(lake.Result) {}); !errors.As(err, &foreign) {
		t.Errorf("%v", err)
	}
	publish(t, l, input(runID(1), one("users_flat", u)))
	if load(t, c, "theirs").CurrentSnapshot() != nil {
		t.Error("a table that is not ours was written to")
	}
}

// What another program did to a table is mended by the next run.
func TestWhatOthersWroteIsMended(t *testing.T) {
	l, c := local(t).must(t)
	u := users(200, fixed(1))
	publish(t, l, input(runID(1), one("users", u)))
	tx := load(t, c, "users").NewTransaction()
	if err := tx.Delete(t.Context(), iceberg.IsIn(iceberg.Reference("user_id"), "user-00001", "user-00002"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := publish(t, l, input(runID(2), one("users", u)))["users"]; r.Did != lake.DidUpdate || r.Users != 2 {
		t.Errorf("%+v", r)
	}
	shows(t, c, "users", u)
}

func TestArrowMemoryIsGivenBack(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	l, c, err := local(t).open(t.Context(), mem, lake.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for run, revision := range []func(int) int{fixed(1), fixed(1), changed(50), fixed(1), changed(2), fixed(3)} {
		r := users(300, revision)
		r.mem = mem
		publish(t, l, input(runID(run+1), one("users", r)))
	}
}

func TestATypeThatHasNoPlaceIsAnError(t *testing.T) {
	l, _ := local(t).must(t)
	r := &rows{schema: schema("user_id", text, "when", &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}), batch: 1, mem: memory.DefaultAllocator}
	err := l.Publish(t.Context(), input(runID(1), one("users", r)), func(lake.Result) {})
	if err == nil || !strings.Contains(err.Error(), "column when") {
		t.Errorf("%v", err)
	}
}

// A partition's file that cannot be opened is an error, also where all rows of the partition came long before the end.
func TestRowsThatTheStorageDoesNotTakeAreNotLost(t *testing.T) {
	p := local(t)
	l, c := p.must(t)
	in := func(r *rows, org string, from, to int) *rows {
		for i := from; i < to; i++ {
			r.values[i]["org_id"] = org
		}
		return r
	}
	const all = 4000
	before := in(users(all, fixed(1)), "one", 0, all)
	publish(t, l, input(runID(1), one("users", before)))
	// Only the partition of the first organization has a folder. Where the others would have theirs there are files.
	data := filepath.Join(strings.TrimPrefix(p.Location, "file://"), "rollcall", "users", "data")
	for bucket := range 4 {
		f, err := os.OpenFile(filepath.Join(data, fmt.Sprintf("org_id_bucket=%d", bucket)), os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			err = f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	after := in(users(all, func(i int) int { return 1 + i%10/9 }), "one", 0, all)
	for i := range 20 {
		after.values[i]["org_id"] = fmt.Sprintf("other %d", i)
	}
	err := l.Publish(t.Context(), input(runID(2), one("users", after)), func(r lake.Result) { t.Errorf("%+v", r) })
	if err == nil {
		t.Error("rows that could not be written are said to be there")
	}
	shows(t, c, "users", before)
}

// Files of rows or deletes that somebody removed from the storage, a rule of the bucket's say, are what a publish does without.
func TestWhatIsMissingIsMended(t *testing.T) {
	for name, gone := range map[string]func(path string) bool{
		"rows":    func(path string) bool { return !strings.HasSuffix(path, "-deletes.parquet") },
		"deletes": func(path string) bool { return strings.HasSuffix(path, "-deletes.parquet") },
	} {
		t.Run(name, func(t *testing.T) {
			p := local(t)
			l, c := p.must(t)
			publish(t, l, input(runID(1), one("users", users(500, fixed(1)))))
			publish(t, l, input(runID(2), one("users", users(500, changed(20)))))
			removed := 0
			err := filepath.WalkDir(strings.TrimPrefix(p.Location, "file://"), func(path string, _ fs.DirEntry, err error) error {
				if err != nil || !strings.HasSuffix(path, ".parquet") || !gone(path) {
					return err
				}
				removed++
				return os.Remove(path)
			})
			if err != nil || removed == 0 {
				t.Fatalf("%d files removed, %v", removed, err)
			}
			three := users(500, changed(30))
			if r := publish(t, l, input(runID(3), one("users", three)))["users"]; r.Did != lake.DidReplace || r.Attempts != 1 {
				t.Errorf("%+v", r)
			}
			shows(t, c, "users", three)
			erase(t, l, input(runID(3), one("users", three)))
			shows(t, c, "users", three)
		})
	}
}

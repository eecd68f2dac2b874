package pipeline

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// changing is a scenario in which a few of so many users come, go and change at some list requests of every night.
func changing(users int) *sandbox.Scenario {
	var steps []sandbox.Step
	for at := 5; at < max(400, users); at += 7 * max(1, users/400) {
		steps = append(steps,
			sandbox.Step{Endpoint: sandbox.KindList, At: []int{at}, Do: sandbox.DoChange, Users: 3, Where: "after"},
			sandbox.Step{Endpoint: sandbox.KindList, At: []int{at + 2}, Do: sandbox.DoInsert, Users: 2, Where: "before"},
			sandbox.Step{Endpoint: sandbox.KindList, At: []int{at + 4}, Do: sandbox.DoDelete, Where: "after"})
	}
	return &sandbox.Scenario{Steps: steps}
}

// TestAmendedVersionsAreWhatWholeOnesWouldBe: after nights that each amended the version before, every table has the rows that a replay of
// the same journals, which builds every version whole, comes to.
func TestAmendedVersionsAreWhatWholeOnesWouldBe(t *testing.T) {
	for name, tt := range map[string]struct {
		items       string
		users       int
		leastLinked int64
		spaceAfter  int
	}{
		"spec": {sandbox.ItemsSpec, 400, 0, 0}, "full": {sandbox.ItemsFull, 400, 0, 0}, "users on disk": {sandbox.ItemsFull, 400, 0, 1},
		"spec, no small parts": {sandbox.ItemsSpec, 400, 1, 0}, "full, no small parts": {sandbox.ItemsFull, 400, 1, 1},
		"several batches": {sandbox.ItemsFull, 2500, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := nights(t, sandbox.Options{Users: tt.users, Limits: "none", Items: tt.items, Scenario: changing(tt.users)})
			wh := publish.Open(c.Warehouse)
			first := current(t, wh, night(t, c))
			amended, changes := 0, int64(0)
			for range 4 {
				s, err := Run(t.Context(), Options{Config: c, Command: Sync, Log: zerolog.Nop(), leastLinked: tt.leastLinked, spaceAfter: tt.spaceAfter})
				if err != nil {
					t.Fatal(err)
				}
				v := current(t, wh, s)
				changes += s.Added + s.Changed + s.Deleted
				if v.Manifest.Compact == first.Manifest.Compact && v.Run != first.Run {
					amended++
				}
			}
			if amended != 4 || changes < 10 {
				t.Fatalf("%d of 4 versions were amended, with %d changes", amended, changes)
			}
			last := current(t, wh, nil)
			if n := len(last.Parts(schema.NameUsersHistory)); (n > 1) != (tt.leastLinked > 0) {
				t.Errorf("the history has %d parts", n)
			}
			again, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop(), spaceAfter: tt.spaceAfter})
			if err != nil {
				t.Fatal(err)
			}
			whole := current(t, wh, again)
			if whole.Manifest.Compact == first.Manifest.Compact {
				t.Fatal("the replay amended")
			}
			for _, table := range last.Manifest.Tables {
				if a, b := digest(t, last, table.Name), digest(t, whole, table.Name); a != b {
					t.Errorf("%s: %+v amended, %+v built whole", table.Name, a, b)
				}
			}
			for _, table := range []string{schema.NameUsers, schema.NameUsersFlat} { // a digest does not tell in which order
				if a, b := inOrder(t, last, table), inOrder(t, whole, table); !slices.Equal(a, b) {
					t.Errorf("%s is in another order amended than built whole", table)
				}
			}
		})
	}
}

// inOrder are the users of a table as its Parquet parts have them.
func inOrder(t *testing.T, v publish.Version, table string) (users []string) {
	t.Helper()
	err := eachBatch(t.Context(), v, memory.DefaultAllocator, table, []string{"user_id"}, func(c transform.Columns) error {
		for i := range c.Rows() {
			users = append(users, strings.Clone(c.Text("user_id", i).String))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return users
}

// current is the current version, which a run must have published where one is given.
func current(t *testing.T, wh *publish.Warehouse, s *Summary) publish.Version {
	t.Helper()
	v, err := wh.Current()
	if err != nil {
		t.Fatal(err)
	}
	if s != nil && v.Run != s.RunID {
		t.Fatalf("run %s is %s and published nothing", s.RunID, s.Status)
	}
	return v
}

func digest(t *testing.T, v publish.Version, table string) duckdb.Digest {
	t.Helper()
	r, err := duckdb.OpenVerifier(t.Context(), v.Database(), duckdb.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	columns, err := r.Columns(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Digest(t.Context(), schema.Quote(table), columns...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestNothingIsBuiltUponADamagedVersion: where somebody wrote to the current version, a run says so and changes nothing, and after a rollback
// the next one goes on.
func TestNothingIsBuiltUponADamagedVersion(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 30, Limits: "none", Items: sandbox.ItemsFull, Scenario: changing(30)})
	c.PageSize = 5
	wh := publish.Open(c.Warehouse)
	before := current(t, wh, night(t, c))
	damaged := current(t, wh, night(t, c))
	f, err := os.OpenFile(damaged.Path(damaged.Parts(schema.NameUsers)[0]), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("?"), 100); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), Options{Config: c, Command: Sync, Log: zerolog.Nop()})
	var e *DamagedError
	if !errors.As(err, &e) || len(e.Hints()) == 0 {
		t.Fatalf("error %v", err)
	}
	if err := wh.SetCurrent(before.Run); err != nil {
		t.Fatal(err)
	}
	current(t, wh, night(t, c))
}

package pipeline

import (
	"errors"
	"os"
	"testing"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
)

// changing is a scenario in which a few users come, go and change at some list requests of every night.
func changing() *sandbox.Scenario {
	var steps []sandbox.Step
	for at := 5; at < 400; at += 7 {
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
		leastLinked int64
		spaceAfter  int
	}{
		"spec": {sandbox.ItemsSpec, 0, 0}, "full": {sandbox.ItemsFull, 0, 0}, "users on disk": {sandbox.ItemsFull, 0, 1},
		"spec, every part linked or patched": {sandbox.ItemsSpec, 1, 0}, "full, every part linked or patched": {sandbox.ItemsFull, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := nights(t, sandbox.Options{Users: 400, Limits: "none", Items: tt.items, Scenario: changing()})
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
		})
	}
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
	_, c := nights(t, sandbox.Options{Users: 30, Limits: "none", Items: sandbox.ItemsFull, Scenario: changing()})
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

package lake_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
)

func rollback(t *testing.T, l *lake.Lake, run string, version *lake.Input) {
	t.Helper()
	if err := l.Rollback(t.Context(), run, version, func(lake.Result) {}); err != nil {
		t.Fatal(err)
	}
}

func TestRollback(t *testing.T) {
	l, c := local(t).must(t)
	version := map[int]map[string]*rows{
		1: {"users": users(60, fixed(1)), "_runs": users(5, fixed(1))},
		2: {"users": users(60, func(i int) int { return 1 + i%60/58 }).with("x", text, func(int) any { return "new" }), "_runs": users(5, fixed(2))},
		3: {"users": users(60, fixed(3)).with("x", long, func(i int) any { return i }), "_runs": users(5, fixed(3))},
		4: {"users": users(60, fixed(4)), "_runs": users(5, fixed(4))},
	}
	all := func(run int) {
		t.Helper()
		for name, r := range version[run] {
			shows(t, c, name, r)
		}
	}
	for run := 1; run <= 3; run++ {
		publish(t, l, input(runID(run), version[run]))
	}
	if before, err := l.Before(t.Context()); before != runID(2) || err != nil {
		t.Errorf("before: %s, %v", before, err)
	}
	rollback(t, l, runID(1), nil)
	all(1)
	rollback(t, l, runID(1), nil) // again
	if r := publish(t, l, input(runID(3), version[3])); r["users"].Did != lake.DidHold {
		t.Errorf("the run it was rolled back from came back: %+v", r)
	}
	all(1)
	var older *lake.OlderError
	if err := l.Publish(t.Context(), input(runID(2), version[2]), func(lake.Result) {}); !errors.As(err, &older) || !older.RolledBack {
		t.Errorf("%v", err)
	}
	rollback(t, l, runID(2), nil) // forward, not all the way
	all(2)
	if r := publish(t, l, input(runID(3), version[3])); r["users"].Did != lake.DidHold {
		t.Errorf("%+v", r)
	}
	rollback(t, l, runID(3), nil)
	all(3)
	if got := load(t, c, "users").Properties()["rollcall.rolled-back-from"]; got != "" {
		t.Errorf("rolled back from %s", got)
	}
	rollback(t, l, runID(1), nil)
	publish(t, l, input(runID(4), version[4])) // a newer one
	all(4)
	if got := load(t, c, "users").Properties()["rollcall.rolled-back-from"]; got != "" {
		t.Errorf("rolled back from %s", got)
	}
}

func TestRollbackToWhatTheSnapshotsHaveNot(t *testing.T) {
	l, c := local(t).must(t)
	one1, two := map[string]*rows{"users": users(60, fixed(1)), "_runs": users(3, fixed(1))}, map[string]*rows{"users": users(60, fixed(2)), "_runs": users(3, fixed(2)), "user_memories": users(4, fixed(1))}
	publish(t, l, input(runID(1), one1))
	publish(t, l, input(runID(2), two))
	var unknown *lake.UnknownRunError
	err := l.Rollback(t.Context(), runID(1), nil, func(lake.Result) {})
	if !errors.As(err, &unknown) || !slices.Equal(unknown.Tables, []string{"user_memories"}) {
		t.Errorf("%v", err)
	}
	for name, r := range two {
		shows(t, c, name, r) // none was rolled back
	}
	version := input(runID(1), one1)
	rollback(t, l, runID(1), &version)
	for name, r := range one1 {
		shows(t, c, name, r)
	}
	shows(t, c, "user_memories", &rows{schema: two["user_memories"].schema})
	if r := publish(t, l, input(runID(2), two)); r["users"].Did != lake.DidHold || r["user_memories"].Did != lake.DidHold {
		t.Errorf("%+v", r)
	}
	publish(t, l, input(runID(3), two))
	for name, r := range two {
		shows(t, c, name, r)
	}
}

package transform

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

// TestAFirstVersionsHistorySharesTheCellsOfUsers: its batches are those that are made of the rows one by one.
func TestAFirstVersionsHistorySharesTheCellsOfUsers(t *testing.T) {
	rows, prefs, _ := usualRows(t, batchRows+batchRows/2)
	build := func(first bool) (order []string, batches map[string][]arrow.Record) {
		batches = map[string][]arrow.Record{}
		b := NewBuilder(testAllocator(t), "run-1", prefs, schema.Tables(columnsOf(prefs), false), func(table string, batch arrow.Record) error {
			if table == schema.NameUsers || table == schema.NameUsersHistory {
				order = append(order, table)
				batch.Retain()
				batches[table] = append(batches[table], batch)
				t.Cleanup(batch.Release)
			}
			return nil
		})
		defer b.Release()
		if first {
			b.First()
		}
		for i := range rows {
			if err := b.User(&rows[i], nil); err != nil {
				t.Fatal(err)
			}
			if err := b.History(Version{Row: &rows[i], From: Micros{int64(i), true}, Run: "run-1"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		return order, batches
	}
	_, apart := build(false)
	order, shared := build(true)
	for i, table := range order {
		if want := []string{schema.NameUsers, schema.NameUsersHistory}[i%2]; table != want {
			t.Fatalf("batches of %q: the leader's come first", order)
		}
	}
	for _, table := range []string{schema.NameUsers, schema.NameUsersHistory} {
		if d := cmp.Diff(textOf(apart[table]), textOf(shared[table])); d != "" {
			t.Errorf("%s: %s", table, d)
		}
	}
	for i, users := range shared[schema.NameUsers] {
		for c, cells := range users.Columns() {
			if shared[schema.NameUsersHistory][i].Column(c) != cells {
				t.Errorf("batch %d, column %d: made twice", i, c)
			}
		}
	}
}

func textOf(batches []arrow.Record) []string {
	var rows []string
	for _, b := range batches {
		for i := range int(b.NumRows()) {
			var row strings.Builder
			for _, c := range b.Columns() {
				row.WriteString(c.ValueStr(i) + "|")
			}
			rows = append(rows, row.String())
		}
	}
	return rows
}

func TestAUserOfAFirstVersionWithoutHistory(t *testing.T) {
	rows, prefs, _ := usualRows(t, 2)
	b := NewBuilder(testAllocator(t), "run-1", prefs, schema.Tables(columnsOf(prefs), false), discard)
	defer b.Release()
	b.First()
	for i := range rows {
		if err := b.User(&rows[i], nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.History(Version{Row: &rows[1], From: Micros{1, true}, Run: "run-1"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err == nil {
		t.Error("two users have one row of history, and nobody says so")
	}
}

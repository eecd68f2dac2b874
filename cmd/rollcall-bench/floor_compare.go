package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/schema"
)

// comparison is what a floor's tables are beside those of the version that rollcall made of the same pages.
type comparison struct {
	Tables      map[string]int64 `json:"tables"` // rows of each
	Differences []string         `json:"differences"`
}

// incomparable are the columns that must differ: they name a run or its time, or hold a hash that SQL cannot make.
var incomparable = []string{"run_id", "_run_id", "_last_seen_run", "_first_seen_at", "_changed_at", "_valid_from", "_extras_hash", "_stats_hash"}

// compare compares two database files table by table: the columns they have, the rows, and what the comparable columns hold.
func compare(ctx context.Context, version, floor string) (_ comparison, err error) {
	ours, err := duckdb.OpenVerifier(ctx, version, duckdb.Settings{})
	if err != nil {
		return comparison{}, err
	}
	defer func() { err = errors.Join(err, ours.Close()) }()
	theirs, err := duckdb.OpenVerifier(ctx, floor, duckdb.Settings{})
	if err != nil {
		return comparison{}, err
	}
	defer func() { err = errors.Join(err, theirs.Close()) }()
	c := comparison{Tables: map[string]int64{}}
	for _, t := range schema.Tables(nil, false) {
		rows, difference, err := compareTable(ctx, ours, theirs, t)
		if err != nil {
			return c, fmt.Errorf("compare %s: %w", t.Name, err)
		}
		c.Tables[t.Name] = rows
		if difference != "" {
			c.Differences = append(c.Differences, t.Name+": "+difference)
		}
	}
	return c, nil
}

func compareTable(ctx context.Context, ours, theirs *duckdb.Verifier, t schema.Table) (rows int64, difference string, err error) {
	columns, err := ours.Columns(ctx, t.Name)
	if err != nil {
		return 0, "", err
	}
	has, err := theirs.Columns(ctx, t.Name)
	if err != nil {
		return 0, "", err
	}
	slices.Sort(columns)
	slices.Sort(has)
	if !slices.Equal(columns, has) {
		return 0, fmt.Sprintf("columns %v, the floor's %v", columns, has), nil
	}
	relation, columns := alike(t, columns)
	a, err := ours.Digest(ctx, relation, columns...)
	if err != nil {
		return 0, "", err
	}
	b, err := theirs.Digest(ctx, relation, columns...)
	if err != nil {
		return 0, "", err
	}
	switch {
	case a.Rows != b.Rows:
		difference = fmt.Sprintf("%d rows, the floor's %d", a.Rows, b.Rows)
	case a != b && len(columns) > 1:
		difference, err = differing(ctx, ours, theirs, relation, columns)
	}
	return a.Rows, difference, err
}

// alike is a table with the columns that two runs must have alike. Of JSON, which SQL has written its own way, that is how many entries
// there are. What is about a run (_runs, _columns) has its rows counted and no more.
func alike(t schema.Table, columns []string) (relation string, names []string) {
	relation = schema.Quote(t.Name)
	if t.Name == schema.NameRuns || t.Name == schema.NameColumns {
		return "(SELECT 1 AS one FROM " + relation + ")", []string{"one"}
	}
	replace := ""
	for _, c := range t.Columns {
		if c.Type.Kind == schema.Blob { // the hashes of records
			columns = slices.DeleteFunc(slices.Clone(columns), func(n string) bool { return n == c.Name })
		}
		if c.Type.Kind == schema.JSON && c.Name != "evidence" {
			entries := "json_array_length"
			if c.Name == "preferences" {
				entries = "json_keys"
			}
			replace += fmt.Sprintf(", %s(%s) AS %s", entries, schema.Quote(c.Name), schema.Quote(c.Name+"_entries"))
			columns = append(slices.DeleteFunc(slices.Clone(columns), func(n string) bool { return n == c.Name }), c.Name+"_entries")
		}
	}
	names = slices.DeleteFunc(slices.Clone(columns), func(n string) bool { return slices.Contains(incomparable, n) })
	return "(SELECT *" + replace + " FROM " + relation + ")", names
}

// differing names the columns that hold other values.
func differing(ctx context.Context, ours, theirs *duckdb.Verifier, relation string, columns []string) (string, error) {
	var names []string
	for _, c := range columns {
		a, err := ours.Digest(ctx, relation, c)
		if err != nil {
			return "", err
		}
		b, err := theirs.Digest(ctx, relation, c)
		if err != nil {
			return "", err
		}
		if a != b {
			names = append(names, c)
		}
	}
	if len(names) == 0 {
		return "the same values, in other rows", nil
	}
	return fmt.Sprintf("other values in %v", names), nil
}

// databaseOf is the file in a folder of tables, rollcall's or the floor's.
func databaseOf(dir string) string { return filepath.Join(dir, "users.duckdb") }

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
	"github.com/rollcall-data/rollcall/load/publish"
)

// schemaChange is a column that is not as it was.
type schemaChange struct {
	Table  string `json:"table"`
	Column string `json:"column"`
	Before string `json:"type_before,omitempty"` // empty: the column is new
	After  string `json:"type_after,omitempty"`  // empty: the column is gone
}

func (a *app) schemaDiff(ctx context.Context, wh *publish.Warehouse, v publish.Version, after []tableInfo, asJSON bool) error {
	runs, err := wh.Versions()
	if err != nil {
		return err
	}
	doc := struct {
		From    *string        `json:"from"` // null: there is no version before
		To      string         `json:"to"`
		Changes []schemaChange `json:"changes"`
	}{To: v.Run, Changes: []schemaChange{}}
	if i := slices.Index(runs, v.Run); i > 0 {
		earlier, err := wh.Version(runs[i-1])
		if err != nil {
			return err
		}
		before, err := report.Tables(ctx, earlier)
		if err != nil {
			return err
		}
		doc.From, doc.Changes = &earlier.Run, schemaChanges(before, after)
	}
	if asJSON {
		return a.printJSON(doc)
	}
	_, err = a.stdout.Write([]byte(diffText(doc.From, doc.To, doc.Changes)))
	return err
}

// schemaChanges compares by name: what is gone first, then what is new or of another type, in the order of the tables.
func schemaChanges(before, after []tableInfo) []schemaChange {
	out := []schemaChange{}
	old, now := columnTypes(before), columnTypes(after)
	for _, t := range before {
		for _, c := range t.Columns {
			if _, ok := now[[2]string{t.Name, c.Name}]; !ok {
				out = append(out, schemaChange{Table: t.Name, Column: c.Name, Before: c.Type})
			}
		}
	}
	for _, t := range after {
		for _, c := range t.Columns {
			if was := old[[2]string{t.Name, c.Name}]; was != c.Type {
				out = append(out, schemaChange{Table: t.Name, Column: c.Name, Before: was, After: c.Type})
			}
		}
	}
	return out
}

func columnTypes(tables []tableInfo) map[[2]string]string {
	out := map[[2]string]string{}
	for _, t := range tables {
		for _, c := range t.Columns {
			out[[2]string{t.Name, c.Name}] = c.Type
		}
	}
	return out
}

func diffText(from *string, to string, changes []schemaChange) string {
	if from == nil {
		return "there is no version before " + to + " to compare with\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "from %s to %s: %s\n", *from, to, plural(len(changes), "change", "changes"))
	for _, c := range changes {
		switch {
		case c.Before == "":
			fmt.Fprintf(&b, "+ %s.%s %s\n", c.Table, c.Column, c.After)
		case c.After == "":
			fmt.Fprintf(&b, "- %s.%s %s\n", c.Table, c.Column, c.Before)
		default:
			fmt.Fprintf(&b, "~ %s.%s %s → %s\n", c.Table, c.Column, c.Before, c.After)
		}
	}
	return b.String()
}

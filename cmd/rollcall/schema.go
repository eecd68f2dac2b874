package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
	"github.com/rollcall-data/rollcall/load/publish"
)

// What a version's tables are made of.
type (
	tableInfo  = report.Table
	columnInfo = report.Column
)

func (a *app) schemaCommand() *cobra.Command {
	var asJSON, diff bool
	cmd := &cobra.Command{
		Use:     "schema [TABLE]",
		GroupID: groupRead,
		Short:   "Show the tables and their columns",
		Long: `Show the tables and their columns: type, where the values come from, the path in the API's
JSON, the share of NULLs, and what each is. With the name of a table, that one alone.

With --diff, what changed since the version before.`,
		Example: `  rollcall schema
  rollcall schema users_flat
  rollcall schema --diff`,
		Args: atMost(1, "rollcall schema [TABLE] [--diff] [--json]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			wh := publish.Open(c.Warehouse)
			v, err := wh.Current()
			if err != nil {
				return err
			}
			tables, err := report.Tables(cmd.Context(), v)
			if err != nil {
				return err
			}
			if diff {
				return a.schemaDiff(cmd.Context(), wh, v, tables, asJSON)
			}
			if len(args) == 1 {
				if tables, err = oneTable(tables, args[0]); err != nil {
					return err
				}
			}
			return a.printSchema(v, tables, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	cmd.Flags().BoolVar(&diff, "diff", false, "show what changed since the version before")
	return cmd
}

func oneTable(tables []tableInfo, name string) ([]tableInfo, error) {
	for _, t := range tables {
		if t.Name == name {
			return []tableInfo{t}, nil
		}
	}
	return nil, &cli.UsageError{Message: fmt.Sprintf("table %q: there is no such table", name), Advice: []string{"rollcall schema lists them"}}
}

func (a *app) printSchema(v publish.Version, tables []tableInfo, asJSON bool) error {
	if asJSON {
		return a.printJSON(struct {
			Version string      `json:"version"`
			Tables  []tableInfo `json:"tables"`
		}{v.Run, tables})
	}
	var b strings.Builder
	for i, t := range tables {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s — %s\n%s\n%s\n", t.Name, plural(int(t.Rows), "row", "rows"), t.Comment, columnsTable(t.Columns))
	}
	_, err := a.stdout.Write([]byte(b.String()))
	return err
}

func columnsTable(columns []columnInfo) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"column", "type", "from", "path", "NULL", "what it is"})
	t.SetColumnConfigs([]table.ColumnConfig{{Name: "NULL", Align: text.AlignRight, AlignHeader: text.AlignRight}})
	for _, c := range columns {
		t.AppendRow(table.Row{c.Name, c.Type, c.Origin, c.JSONPath, report.Percent(c.NullShare), c.Comment})
	}
	return t.Render()
}

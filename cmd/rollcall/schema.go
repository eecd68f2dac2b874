package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
)

// tableInfo is a table of a version, as `schema --json` shows it.
type tableInfo struct {
	Name    string       `json:"name"`
	Comment string       `json:"comment"`
	Rows    int64        `json:"rows"`
	Columns []columnInfo `json:"columns"`
}

// columnInfo is a column. NullShare is null for an empty table.
type columnInfo struct {
	Name      string          `json:"name"`
	Type      string          `json:"type"`
	Origin    string          `json:"origin"`
	JSONPath  string          `json:"json_path"`
	Declared  bool            `json:"declared"`
	Types     json.RawMessage `json:"types"`
	NullShare *json.Number    `json:"null_share"`
	FirstRun  string          `json:"first_run"`
	LastRun   string          `json:"last_run"`
	Comment   string          `json:"comment"`
}

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
			tables, err := readSchema(cmd.Context(), v)
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

// The columns that there are, with what _columns knows of them.
const schemaQuery = `
SELECT t.table_name, coalesce(t.comment, ''), c.column_name, c.data_type, coalesce(k.origin, ''), coalesce(k.json_path, ''), coalesce(k.declared, true),
	coalesce(k.types, []), k.null_share, coalesce(k.first_run, ''), coalesce(k.last_run, ''), coalesce(c.comment, '')
FROM duckdb_columns() c
JOIN duckdb_tables() t USING (database_name, schema_name, table_name)
LEFT JOIN _columns k ON k.table_name = c.table_name AND k.column_name = c.column_name
WHERE c.database_name = current_database() AND c.schema_name = 'main'
ORDER BY c.table_name, c.column_index`

func readSchema(ctx context.Context, v publish.Version) (tables []tableInfo, err error) {
	r, err := duckdb.OpenReader(ctx, v.Database(), duckdb.ReaderOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	rows, err := r.Query(ctx, schemaQuery)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		row := rows.Row()
		name := row[0].Text
		if len(tables) == 0 || tables[len(tables)-1].Name != name {
			tables = append(tables, tableInfo{Name: name, Comment: row[1].Text, Rows: rowsOf(v, name)})
		}
		t := &tables[len(tables)-1]
		t.Columns = append(t.Columns, column(row[2:]))
	}
	slices.SortStableFunc(tables, func(a, b tableInfo) int { return place(v, a.Name) - place(v, b.Name) })
	return tables, rows.Err()
}

// place is where the version's manifest, which keeps the order of the documentation, has a table.
func place(v publish.Version, name string) int {
	return slices.IndexFunc(v.Manifest.Tables, func(t publish.TableEntry) bool { return t.Name == name })
}

// column reads a row of schemaQuery from the column's name on.
func column(row []duckdb.Value) columnInfo {
	c := columnInfo{Name: row[0].Text, Type: row[1].Text, Origin: row[2].Text, JSONPath: row[3].Text, Declared: row[4].Text == "true",
		Types: json.RawMessage(row[5].Text), FirstRun: row[7].Text, LastRun: row[8].Text, Comment: row[9].Text}
	if !row[6].Null {
		n := json.Number(row[6].Text)
		c.NullShare = &n
	}
	return c
}

func rowsOf(v publish.Version, name string) int64 {
	if i := place(v, name); i >= 0 {
		return v.Manifest.Tables[i].Rows
	}
	return 0
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
		t.AppendRow(table.Row{c.Name, c.Type, c.Origin, c.JSONPath, percent(c.NullShare), c.Comment})
	}
	return t.Render()
}

// percent writes a share of 0 to 1; one that is neither is never shown as 0 % or 100 %.
func percent(share *json.Number) string {
	if share == nil {
		return ""
	}
	f, err := strconv.ParseFloat(share.String(), 64)
	switch {
	case err != nil:
		return ""
	case f > 0 && f < 0.01:
		return "<1 %"
	case f > 0.99 && f < 1:
		return ">99 %"
	}
	return fmt.Sprintf("%.0f %%", f*100)
}

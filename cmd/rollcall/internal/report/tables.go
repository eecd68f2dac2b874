package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
)

// Table is a table of a version, as `schema --json` shows it.
type Table struct {
	Name    string   `json:"name"`
	Comment string   `json:"comment"`
	Rows    int64    `json:"rows"`
	Columns []Column `json:"columns"`
}

// Column is a column. NullShare is null for an empty table.
type Column struct {
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

// The columns that there are, with what _columns knows of them.
const schemaQuery = `
SELECT t.table_name, coalesce(t.comment, ''), c.column_name, c.data_type, coalesce(k.origin, ''), coalesce(k.json_path, ''), coalesce(k.declared, true),
	coalesce(k.types, []), k.null_share, coalesce(k.first_run, ''), coalesce(k.last_run, ''), coalesce(c.comment, '')
FROM duckdb_columns() c
JOIN duckdb_tables() t USING (database_name, schema_name, table_name)
LEFT JOIN _columns k ON k.table_name = c.table_name AND k.column_name = c.column_name
WHERE c.database_name = current_database() AND c.schema_name = 'main'
ORDER BY c.table_name, c.column_index`

// Tables reads what the tables of a version are made of, in the order of the documentation.
func Tables(ctx context.Context, v publish.Version) (tables []Table, err error) {
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
			tables = append(tables, Table{Name: name, Comment: row[1].Text, Rows: rowsOf(v, name)})
		}
		t := &tables[len(tables)-1]
		t.Columns = append(t.Columns, column(row[2:]))
	}
	slices.SortStableFunc(tables, func(a, b Table) int { return placeOf(v, a.Name) - placeOf(v, b.Name) })
	return tables, rows.Err()
}

// placeOf is where the version's manifest, which keeps the order of the documentation, has a table.
func placeOf(v publish.Version, name string) int {
	return slices.IndexFunc(v.Manifest.Tables, func(t publish.TableEntry) bool { return t.Name == name })
}

// column reads a row of schemaQuery from the column's name on.
func column(row []duckdb.Value) Column {
	c := Column{Name: row[0].Text, Type: row[1].Text, Origin: row[2].Text, JSONPath: row[3].Text, Declared: row[4].Text == "true",
		Types: json.RawMessage(row[5].Text), FirstRun: row[7].Text, LastRun: row[8].Text, Comment: row[9].Text}
	if !row[6].Null {
		n := json.Number(row[6].Text)
		c.NullShare = &n
	}
	return c
}

func rowsOf(v publish.Version, name string) int64 {
	if i := placeOf(v, name); i >= 0 {
		return v.Manifest.Tables[i].Rows
	}
	return 0
}

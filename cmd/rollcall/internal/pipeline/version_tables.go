package pipeline

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// tablesOf are the tables of a published version with the columns it has them with, by its own account in _columns: a version that an earlier
// rollcall made may have others than today's.
func tablesOf(ctx context.Context, v publish.Version, mem memory.Allocator) ([]schema.Table, error) {
	columns := map[string][]schema.Column{}
	err := eachBatch(ctx, v, mem, schema.NameColumns, nil, func(c transform.Columns) error {
		for i := range c.Rows() {
			text := func(name string) string { return strings.Clone(c.Text(name, i).String) }
			t, err := schema.ParseType(text("type"))
			if err != nil {
				return err
			}
			name := text("table_name")
			columns[name] = append(columns[name], schema.Column{
				Name: text("column_name"), Type: t, Origin: schema.Origin(text("origin")), Path: text("json_path"), Comment: text("comment"),
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("version %s: %w", v.Run, err)
	}
	known := map[string]schema.Table{}
	for _, t := range schema.Tables(nil, true) {
		known[t.Name] = t
	}
	var out []schema.Table
	for _, entry := range v.Manifest.Tables {
		t := known[entry.Name]
		t.Name, t.Columns = entry.Name, columns[entry.Name]
		if len(t.Columns) == 0 {
			return nil, fmt.Errorf("version %s: _columns does not know the table %s", v.Run, entry.Name)
		}
		out = append(out, t)
	}
	return out, nil
}

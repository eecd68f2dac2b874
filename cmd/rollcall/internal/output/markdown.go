package output

import (
	"bufio"
	"strings"

	"github.com/rollcall-data/rollcall/load/duckdb"
)

// inCell keeps a text within its cell, and from being read as HTML.
var inCell = strings.NewReplacer("|", `\|`, "&", "&amp;", "<", "&lt;")

func writeMarkdown(w *bufio.Writer, r rows) (int, error) {
	columns := r.Columns()
	head, rule := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		head[i] = inCell.Replace(Visible(c.Name))
		rule[i] = "---"
		if c.Kind == duckdb.Number {
			rule[i] = "---:"
		}
	}
	write := func(cells []string) error {
		_, err := w.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		return err
	}
	if err := write(head); err != nil {
		return 0, err
	}
	if err := write(rule); err != nil {
		return 0, err
	}
	n := 0
	for cells := make([]string, len(columns)); r.Next(); n++ {
		for i, v := range r.Row() {
			cells[i] = inCell.Replace(Visible(v.Text))
			if v.Null {
				cells[i] = "NULL"
			}
		}
		if err := write(cells); err != nil {
			return n, err
		}
	}
	return n, nil
}

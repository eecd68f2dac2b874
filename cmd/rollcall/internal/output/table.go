package output

import (
	"bufio"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/rollcall-data/rollcall/load/duckdb"
)

// leastWidth is what a column keeps of its width when a table is made to fit the terminal.
const leastWidth = 6

// writeTable draws a table. On a terminal its columns are cut so that a row is a line; elsewhere everything is there.
func writeTable(w *bufio.Writer, r rows, s Screen) (int, error) {
	columns := r.Columns()
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.SuppressTrailingSpaces()

	widths := make([]int, len(columns))
	header := make(table.Row, len(columns))
	for i, c := range columns {
		name := Visible(c.Name)
		header[i], widths[i] = name, text.StringWidth(name)
	}
	t.AppendHeader(header)
	n := 0
	for ; r.Next(); n++ {
		row := make(table.Row, len(columns))
		for i, v := range r.Row() {
			cell := Visible(v.Text)
			if v.Null {
				cell = "NULL"
			}
			row[i], widths[i] = cell, max(widths[i], text.StringWidth(cell))
		}
		t.AppendRow(row)
	}
	if s.Terminal && s.Width > 0 {
		fit(columns, widths, s.Width)
	}
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		configs[i] = table.ColumnConfig{Number: i + 1, WidthMax: widths[i], WidthMaxEnforcer: cut}
		if c.Kind == duckdb.Number {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	t.SetColumnConfigs(configs)
	_, err := w.WriteString(t.Render() + "\n")
	return n, err
}

// cut shortens a cell to its column and shows that it did.
func cut(cell string, width int) string {
	if text.StringWidth(cell) <= width {
		return cell
	}
	return text.Trim(cell, width-1) + "…"
}

// fit narrows the widest columns until a row with its borders has room in width, or all are as narrow as may be. Only running text is cut: what is
// left of a number or a time reads as another.
func fit(columns []duckdb.Column, widths []int, width int) {
	room := width - 1 - 3*len(widths) // "│ cell " for each column, and the last border
	for total := sum(widths); total > room; total-- {
		widest := -1
		for i, w := range widths {
			if runningText(columns[i]) && w > leastWidth && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

func runningText(c duckdb.Column) bool {
	return c.Kind == duckdb.Nested || slices.Contains([]string{"VARCHAR", "JSON", "BLOB", "BIT"}, c.Type)
}

func sum(ns []int) int {
	total := 0
	for _, n := range ns {
		total += n
	}
	return total
}

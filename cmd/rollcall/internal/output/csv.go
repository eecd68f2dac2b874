package output

import (
	"bufio"
	"strings"

	"github.com/rollcall-data/rollcall/load/duckdb"
)

func writeCSV(w *bufio.Writer, r rows, s Screen) (int, error) {
	columns := r.Columns()
	names := make([]duckdb.Value, len(columns))
	for i, c := range columns {
		names[i].Text = c.Name
	}
	if err := writeRecord(w, names, s); err != nil {
		return 0, err
	}
	n := 0
	for ; r.Next(); n++ {
		if err := writeRecord(w, r.Row(), s); err != nil {
			return n, err
		}
	}
	return n, nil
}

func writeRecord(w *bufio.Writer, values []duckdb.Value, s Screen) error {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		text := v.Text
		if s.Terminal {
			text = Visible(text)
		}
		switch {
		case v.Null && len(values) > 1:
		case v.Null || text == "" || strings.ContainsAny(text, ",\"\r\n") || text[0] == ' ' || text[len(text)-1] == ' ':
			b.WriteByte('"')
			b.WriteString(strings.ReplaceAll(text, `"`, `""`))
			b.WriteByte('"')
		default:
			b.WriteString(text)
		}
	}
	b.WriteByte('\n')
	_, err := w.WriteString(b.String())
	return err
}

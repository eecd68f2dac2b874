package output

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-data/rollcall/load/duckdb"
)

// writeJSON writes one array of objects, an object a line.
func writeJSON(w *bufio.Writer, r rows) (int, error) {
	n, err := writeObjects(w, r, "[\n  ", ",\n  ")
	if err != nil {
		return n, err
	}
	end := "\n]\n"
	if n == 0 {
		end = "[]\n"
	}
	_, err = w.WriteString(end)
	return n, err
}

// writeNDJSON writes an object a line.
func writeNDJSON(w *bufio.Writer, r rows) (int, error) {
	n, err := writeObjects(w, r, "", "\n")
	if err != nil || n == 0 {
		return n, err
	}
	return n, w.WriteByte('\n')
}

func writeObjects(w *bufio.Writer, r rows, first, between string) (int, error) {
	columns := r.Columns()
	keys := objectKeys(columns)
	var line []byte
	n := 0
	for ; r.Next(); n++ {
		line = append(line[:0], between...)
		if n == 0 {
			line = append(line[:0], first...)
		}
		line = append(line, '{')
		for i, v := range r.Row() {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(append(line, keys[i]...), ':')
			line = appendValue(line, columns[i].Kind, v)
		}
		line = append(line, '}')
		if _, err := w.Write(line); err != nil {
			return n, err
		}
	}
	return n, nil
}

// objectKeys are the columns' names as JSON strings, made unique as DuckDB does it: a, a_1, a_2.
func objectKeys(columns []duckdb.Column) [][]byte {
	taken := map[string]bool{}
	for _, c := range columns {
		taken[c.Name] = true
	}
	seen := map[string]bool{}
	keys := make([][]byte, len(columns))
	for i, c := range columns {
		name := c.Name
		for n := 1; seen[name] || name != c.Name && taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", c.Name, n)
		}
		seen[name] = true
		keys[i] = appendString(nil, name)
	}
	return keys
}

func appendValue(b []byte, k duckdb.ValueKind, v duckdb.Value) []byte {
	switch {
	case v.Null:
		return append(b, "null"...)
	case k == duckdb.Boolean:
		return append(b, v.Text...)
	case k == duckdb.Number:
		return appendNumber(b, v.Text)
	case k == duckdb.Nested && json.Valid([]byte(v.Text)): // else it holds such a one
		return append(b, escapeHidden(v.Text)...)
	}
	return appendString(b, v.Text)
}

// appendNumber writes a number with its digits as they are. JSON wants one before the point, which DuckDB leaves out where a DECIMAL has room
// for none (.5), and has no number for nan and inf, which become strings.
func appendNumber(b []byte, s string) []byte {
	digits, negative := strings.CutPrefix(s, "-")
	if len(digits) > 1 && digits[0] == '.' {
		digits = "0" + digits
	}
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return appendString(b, s)
	}
	if negative {
		b = append(b, '-')
	}
	return append(b, digits...)
}

// appendString writes a JSON string. Beside what JSON asks for, hidden characters are escaped.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case hidden(r):
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// escapeHidden escapes hidden characters of JSON text. They can only stand within its strings.
func escapeHidden(text string) []byte {
	var b []byte
	for _, r := range text {
		if hidden(r) {
			b = fmt.Appendf(b, `\u%04x`, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

package amigosql

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rollcall-data/rollcall/extract/internal/jsontext"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// answer is what a query for rows brought.
type answer struct {
	rows  []row
	cut   sweep.Tri // whether rows were left out; Unknown where the server does not say
	limit int       // the rows that were asked for
}

type row struct {
	sweep.Item
	null bool // the user_id is NULL: the row has no place in the order
}

// table is an answer as it comes (api/amigo.md §3.11): cells by position, with the columns' names beside them.
type table struct {
	names []string
	rows  [][]byte
	cut   sweep.Tri
}

func decodeTable(body []byte) (table, error) {
	if !jsontext.Valid(body) {
		return table{}, fmt.Errorf("%d bytes that are not JSON, or not all of it", len(body))
	}
	if !jsontext.IsObject(body) {
		return table{}, errors.New("JSON that is not an object")
	}
	var result, columns, truncated []byte
	jsontext.Members(body, func(key, value []byte) {
		switch {
		case jsontext.Names(key, "result"):
			result = value
		case jsontext.Names(key, "columns"):
			columns = value
		case jsontext.Names(key, "truncated"):
			truncated = value
		}
	})
	if !jsontext.IsArray(result) || !jsontext.IsArray(columns) {
		return table{}, errors.New("an object without a result and its columns")
	}
	var t table
	switch string(truncated) {
	case "true":
		t.cut = sweep.Yes
	case "false":
		t.cut = sweep.No
	case "", "null":
	default:
		return table{}, errors.New("a truncated that is not a boolean")
	}
	jsontext.Elements(columns, func(value []byte) { t.names = append(t.names, columnName(value)) })
	jsontext.Elements(result, func(value []byte) { t.rows = append(t.rows, value) })
	return t, nil
}

// columnName is the name of {"name": …, "type": …}, "" where there is none.
func columnName(column []byte) (name string) {
	if !jsontext.IsObject(column) {
		return ""
	}
	jsontext.Members(column, func(key, value []byte) {
		if jsontext.Names(key, "name") {
			name, _ = jsontext.Text(value)
		}
	})
	return name
}

// cells appends the cells of row i.
func (t table) cells(dst [][]byte, i int) ([][]byte, error) {
	if !jsontext.IsArray(t.rows[i]) {
		return nil, fmt.Errorf("row %d is not a row", i)
	}
	jsontext.Elements(t.rows[i], func(cell []byte) { dst = append(dst, cell) })
	if len(dst) != len(t.names) {
		return nil, fmt.Errorf("row %d has %d cells, and there are %d columns", i, len(dst), len(t.names))
	}
	return dst, nil
}

// decodeRows reads rows and makes items of them, with the columns by name, in the order given.
func decodeRows(body []byte, columns []string) (answer, error) {
	t, err := decodeTable(body)
	if err != nil {
		return answer{}, err
	}
	places := make([]int, len(columns))
	for i, name := range columns {
		if places[i] = slices.Index(t.names, name); places[i] < 0 {
			return answer{}, fmt.Errorf("an answer without the column %s", name)
		}
		if slices.Contains(t.names[places[i]+1:], name) {
			return answer{}, fmt.Errorf("an answer with two columns %s", name)
		}
	}
	a := answer{rows: make([]row, len(t.rows)), cut: t.cut}
	var cells [][]byte
	for i := range t.rows {
		if cells, err = t.cells(cells[:0], i); err != nil {
			return answer{}, err
		}
		a.rows[i] = makeRow(columns, places, cells)
	}
	return a, nil
}

// makeRow makes an item of cells: an object with a member for each that is not NULL.
func makeRow(columns []string, places []int, cells [][]byte) row {
	size := 2
	for i, name := range columns {
		size += len(name) + len(cells[places[i]]) + 4
	}
	raw := append(make([]byte, 0, size), '{')
	var key []byte
	for i, name := range columns {
		cell := cells[places[i]]
		if name == keyColumn {
			key = cell
		}
		if jsontext.IsNull(cell) {
			continue
		}
		if len(raw) > 1 {
			raw = append(raw, ',')
		}
		raw = append(append(append(raw, '"'), name...), '"', ':')
		raw = appendCell(raw, name, cell)
	}
	raw = append(raw, '}')
	r := row{Item: sweep.Item{Raw: raw}, null: jsontext.IsNull(key)}
	if id, ok := jsontext.Text(key); ok && id != "" && id[0] != 0 {
		r.Key = id
	} else {
		r.Key = sweep.Unkeyed(raw)
	}
	return r
}

// appendCell appends a cell that is not NULL. JSON may come as text (api/amigo.md §3.11) and then is that text; a text that is no JSON, in
// a column of JSON, is a JSON string.
func appendCell(raw []byte, column string, cell []byte) []byte {
	switch column {
	case "additional_context", "preferences", "user_models":
		if !jsontext.IsString(cell) {
			break
		}
		start := len(raw)
		if raw = jsontext.AppendUnquoted(raw, cell); jsontext.Valid(raw[start:]) {
			return raw
		}
		raw = raw[:start]
	}
	return append(raw, cell...)
}

// decodeCount reads the answer to a count: one row of one cell, a number or its digits as text.
func decodeCount(body []byte) (int64, error) {
	t, err := decodeTable(body)
	if err != nil {
		return 0, err
	}
	if len(t.rows) != 1 || len(t.names) != 1 {
		return 0, fmt.Errorf("a count of %d rows and %d columns", len(t.rows), len(t.names))
	}
	cells, err := t.cells(nil, 0)
	if err != nil {
		return 0, err
	}
	digits, ok := jsontext.Text(cells[0])
	if !ok {
		digits = string(cells[0])
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, errors.New("a count that is not an integer of 0 or more")
	}
	return n, nil
}

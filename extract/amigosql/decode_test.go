package amigosql

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// TestCells: what becomes of a cell, by column.
func TestCells(t *testing.T) {
	tests := []struct{ column, cell, want string }{
		{"preferences", `{"a" : 1e400,"a":-0}`, `{"a" : 1e400,"a":-0}`},
		{"preferences", `"{\"a\" : 1e400,\"a\":-0}"`, `{"a" : 1e400,"a":-0}`},
		{"preferences", `"{\"s\":\"\\ud83d \\u00e9 \u00e9 \\n\"}"`, `{"s":"\ud83d \u00e9 é \n"}`},
		{"preferences", `"{\"s\":\"\ud83d\"}"`, `{"s":"\ud83d"}`},
		{"preferences", "\"{\\\"s\\\":\\\"\xff\\\"}\"", "{\"s\":\"\xff\"}"},
		{"preferences", `"null"`, `null`},
		{"preferences", `"dark"`, `"dark"`},
		{"preferences", `"\"dark\""`, `"dark"`},
		{"preferences", `""`, `""`},
		{"preferences", `"{\"a\":"`, `"{\"a\":"`},
		{"preferences", ` " [1] " `, ` [1] `},
		{"additional_context", `["a"]`, `["a"]`},
		{"user_models", `"[]"`, `[]`},
		{"email", `"{\"a\":1}"`, `"{\"a\":1}"`},
		{"email", `42`, `42`},
		{"email", `"\ud83d"`, `"\ud83d"`},
		{"updated_at", `"2025-01-20 12:34:56"`, `"2025-01-20 12:34:56"`},
		{"preferences", `null`, ``},
		{"email", `null`, ``},
	}
	for _, tt := range tests {
		body := `{"columns":[{"name":"user_id"},{"name":"` + tt.column + `"}],"result":[["u",` + tt.cell + `]]}`
		a, err := decodeRows([]byte(body), []string{tt.column, keyColumn})
		if err != nil {
			t.Fatalf("%s: %v", tt.cell, err)
		}
		want := `{"` + tt.column + `":` + tt.want + `,"user_id":"u"}`
		if tt.want == "" {
			want = `{"user_id":"u"}`
		}
		if got := string(a.rows[0].Raw); got != want || a.rows[0].Key != "u" || a.cut != sweep.Unknown {
			t.Errorf("%s of %s becomes %s, want %s", tt.column, tt.cell, got, want)
		}
	}
}

// TestKeys: which rows have one, and which have no place in the order.
func TestKeys(t *testing.T) {
	for cell, want := range map[string]struct{ keyed, null bool }{
		`"u"`: {true, false}, `""`: {}, `null`: {null: true}, `7`: {}, `["u"]`: {}, `"\u0000u"`: {}, `"\ud83d"`: {}, `"u\u0000"`: {keyed: true},
	} {
		a, err := decodeRows([]byte(`{"columns":[{"name":"user_id"}],"result":[[`+cell+`]],"truncated":true}`), []string{keyColumn})
		if err != nil {
			t.Fatal(err)
		}
		if r := a.rows[0]; r.Keyed() != want.keyed || r.null != want.null || a.cut != sweep.Yes || !r.Keyed() && r.Key != sweep.Unkeyed(r.Raw) {
			t.Errorf("%s: %+v", cell, r)
		}
	}
}

// TestErrorsNameNoContent: what is wrong with an answer is said without quoting it.
func TestErrorsNameNoContent(t *testing.T) {
	for _, body := range []string{
		`canary`, `{"canary":1}`, `{"result":[],"columns":[{"name":"canary"}]}`, `{"result":["canary"],"columns":[{"name":"user_id"}]}`, `{"result":[["canary","canary"]],"columns":[{"name":"user_id"}]}`,
		`{"result":[],"columns":[],"truncated":"canary"}`, `{"result":[["canary"]],"columns":[{"name":"user_id"},{"name":"user_id"}]}`,
	} {
		_, err := decodeRows([]byte(body), []string{keyColumn})
		_, countErr := decodeCount([]byte(body))
		for _, err := range []error{err, countErr} {
			if err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
}

// FuzzDecode compares with encoding/json: the same answers are taken, with the same cells, and rows are JSON.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"execution_time_ms":3,"result":[["u","{\"a\":1}"],["v",null]],"truncated":false,"columns":[{"name":"user_id","type":"STRING"},{"name":"preferences"}]}`,
		`{"columns":[{"name":"preferences"},{"name":"user_id"}],"result":[[{"a" : 1e400},"\ud83d"]],"truncated":true}`,
		`{"columns":[{"name":"n"}],"result":[[12]],"truncated":null}`, `{"columns":[{"name":"n"}],"result":[["12"]]}`, `{"columns":[],"result":[[]]}`, `{"result":[[1]]`,
	} {
		f.Add([]byte(seed))
	}
	columns := []string{"preferences", keyColumn}
	f.Fuzz(func(t *testing.T, body []byte) {
		want, ok := reference(body, columns)
		a, err := decodeRows(body, columns)
		if ok != (err == nil) {
			t.Fatalf("taken: %v, by encoding/json %v", err, ok)
		}
		if err == nil && len(a.rows) != len(want) {
			t.Fatalf("%d rows, by encoding/json %d", len(a.rows), len(want))
		}
		for i := range want {
			row := a.rows[i]
			if !json.Valid(row.Raw) {
				t.Fatalf("row %d is %q", i, row.Raw)
			}
			var got map[string]json.RawMessage
			if err := json.Unmarshal(row.Raw, &got); err != nil {
				t.Fatal(err)
			}
			id := want[i][1]
			if row.null != (string(id) == "null") || !row.null && !bytes.Equal(got[keyColumn], id) {
				t.Fatalf("row %d has the id %q, by encoding/json %q", i, got[keyColumn], id)
			}
			document := []byte(want[i][0])
			var text string
			if json.Unmarshal(document, &text) == nil && text != "" && json.Valid([]byte(text)) {
				continue // a text that holds JSON: compared by TestCells
			}
			if string(document) != "null" && len(document) > 0 && document[0] != '"' && !bytes.Equal(got["preferences"], document) {
				t.Fatalf("row %d has %q, by encoding/json %q", i, got["preferences"], document)
			}
		}
		if n, err := decodeCount(body); err == nil && (n < 0 || !json.Valid(body)) {
			t.Fatal("a count that is none")
		}
	})
}

// reference is decodeRows by way of encoding/json: the cells of the columns.
func reference(body []byte, columns []string) (rows [][]json.RawMessage, ok bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return nil, false
	}
	var names, result []json.RawMessage
	if json.Unmarshal(object["columns"], &names) != nil || names == nil || json.Unmarshal(object["result"], &result) != nil || result == nil {
		return nil, false
	}
	if !slices.Contains([]string{"", "null", "true", "false"}, string(object["truncated"])) {
		return nil, false
	}
	places := slices.Repeat([]int{-1}, len(columns))
	for i, raw := range names {
		var column map[string]json.RawMessage
		var name string
		if json.Unmarshal(raw, &column) != nil || json.Unmarshal(column["name"], &name) != nil {
			continue
		}
		if k := slices.Index(columns, name); k >= 0 {
			if places[k] >= 0 {
				return nil, false
			}
			places[k] = i
		}
	}
	if slices.Contains(places, -1) {
		return nil, false
	}
	for _, raw := range result {
		var cells []json.RawMessage
		if json.Unmarshal(raw, &cells) != nil || cells == nil || len(cells) != len(names) {
			return nil, false
		}
		row := make([]json.RawMessage, len(columns))
		for k, i := range places {
			row[k] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows, true
}

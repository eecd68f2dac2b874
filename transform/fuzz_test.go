package transform

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// FuzzDecode takes arbitrary bytes apart as an item, as a user_model answer and as a role: no panic, text that every column can hold, and
// the same row and hashes whenever the same bytes come.
func FuzzDecode(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.item)
	}
	f.Fuzz(func(t *testing.T, item []byte) {
		row, issues, ok := Decode(item, acme)
		DecodeModels(item, func(Issue) {})
		ParseRole(item, Text{})
		if !ok {
			return
		}
		again, _, _ := Decode(append([]byte(nil), item...), acme)
		if row.ItemHash != again.ItemHash || row.ModelsHash != again.ModelsHash || row.ExtrasHash != again.ExtrasHash {
			t.Error("the same bytes give other hashes")
		}
		for _, c := range schema.Users.Columns {
			if c.Name == "updated_at" {
				continue
			}
			v, valid := row.column(c)
			if !utf8.Valid(v) || !valid && len(v) > 0 {
				t.Errorf("%s: %q", c.Name, v)
			}
			if c.Type.Kind == schema.JSON && valid && json.Valid(item) && !json.Valid(v) {
				t.Errorf("%s: %q is no JSON", c.Name, v)
			}
		}
		for _, i := range issues {
			if i.Row || i.Path == "" || i.Column == "" || i.Reason == "" || len(i.Raw) == 0 {
				t.Errorf("issue %+v", i)
			}
		}
		if !json.Valid(item) {
			return
		}
		var known struct {
			UserID string `json:"user_id"`
		}
		if err := json.Unmarshal(item, &known); err == nil && known.UserID != row.UserID && !caseless(item) {
			t.Errorf("user_id %q, want %q", row.UserID, known.UserID)
		}
	})
}

// caseless tells whether an object has members whose names encoding/json would take for user_id.
func caseless(item []byte) bool {
	n := 0
	_ = rawjson.Members(item, func(key, _ []byte) error {
		text, _ := rawjson.Unquote(key)
		var as struct {
			UserID string `json:"user_id"`
		}
		if json.Unmarshal([]byte("{"+quoted(text)+`:"x"}`), &as) == nil && as.UserID == "x" && text != "user_id" {
			n++
		}
		return nil
	})
	return n > 0
}

// FuzzFlatten builds every table from one arbitrary valid item: no panic, no leak, one user, UTF-8 in every cell, JSON in every cell of a JSON
// column, no issue for a preference that is not documented, and the same again with the columns learned before.
func FuzzFlatten(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.item)
	}
	f.Fuzz(func(t *testing.T, item []byte) {
		if !json.Valid(item) {
			return
		}
		row, issues, ok := Decode(item, acme)
		if !ok {
			return
		}
		seen(&row)
		var prior []PriorColumn
		for run := range 2 {
			prefs := NewPreferences(prior, Contract{})
			prefs.Learn(row.Preferences)
			columns := prefs.Columns()
			if run == 1 && len(columns) != len(prior) {
				t.Errorf("%d columns became %d", len(prior), len(columns))
			}
			prior = columns
			flattenOne(t, &row, issues, prefs)
		}
	})
}

func flattenOne(t *testing.T, row *Row, issues []Issue, prefs *Preferences) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	documented := map[string]bool{}
	for _, c := range schema.DeclaredPreferences {
		documented[c.Name] = true
	}
	all := map[string]schema.Table{}
	for _, table := range schema.Tables(columnsOf(prefs), false) {
		all[table.Name] = table
	}
	users := int64(0)
	b := NewBuilder(mem, "run", prefs, schema.Tables(columnsOf(prefs), false), func(name string, batch arrow.Record) error {
		out := tables{name: {batch}}
		checkJSON(t, all[name], batch)
		for _, m := range out.cells(all[name]) {
			if column := m["column_name"]; name == schema.NameIssues && len(column) > 6 && column[:6] == `"pref_` && !documented[column[1:len(column)-1]] {
				t.Errorf("issue %v", m)
			}
			for column, v := range m {
				if !utf8.ValidString(v) {
					t.Errorf("%s.%s: %q", name, column, v)
				}
			}
		}
		if name == schema.NameUsers || name == schema.NameUsersFlat {
			users += batch.NumRows()
		}
		return nil
	})
	defer b.Release()
	if err := errorsOf(b.User(row, issues), b.Close()); err != nil || users != 2 {
		t.Errorf("%d rows, %v", users, err)
	}
}

// checkJSON checks that what JSON columns hold is what any reader takes for JSON: DuckDB is told that it is and does not look.
func checkJSON(t *testing.T, table schema.Table, batch arrow.Record) {
	t.Helper()
	for i, c := range table.Columns {
		if c.Type.Kind != schema.JSON {
			continue
		}
		column := batch.Column(i).(*array.String)
		for row := range column.Len() {
			v := []byte(column.Value(row))
			if _, exact := rawjson.Sanitize(v); column.IsValid(row) && (!exact || !json.Valid(v)) {
				t.Errorf("%s.%s: %q is no JSON", table.Name, c.Name, v)
			}
		}
	}
}

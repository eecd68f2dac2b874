package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

var learned = []schema.Column{
	{Name: "pref_x", Type: schema.Type{Kind: schema.Decimal, Scale: 7}, Origin: schema.FromList, Path: "$.preferences.x", Comment: "Learned"},
}

var kinds = []schema.Kind{
	schema.String, schema.JSON, schema.Timestamp, schema.Bool, schema.Int, schema.Double, schema.Decimal, schema.StringList, schema.Blob,
}

// The contract's words: exactly the twelve documented columns, in this order.
func TestUsersIsTheDocumentedTable(t *testing.T) {
	want := []string{
		"_id VARCHAR", "additional_context JSON", "email VARCHAR", "first_name VARCHAR", "last_name VARCHAR", "org_id VARCHAR", "preferences JSON",
		"region_name VARCHAR", "role VARCHAR", "updated_at TIMESTAMP", "user_id VARCHAR", "user_models JSON",
	}
	var got []string
	for _, c := range schema.Users.Columns {
		got = append(got, c.Name+" "+c.Type.DuckDB())
		if c.Path != "$."+c.Name {
			t.Errorf("%s comes from %s", c.Name, c.Path)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if history := schema.UsersHistory.Columns; !slices.Equal(history[:12], schema.Users.Columns) {
		t.Error("users_history does not begin with the columns of users")
	}
}

func TestTablesListsAll(t *testing.T) {
	want := []string{
		"users", "users_flat", "user_context", "user_models", "user_model_dimensions", "user_variables", "roles", "user_memories", "users_history",
		"users_deleted", "users_changes", "_runs", "_columns", "_issues",
	}
	names := func(memories bool) (out []string) {
		for _, t := range schema.Tables(learned, memories) {
			out = append(out, t.Name)
		}
		return out
	}
	if d := cmp.Diff(want, names(true)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(slices.Delete(slices.Clone(want), 7, 8), names(false)); d != "" {
		t.Error(d)
	}
}

func TestEveryColumnIsNamedTypedAndExplained(t *testing.T) {
	origins := []schema.Origin{schema.FromList, schema.FromModel, schema.FromRole, schema.FromMemory, schema.FromSource, schema.FromRollcall}
	for _, table := range schema.Tables(append(schema.DeclaredPreferences, learned...), true) {
		if table.Comment == "" {
			t.Errorf("%s has no comment", table.Name)
		}
		seen := map[string]bool{}
		for _, c := range table.Columns {
			where := table.Name + "." + c.Name
			if c.Name == "" || c.Comment == "" || strings.ContainsAny(c.Comment, "\n\r") {
				t.Errorf("%s: comment %q", where, c.Comment)
			}
			if lower := strings.ToLower(c.Name); seen[lower] {
				t.Errorf("%s is there twice", where)
			} else {
				seen[lower] = true
			}
			if !slices.Contains(origins, c.Origin) {
				t.Errorf("%s: origin %q", where, c.Origin)
			}
			if c.Path != "" && !strings.HasPrefix(c.Path, "$.") {
				t.Errorf("%s: path %q", where, c.Path)
			}
			if !slices.Contains(kinds, c.Type.Kind) {
				t.Errorf("%s: kind %d", where, c.Type.Kind)
			}
		}
		for _, name := range table.LowCardinality {
			if !seen[name] {
				t.Errorf("%s: a dictionary for %s, which it does not have", table.Name, name)
			}
		}
	}
}

// A list that others append to must not share memory with the next one's.
func TestLearnedColumnsDoNotLeakIntoOtherTables(t *testing.T) {
	a := schema.UsersFlat(learned)
	other := []schema.Column{{Name: "pref_y"}}
	b := schema.UsersFlat(other)
	if i := a.Index("pref_x"); i < 0 || a.Index("pref_y") >= 0 || b.Index("pref_y") != i || b.Index("pref_x") >= 0 {
		t.Errorf("%d, %d, %d, %d", a.Index("pref_x"), a.Index("pref_y"), b.Index("pref_y"), b.Index("pref_x"))
	}
	if i, j := a.Index("user_id"), a.Index("num_conversations"); i+1 != a.Index("pref_x") || j != i+2 {
		t.Errorf("learned columns are at %d, between %d and %d", a.Index("pref_x"), i, j)
	}
	a.Columns[0].Name = "changed"
	if schema.Users.Columns[0].Name != "_id" || schema.UsersFlat(nil).Columns[0].Name != "_id" {
		t.Error("a table's columns are another's")
	}
}

func TestColumnAndIndex(t *testing.T) {
	if c, ok := schema.Users.Column("role"); !ok || c.Name != "role" || schema.Users.Index("role") != 8 {
		t.Errorf("%+v, %t, %d", c, ok, schema.Users.Index("role"))
	}
	for _, name := range []string{"Role", "nobody", ""} {
		if _, ok := schema.Users.Column(name); ok || schema.Users.Index(name) != -1 {
			t.Errorf("users has %q", name)
		}
	}
}

func TestTypesReadBack(t *testing.T) {
	var all []schema.Type
	for _, k := range kinds {
		if k != schema.Decimal {
			all = append(all, schema.T(k))
		}
	}
	for scale := range int32(39) {
		all = append(all, schema.Type{Kind: schema.Decimal, Scale: scale})
	}
	for _, want := range all {
		if got, err := schema.ParseType(want.String()); err != nil || got != want {
			t.Errorf("%s reads %+v, %v", want, got, err)
		}
	}
	for _, name := range []string{
		"", "HUGEINT", "varchar", "DECIMAL", "DECIMAL(38,39)", "DECIMAL(38,-1)", "DECIMAL(18,3)", "DECIMAL(38,3", "DECIMAL(38,3) x", "DECIMAL(38, 3)",
		"DECIMAL(38,+3)", "DECIMAL(38,03)", "VARCHAR[][]", "VARCHAR ",
	} {
		if got, err := schema.ParseType(name); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("%q reads %s, %v", name, got, err)
		}
	}
}

func TestAKindThatIsNoneHasNoForm(t *testing.T) {
	for name, form := range map[string]func(schema.Type){"DuckDB": func(t schema.Type) { t.DuckDB() }, "Arrow": func(t schema.Type) { t.Arrow() }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s has a form for kind 99", name)
				}
			}()
			form(schema.T(99))
		}()
	}
}

func TestArrow(t *testing.T) {
	s := schema.Users.Arrow()
	if s.NumFields() != 12 {
		t.Fatalf("%d fields", s.NumFields())
	}
	at := s.Field(9)
	if ts, ok := at.Type.(*arrow.TimestampType); !ok || ts.Unit != arrow.Microsecond || ts.TimeZone != "" {
		t.Errorf("updated_at is %s", at.Type)
	}
	for _, f := range s.Fields() {
		if !f.Nullable {
			t.Errorf("%s cannot be NULL", f.Name)
		}
	}
	if d, ok := learned[0].Type.Arrow().(*arrow.Decimal128Type); !ok || d.Precision != 38 || d.Scale != 7 {
		t.Errorf("%s", learned[0].Type.Arrow())
	}
}

func TestSQL(t *testing.T) {
	odd := schema.Table{Name: `a"b`, Comment: "it's", Columns: []schema.Column{
		{Name: "select", Type: schema.T(schema.StringList), Comment: "o'clock"}, {Name: `x"`, Type: schema.T(schema.Blob)},
	}}
	if got, want := odd.DDL(), `CREATE TABLE "a""b" ("select" VARCHAR[], "x""" BLOB)`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want := []string{`COMMENT ON TABLE "a""b" IS 'it''s'`, `COMMENT ON COLUMN "a""b"."select" IS 'o''clock'`}
	if d := cmp.Diff(want, odd.Comments()); d != "" {
		t.Error(d)
	}
}

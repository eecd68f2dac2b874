package transform

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// learned are the columns, beside the documented ones, after these preferences: "name type path" each.
func learned(p *Preferences) []string {
	var out []string
	for _, c := range p.Columns() {
		if !c.Declared {
			out = append(out, fmt.Sprintf("%s %s %s", c.Column.Name, c.Column.Type, strings.TrimPrefix(c.Column.Path, "$.preferences")))
		}
	}
	return out
}

func learn(prior []PriorColumn, prefs ...string) *Preferences {
	p := NewPreferences(prior, Contract{})
	for _, v := range prefs {
		p.Learn([]byte(v))
	}
	return p
}

func TestTypes(t *testing.T) {
	for _, tt := range []struct {
		values []string
		want   string
	}{
		{[]string{"true", "null", "false"}, "BOOLEAN"},
		{[]string{"1", "-9223372036854775808"}, "BIGINT"},
		{[]string{`"a"`, `""`}, "VARCHAR"},
		{[]string{"0.5", "1"}, "DOUBLE"},
		{[]string{"1.0"}, "DOUBLE"},
		{[]string{"-0"}, "DOUBLE"},
		{[]string{"1e308"}, "DOUBLE"},
		{[]string{"9223372036854775808"}, "DECIMAL(38,0)"},
		{[]string{"9007199254740993", "0.5"}, "DECIMAL(38,1)"},
		{[]string{"0.1000000000000000055511151231257827", "9999"}, "DECIMAL(38,34)"},
		{[]string{"0.1000000000000000055511151231257827", "99999"}, "JSON"},
		{[]string{"9007199254740993", "-0"}, "JSON"},
		{[]string{"1e400"}, "JSON"},
		{[]string{"1e99999999999999999999", "0.123"}, "JSON"},
		{[]string{"1e9223372036854775807", "0.123"}, "JSON"},
		{[]string{"1", "true"}, "JSON"},
		{[]string{"1", `"1"`}, "JSON"},
		{[]string{"[]"}, "JSON"},
		{[]string{"[1]", "null"}, "JSON"},
		{[]string{"null"}, "VARCHAR"}, // not settled
	} {
		p := NewPreferences(nil, Contract{})
		for _, v := range tt.values {
			p.Learn([]byte(`{"k":` + v + `}`))
		}
		if got := learned(p); !cmp.Equal(got, []string{"pref_k " + tt.want + " .k"}) {
			t.Errorf("%s: %q, want %s", tt.values, got, tt.want)
		}
	}
}

// Types over runs: each row is what the values of the runs make of a column.
func TestTypesWiden(t *testing.T) {
	for _, tt := range []struct{ runs, want []string }{
		{[]string{"null", "true", "null", "1", "true"}, []string{"VARCHAR", "BOOLEAN", "BOOLEAN", "JSON", "JSON"}},
		{[]string{"1", "0.5", "2", "9007199254740993", "1", `"x"`}, []string{"BIGINT", "DOUBLE", "DOUBLE", "DECIMAL(38,0)", "DECIMAL(38,0)", "JSON"}},
		{[]string{"9007199254740993", "0.25"}, []string{"BIGINT", "DOUBLE"}},
		{[]string{"18446744073709551616.123", "0.5", "1e30", "1e36"}, []string{"DECIMAL(38,3)", "DECIMAL(38,3)", "DECIMAL(38,3)", "JSON"}},
		{[]string{`"x"`, "null", "[]"}, []string{"VARCHAR", "VARCHAR", "JSON"}},
	} {
		var prior []PriorColumn
		for i, v := range tt.runs {
			p := learn(prior, `{"k":`+v+`}`)
			if got := learned(p); !cmp.Equal(got, []string{"pref_k " + tt.want[i] + " .k"}) {
				t.Errorf("%s: run %d: %q, want %s", tt.runs, i, got, tt.want[i])
			}
			prior = p.Columns()
		}
	}
}

func TestColumnNames(t *testing.T) {
	for _, tt := range []struct {
		name, prefs string
		want        []string
	}{
		{"snake case", `{"quietHours":1,"HTTPProxy":1,"A B-c":1,"2FA":1,"ÉcoleNormale":1,"наЧасы":1}`, []string{
			"pref_quiet_hours BIGINT .quietHours", "pref_httpproxy BIGINT .HTTPProxy", `pref_a_b_c BIGINT ."A B-c"`, `pref_2_fa BIGINT ."2FA"`,
			`pref_école_normale BIGINT ."ÉcoleNormale"`, `pref_на_часы BIGINT ."наЧасы"`}},
		{"nested", `{"a":{"b":{"c":1},"d":2}}`, []string{"pref_a_b_c BIGINT .a.b.c", "pref_a_d BIGINT .a.d"}},
		{"collisions", `{"a_b":1,"a.b":2,"a b":3,"a":{"b":4},"A_B":5}`, []string{"pref_a_b BIGINT .a_b", `pref_a_b_09ef91a0 BIGINT ."a.b"`,
			`pref_a_b_c3ac45db BIGINT ."a b"`, "pref_a_b_4114e1c9 BIGINT .a.b", "pref_a_b_b79a1046 BIGINT .A_B"}},
		{"documented names are taken", `{"Timezone":"x","time zone":1}`, []string{"pref_timezone_2cb49602 VARCHAR .Timezone", `pref_time_zone BIGINT ."time zone"`}},
		{"no letters", `{"":1,"\u0000":2,"\"":3,"$":4}`, []string{`pref_ BIGINT .""`, `pref__ BIGINT ."\u0000"`, `pref___165a45b2 BIGINT ."\""`,
			`pref___d311ca65 BIGINT ."$"`}},
		{"title case", `{"ǅ":1,"ǆ":2}`, []string{`pref_ǆ BIGINT ."ǅ"`, `pref_ǆ_074b1c4d BIGINT ."ǆ"`}},
		{"two spellings of a key", `{"a":1,"\u0061":2}`, []string{"pref_a BIGINT .a"}},
		{"a name twice in a new object", `{"o":{"x":1,"x":2}}`, []string{"pref_o_x BIGINT .o.x"}},
		{"scalar, then object", `{"a":1,"a":{"b":2}}`, []string{"pref_a BIGINT .a", "pref_a_b BIGINT .a.b"}},
		{"objects without members", `{"a":{},"b":{"c":{}}}`, nil},
		{"too deep to take apart", `{"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":{"9":1}}}}}}}}}`, []string{
			`pref_1_2_3_4_5_6_7_8 JSON ."1"."2"."3"."4"."5"."6"."7"."8"`}},
		{"no objects", `["a"]`, nil}, {"null", `null`, nil}, {"a text", `"a"`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, learned(learn(nil, tt.prefs))); d != "" {
				t.Error(d)
			}
		})
	}
	long := learned(learn(nil, `{"`+strings.Repeat("é", 300)+`":1,"`+strings.Repeat("é", 301)+`":1}`))
	if len(long) != 2 || !strings.HasPrefix(long[0], "pref_"+strings.Repeat("é", 95)+" ") {
		t.Errorf("long names: %q", long)
	}
}

// A crafted key cannot take the name that a collision would get.
func TestNamesOfCollisionsAreUniqueToo(t *testing.T) {
	hashed := strings.Fields(learned(learn(nil, `{"a_b":1,"a.b":2}`))[1])[0]
	got := learn(nil, `{"`+strings.TrimPrefix(hashed, "pref_")+`":1,"a_b":2,"a.b":3}`).Columns()
	names := map[string]bool{}
	for _, c := range got {
		if names[c.Column.Name] {
			t.Errorf("two columns are called %s", c.Column.Name)
		}
		names[c.Column.Name] = true
	}
	if len(got) != len(schema.DeclaredPreferences)+3 {
		t.Errorf("%d columns", len(got))
	}
}

func TestAPathKeepsItsName(t *testing.T) {
	first := learn(nil, `{"a.b":1,"a_b":2}`)
	second := learn(first.Columns(), `{"a_b":1}`, `{"new":1,"a.b":1}`)
	want := append(learned(first), "pref_new BIGINT .new")
	if d := cmp.Diff(want, learned(second)); d != "" {
		t.Error(d)
	}
}

func TestDocumentedColumnsNeverChange(t *testing.T) {
	p := learn(nil, `{"timezone":5,"audio_keyterms":{"x":1},"preferred_language":[],"enable_response_recommendation":"no"}`)
	for i, c := range p.Columns() {
		if d := cmp.Diff(schema.DeclaredPreferences[i], c.Column); d != "" || !c.Declared || !c.Typed {
			t.Errorf("declared %t, typed %t, %s", c.Declared, c.Typed, d)
		}
	}
	if got := learned(p); got != nil {
		t.Errorf("learned %q", got)
	}
}

// A preference that is learned today may be documented tomorrow, under its name or another.
func TestWhatWasLearnedBeforeItWasDocumented(t *testing.T) {
	prior := []PriorColumn{
		{Column: schema.Column{Name: "pref_timezone_2cb49602", Type: schema.T(schema.JSON), Path: "$.preferences.timezone"}, Typed: true},
		{Column: schema.Column{Name: "pref_timezone", Type: schema.T(schema.Int), Path: "$.preferences.Timezone"}, Typed: true},
	}
	p := learn(prior, `{"timezone":"UTC","Timezone":1}`)
	if d := cmp.Diff([]string{"pref_timezone_2cb49602 BIGINT .Timezone"}, learned(p)); d != "" {
		t.Error(d)
	}
}

func TestColumnsAreBounded(t *testing.T) {
	p := NewPreferences(nil, Contract{})
	for i := range 2 * maxPreferenceColumns {
		p.Learn([]byte(fmt.Sprintf(`{"k%d":1,"by_id":{"%d":{"x":1}}}`, i, i)))
	}
	if n := len(p.Columns()); n != maxPreferenceColumns || !p.Full() {
		t.Errorf("%d columns, full %t", n, p.Full())
	}
	before := nodes(p.root)
	for i := range 1000 {
		p.Learn([]byte(fmt.Sprintf(`{"z%d":1,"by_id":{"z%d":{"x":1}}}`, i, i)))
	}
	if now := nodes(p.root); now != before {
		t.Errorf("%d nodes became %d: what is not learned must not be kept", before, now)
	}

	p = NewPreferences(nil, Contract{})
	for i := range 20 * maxPreferenceColumns * maxPreferenceDepth {
		p.Learn([]byte(`{"by_id":{"` + strconv.Itoa(i) + `":{}}}`))
	}
	if n := nodes(p.root); n > 2*maxPreferenceColumns*maxPreferenceDepth {
		t.Errorf("%d nodes for objects without members", n)
	}
	if p := learn(nil, `{"a":1}`); p.Full() {
		t.Error("full with one column")
	}
}

func nodes(n *prefNode) int {
	count := 1
	for _, c := range n.children {
		count += nodes(c)
	}
	return count
}

// What rawjson.Child writes, pathKeys reads.
func TestPathsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := []string{"a", "Z9", ".", `"`, `\`, "\x00", "é", "😀", " ", "[0]", "", "$", "\u2028", "<"}
		keys := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 4).Draw(t, "key"), "")
		}), 0, 5).Draw(t, "keys")
		path := ""
		for _, k := range keys {
			path = rawjson.Child(path, []byte(quoted(k)))
		}
		if got := pathKeys(path); !slices.Equal(got, keys) {
			t.Fatalf("%s reads %q, want %q", path, got, keys)
		}
	})
}

func TestContractModes(t *testing.T) {
	prior := learn(nil, `{"known":1,"empty":null,"free":1}`).Columns()
	const prefs = `{"known":"x","empty":1,"free":"x","new":1,"bought":{"new":2},"timezone":5}`
	for _, tt := range []struct {
		name                  string
		contract              Contract
		columns, broken, cell []string
	}{
		{"evolve", Contract{}, []string{"pref_known JSON .known", "pref_empty BIGINT .empty", "pref_free JSON .free", "pref_new BIGINT .new",
			"pref_bought_new BIGINT .bought.new"}, nil, []string{"pref_timezone 5"}},
		{"freeze", Contract{Columns: Freeze, Types: Freeze, Paths: map[string]Mode{"$.preferences.free": Evolve}},
			[]string{"pref_known BIGINT .known", "pref_empty BIGINT .empty", "pref_free JSON .free"},
			[]string{"$.preferences.known would have to become JSON; it is BIGINT", "$.preferences.new is new", "$.preferences.bought.new is new"},
			nil},
		{"quarantine", Contract{Columns: Quarantine, Types: Quarantine, Paths: map[string]Mode{"$.preferences.free": Evolve}},
			[]string{"pref_known BIGINT .known", "pref_empty BIGINT .empty", "pref_free JSON .free"}, nil,
			[]string{"pref_timezone 5", `pref_known "x"`, "pref_new 1", "pref_bought_new 2"}},
		{"columns evolve, types do not", Contract{Types: Quarantine},
			[]string{"pref_known BIGINT .known", "pref_empty BIGINT .empty", "pref_free BIGINT .free", "pref_new BIGINT .new", "pref_bought_new BIGINT .bought.new"},
			nil, []string{"pref_timezone 5", `pref_known "x"`, `pref_free "x"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := NewPreferences(prior, tt.contract)
			p.Learn([]byte(prefs))
			if d := cmp.Diff(tt.columns, learned(p)); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.broken, p.Broken()); d != "" {
				t.Error(d)
			}
			if tt.broken != nil {
				return
			}
			row, _, _ := Decode([]byte(`{"user_id":"u","preferences":`+prefs+`}`), acme)
			out := build(t, p, func(b *Builder) error { return b.User(&row, nil) })
			var cells []string
			for _, m := range out.cells(schema.Issues) {
				var raw string
				fmt.Sscanf(m["raw"], "%q", &raw)
				cells = append(cells, strings.Trim(m["column_name"], `"`)+" "+raw)
			}
			if d := cmp.Diff(tt.cell, cells); d != "" {
				t.Error(d)
			}
		})
	}
}

// kinds of values that one preference may have in a run.
var kinds = map[string][]string{
	"bool":    {"true", "false"},
	"int":     {"0", "-1", "7", "9007199254740993", "9223372036854775807"},
	"double":  {"0.5", "1.0", "2.50", "1e3", "-0", "1e300"},
	"decimal": {"0.1000000000000000055511151231257827", "123456789012345678901234567890", "18446744073709551616", "9007199254740993.25"},
	"any":     {"1e400", "-1E-400", "123456789012345678901234567890.123456789", "1e99999999999999999999"},
	"text":    {`""`, `"a"`, `"a\u0000b"`, `"\ud83d\ude00é"`, `"1"`},
	"list":    {"[]", `[1, {"a":null}]`},
	"null":    {"null"},
}

// preferences makes one user's, of the kinds that the run has for each key, and says what is at each path.
func preferences(t *rapid.T, kindOf map[string]string, depth int, path string, at map[string]string) string {
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "A", "a_b", "a.b", "b", "", "\x00", `we"ird`, "é", "timeZone"}), 0, 5, rapid.ID).Draw(t, "keys")
	var members []string
	for _, k := range keys {
		sub := rawjson.Child(path, []byte(quoted(k)))
		if depth > 0 && rapid.IntRange(0, 3).Draw(t, "object") == 0 {
			members = append(members, quoted(k)+": "+preferences(t, kindOf, depth-1, sub, at))
			continue
		}
		kind := kindOf[k]
		if rapid.IntRange(0, 9).Draw(t, "null") == 0 {
			kind = "null"
		}
		v := rapid.SampledFrom(kinds[kind]).Draw(t, "value")
		members, at[sub] = append(members, quoted(k)+": "+v), v
	}
	return "{" + strings.Join(members, ", ") + "}"
}

// order says how wide a type is: a column may only go to a wider one.
func order(c PriorColumn) int {
	if !c.Typed {
		return 0
	}
	return map[schema.Kind]int{schema.Bool: 1, schema.Int: 1, schema.String: 1, schema.StringList: 1, schema.Double: 2, schema.Decimal: 3, schema.JSON: 4}[c.Column.Type.Kind]
}

// Over any runs: a path keeps its column, types only widen, names stay unique, no undeclared cell is an issue, and every value can be rebuilt
// from its cell.
func TestNothingIsLostInTypedColumns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var prior []PriorColumn
		for run := range rapid.IntRange(1, 4).Draw(rt, "runs") {
			kindOf := map[string]string{}
			for _, k := range []string{"a", "A", "a_b", "a.b", "b", "", "\x00", `we"ird`, "é", "timeZone"} {
				kindOf[k] = rapid.SampledFrom([]string{"bool", "int", "int", "double", "decimal", "any", "text", "list", "null"}).Draw(rt, "kind")
			}
			var users []Row
			var at []map[string]string
			p := NewPreferences(prior, Contract{})
			for i := range rapid.IntRange(1, 4).Draw(rt, "users") {
				values := map[string]string{}
				prefs := preferences(rt, kindOf, 2, "$.preferences", values)
				row, _, ok := Decode([]byte(fmt.Sprintf(`{"user_id":"u%d","preferences":%s}`, i, prefs)), acme)
				if !ok {
					rt.Fatalf("not decoded: %s", prefs)
				}
				p.Learn(row.Preferences)
				users, at = append(users, row), append(at, values)
			}
			columns := p.Columns()
			kept(rt, prior, columns)
			out := build(t, p, func(b *Builder) error {
				for i := range users {
					if err := b.User(&users[i], nil); err != nil {
						return err
					}
				}
				return nil
			})
			if n := out.cells(schema.Issues); len(n) > 0 {
				rt.Fatalf("run %d: issues %v", run, n)
			}
			flat := out.cells(schema.UsersFlat(columnsOf(p)))
			for i := range users {
				for _, c := range columns {
					v, cell := at[i][c.Column.Path], flat[i][c.Column.Name]
					if !rebuilt(c.Column.Type, v, cell) {
						rt.Fatalf("run %d: %s %s is %q for %q", run, c.Column.Path, c.Column.Type, cell, v)
					}
					delete(at[i], c.Column.Path)
				}
				if len(at[i]) > 0 {
					rt.Fatalf("run %d: no column for %q", run, at[i])
				}
			}
			prior = columns
		}
	})
}

func kept(t *rapid.T, before, now []PriorColumn) {
	names := map[string]bool{}
	for i, c := range now {
		if lower := strings.ToLower(c.Column.Name); names[lower] {
			t.Fatalf("two columns are called %s", lower)
		} else {
			names[lower] = true
		}
		if i >= len(before) {
			continue
		}
		old := before[i]
		if old.Column.Name != c.Column.Name || old.Column.Path != c.Column.Path {
			t.Fatalf("%s %s became %s %s", old.Column.Path, old.Column.Name, c.Column.Path, c.Column.Name)
		}
		if a, b := order(old), order(c); a > b || a == b && old.Typed && old.Column.Type.Kind != c.Column.Type.Kind || old.Column.Type.Scale > c.Column.Type.Scale && c.Column.Type.Kind == schema.Decimal {
			t.Fatalf("%s went from %s to %s", c.Column.Path, old.Column.Type, c.Column.Type)
		}
	}
}

// rebuilt tells whether a cell says what value was at its path; an absent or null one is NULL.
func rebuilt(typ schema.Type, value, cell string) bool {
	if value == "" || value == "null" || cell == "" {
		return (value == "" || value == "null") && cell == ""
	}
	switch typ.Kind {
	case schema.Double, schema.Decimal:
		a, okA := new(big.Rat).SetString(value)
		b, okB := new(big.Rat).SetString(cell)
		return okA && okB && a.Cmp(b) == 0 && strings.HasPrefix(value, "-") == strings.HasPrefix(cell, "-")
	case schema.String:
		text, exact := rawjson.Unquote([]byte(value))
		return exact && quoted(text) == cell
	}
	return value == cell
}

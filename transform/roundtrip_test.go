package transform

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/schema"
)

// anything is what a member of an item may be.
var anything = []string{
	"null", "true", "false", "0", "-0", "7", "1.0", "9007199254740993", "9223372036854775808", "1e400", `""`, `"text"`, `"a\u0000b"`, `"x\ud800y"`,
	`"\ud83d\ude00"`, "\"\xff\"", `"2025-01-15T10:30:00Z"`, `"2025-01-15T10:30:00.123456789+05:30"`, "[]", `["a", null, 7]`, `["a","b"]`, `["x\udc00"]`, "{}",
	`{"timezone":5, "n":9007199254740993}`, `{"$oid":"67fe"}`, `{"$oid":7}`, `{"num_messages":3,"last_message_time":"never"}`,
	`{"num_messages":-0,"num_conversations":12,"last_message_time":"1969-12-31T23:59:59.5Z"}`, `{"a":"b","c":{"d":1},"\ud800":"e"}`,
	`[{"content":"c","insight_ids":[{"$oid":"1"},2]},3]`, `{"k":"\udfff"}`, strings.Repeat("[", 32) + "-0" + strings.Repeat("]", 32),
}

var itemKeys = []string{
	"_id", "additional_context", "email", "first_name", "last_name", "org_id", "preferences", "region_name", "role", "updated_at", "user_models",
	"user_stats", "nonsensitive_variables", "sensitive_variables", "enable_actions_access",
}

// found is what came out of an item, to rebuild it from.
type found struct {
	t          *rapid.T
	users      map[string]string
	flat       map[string]string
	variables  []map[string]string
	issues     map[string]string // raw by path
	unexpected map[string]bool   // paths of issues that nothing has asked for yet
}

// raw is the value that was quarantined at a path.
func (f *found) raw(path string) (string, bool) {
	v, ok := f.issues[path]
	delete(f.unexpected, path)
	return v, ok
}

// is fails unless what came out at a path, a cell or a quarantined value, is what went in. want is the cell that an exact value has.
func (f *found) is(path, in, cell, want string) {
	if raw, ok := f.raw(path); ok {
		if raw != printable(in) {
			f.t.Fatalf("%s: quarantined %s, came %s", path, raw, in)
		}
		return
	}
	if cell != want {
		f.t.Fatalf("%s: %s came out as %s, want %s", path, in, cell, want)
	}
}

// printable writes bytes that are no UTF-8 as _issues has them.
func printable(in string) string { return strings.ReplaceAll(in, "\xff", `\xff`) }

// asText is the cell of a text, read by encoding/json.
func asText(in string) string {
	var s *string
	if json.Unmarshal([]byte(in), &s) != nil || s == nil {
		return ""
	}
	return quoted(*s)
}

func asTime(in string) string {
	var at *time.Time
	if json.Unmarshal([]byte(in), &at) != nil || at == nil {
		return ""
	}
	return quoted(at.UTC().Format("2006-01-02T15:04:05.000000"))
}

// What went in can be rebuilt from what came out: from the cell, from the JSON column byte for byte, or from the raw value in _issues.
func TestWhatWentInCanBeRebuilt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := map[string]string{}
		members := []string{`"user_id":"u"`}
		for _, key := range rapid.SliceOfDistinct(rapid.SampledFrom(itemKeys), rapid.ID).Draw(rt, "keys") {
			in[key] = rapid.SampledFrom(anything).Draw(rt, key)
			members = append(members, quoted(key)+": "+in[key])
		}
		row, issues, ok := Decode([]byte("{"+strings.Join(members, ", ")+"}"), acme)
		if !ok {
			rt.Fatal("no identity")
		}
		seen(&row)
		prefs := NewPreferences(nil, Contract{})
		prefs.Learn(row.Preferences)
		out := build(t, prefs, func(b *Builder) error { return b.User(&row, issues) })
		f := &found{
			t: rt, users: out.cells(schema.Users)[0], flat: out.cells(schema.UsersFlat(columnsOf(prefs)))[0], variables: out.cells(schema.UserVariables),
			issues: map[string]string{}, unexpected: map[string]bool{},
		}
		for _, m := range out.cells(schema.Issues) {
			var path, raw string
			if json.Unmarshal([]byte(m["path"]), &path) != nil || json.Unmarshal([]byte(m["raw"]), &raw) != nil {
				rt.Fatalf("issue %v", m)
			}
			if _, known := f.issues[path]; !known { // the first is the record's; what is taken apart later may be clean already
				f.issues[path] = raw
			}
			if !strings.HasPrefix(path, "$.preferences.") && !strings.HasPrefix(path, "$.user_models[") && m["column_name"] != `"num_models"` && m["column_name"] != `"num_context_entries"` {
				f.unexpected[path] = true // of those left out, the JSON column has the value
			}
		}
		f.check(in)
		for path := range f.unexpected {
			rt.Fatalf("%s: an issue for a value that fits: %s", path, f.issues[path])
		}
	})
}

func (f *found) check(in map[string]string) {
	for _, c := range schema.Users.Columns {
		v, there := in[c.Name]
		there = there && v != "null"
		path := "$." + c.Name
		switch {
		case c.Name == "user_id":
			f.is(path, "", f.users[c.Name], `"u"`)
		case c.Name == "_id" && strings.HasPrefix(v, `{"$oid":"`):
			f.is(path, v, f.users[c.Name], `"67fe"`)
		case c.Name == "updated_at" && !there:
			f.is(path, v, f.users[c.Name], quoted(clock.Format("2006-01-02T15:04:05.000000")))
		case c.Name == "updated_at":
			f.is(path, v, f.users[c.Name], asTime(v))
		case c.Name == "org_id" && !there:
			f.is(path, v, f.users[c.Name], `"acme-health"`)
		case c.Name == "region_name" && !there:
			f.is(path, v, f.users[c.Name], `"us-east-1"`)
		case c.Type.Kind == schema.JSON && c.Origin == schema.FromModel && !there: // null carries nothing
			f.is(path, v, f.users[c.Name], "")
		case c.Type.Kind == schema.JSON:
			f.is(path, v, f.users[c.Name], v)
		default:
			f.is(path, v, f.users[c.Name], asText(v))
		}
	}
	if v := in["enable_actions_access"]; v == "null" {
		f.is("$.enable_actions_access", v, f.flat["enable_actions_access"], "")
	} else {
		f.is("$.enable_actions_access", v, f.flat["enable_actions_access"], v)
	}
	f.stats(in["user_stats"])
	f.plain(in["nonsensitive_variables"])
	f.names("$.sensitive_variables", in["sensitive_variables"], "true")
	if len(f.variables) > 0 {
		f.t.Fatalf("too many variables: %v", f.variables)
	}
}

func (f *found) stats(in string) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(in), &members); err != nil && in != "" {
		f.is("$.user_stats", in, "", "quarantined whole")
	}
	for _, name := range []string{"num_conversations", "num_messages"} {
		v := string(members[name])
		f.is("$.user_stats."+name, v, f.flat[name], v)
	}
	v := string(members["last_message_time"])
	f.is("$.user_stats.last_message_time", v, f.flat["last_message_time"], asTime(v))
}

// take removes the variable that has this name and value, and tells whether there was one.
func (f *found) take(name, value, sensitive string) bool {
	i := slices.IndexFunc(f.variables, func(m map[string]string) bool {
		return m["name"] == name && m["value"] == value && m["is_sensitive"] == sensitive
	})
	if i >= 0 {
		f.variables = slices.Delete(f.variables, i, i+1)
	}
	return i >= 0
}

func (f *found) plain(in string) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(in), &members) != nil {
		f.names("$.nonsensitive_variables", in, "false")
		return
	}
	for name, v := range members {
		path := "$.nonsensitive_variables." + name
		if name == "$oid" || name == "\ufffd" {
			path = `$.nonsensitive_variables."` + name + `"`
		}
		if name == "\ufffd" { // the one name that is no text
			f.is(path, `"\ud800"`, "", "quarantined")
		}
		value := asText(string(v))
		if value == "" && string(v) != "null" || strings.Contains(string(v), `\udfff`) {
			f.is(path, string(v), "", "quarantined")
		}
		if !f.take(quoted(name), value, "false") {
			f.t.Fatalf("no variable %s with %s: %v", name, v, f.variables)
		}
	}
}

func (f *found) names(path, in, sensitive string) {
	var list []json.RawMessage
	if json.Unmarshal([]byte(in), &list) != nil {
		if in != "" {
			f.is(path, in, "", "quarantined whole")
		}
		return
	}
	for i, e := range list {
		name := asText(string(e))
		if name == "" && string(e) != "null" || strings.Contains(string(e), `\udc00`) {
			f.is(fmt.Sprintf("%s[%d]", path, i), string(e), "", "quarantined")
		}
		if !f.take(name, "", sensitive) {
			f.t.Fatalf("no variable %s: %v", e, f.variables)
		}
	}
}

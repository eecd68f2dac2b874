package pii

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

func rules(t testing.TB, texts ...string) *Rules {
	t.Helper()
	var list []Rule
	for _, text := range texts {
		r, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	r, err := New(list, testKey)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRecord(t *testing.T) {
	for _, tt := range []struct{ name, rule, in, want string }{
		{"untouched keeps its bytes", "email=drop", `{ "role" : 1e400 }`, `{ "role" : 1e400 }`},
		{"a member", "email=drop", `{"a":1,"email":"x","b":2}`, `{"a":1,"b":2}`},
		{"the only member", "email=drop", `{"email":"x"}`, `{}`},
		{"twice, and escaped", "email=drop", `{"email":"x","em\u0061il":"y"}`, `{}`},
		{"text is masked", "email=mask", `{"email":"x"}`, `{"email":"***"}`},
		{"a time is masked", "last_message_time=mask", `{"user_stats":{"last_message_time":"2026-01-02T03:04:05Z"}}`, `{"user_stats":{"last_message_time":"1970-01-01T00:00:00Z"}}`},
		{"every kind is masked", "$.preferences.*=mask", `{"preferences":{"a":1,"b":true,"c":[1],"d":{"e":2},"f":null}}`, `{"preferences":{"a":0,"b":false,"c":[],"d":{},"f":null}}`},
		{"within lists", "$.user_models[*].content=drop", `{"user_models":[{"content":"x","n":1},{"m":2}]}`, `{"user_models":[{"n":1},{"m":2}]}`},
		{"elements", "$.additional_context[*]=drop", `{"additional_context":["a","b"]}`, `{"additional_context":[]}`},
		{"a table's column", "user_models.content=mask", `{"user_models":[{"content":"x"}]}`, `{"user_models":[{"content":"***"}]}`},
		{"variables", "variables=drop", `{"nonsensitive_variables":{"a":"b"}}`, `{"nonsensitive_variables":{}}`},
		{"both spellings of _id", "_id=drop", `{"_id":"1","id":"2","x":3}`, `{"x":3}`},
		{"a quoted key", `$.preferences."a b"=drop`, `{"preferences":{"a b":1}}`, `{"preferences":{}}`},
		{"a learned preference", "$.preferences.nickname=drop", `{"preferences":{"nickname":"x","tz":"y"}}`, `{"preferences":{"tz":"y"}}`},
		{"another shape is dropped", "$.preferences.nickname=mask", `{"preferences":"nickname is x"}`, `{}`},
		{"an object for a list", "$.user_models[*].content=mask", `{"user_models":{"content":"x"}}`, `{}`},
		{"no record", "email=drop", `"x@example.com"`, `"***"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(rules(t, tt.rule).Record([]byte(tt.in))); got != tt.want {
				t.Errorf("%s of %s:\n got %s\nwant %s", tt.rule, tt.in, got, tt.want)
			}
		})
	}
}

func TestTheStricterOfTwoCounts(t *testing.T) {
	in := []byte(`{"preferences":{"a":{"b":"x","c":"y"},"d":"z"}}`)
	for _, tt := range []struct{ first, second, want string }{
		{"$.preferences.*=drop", "$.preferences.a.b=mask", `{"preferences":{}}`},
		{"$.preferences=mask", "$.preferences.a=drop", `{"preferences":{}}`},
		{"$.preferences.a=hash", "$.preferences.a=drop", `{"preferences":{"d":"z"}}`},
		{"$.preferences.*.b=drop", "$.preferences.a.c=mask", `{"preferences":{"a":{"c":"***"}}}`},
	} {
		for _, r := range []*Rules{rules(t, tt.first, tt.second), rules(t, tt.second, tt.first)} {
			if got := string(r.Record(in)); got != tt.want {
				t.Errorf("%s and %s: %s, want %s", tt.first, tt.second, got, tt.want)
			}
		}
	}
}

func TestHash(t *testing.T) {
	r := rules(t, "email=hash", "first_name=hash")
	got := r.Record([]byte(`{"email":"a\u0062","first_name":"ab","last_name":"ab"}`))
	var doc struct {
		Email string `json:"email"`
		First string `json:"first_name"`
		Last  string `json:"last_name"`
	}
	if err := json.Unmarshal(got, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Email != doc.First || !strings.HasPrefix(doc.Email, "hmac:"+r.KeyID()+":") || len(doc.Email) != len("hmac::")+8+64 || doc.Last != "ab" {
		t.Errorf("%s", got)
	}
	other, err := New(r.Rules(), []byte("another key of that length"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(other.Record([]byte(`{"email":"ab"}`)), r.Record([]byte(`{"email":"ab"}`))) || other.Fingerprint() == r.Fingerprint() {
		t.Error("another key hashes to the same")
	}
	if got := string(r.Record([]byte(`{"email":null}`))); got != `{"email":null}` {
		t.Error(got)
	}
}

func TestRefusedRules(t *testing.T) {
	for _, tt := range []struct{ rule, want string }{
		{"email", "must be a path and an action"},
		{"email=erase", "drop, mask or hash"},
		{"=drop", "names no path"},
		{"user_id=hash", "cannot be hidden"},
		{"$.org_id=hash", "cannot be hidden"},
		{`$."user_id"=drop`, "cannot be hidden"},
		{"$.*=mask", "would take in user_id"},
		{"$=drop", "names the whole record"},
		{"nickname=drop", "is no column"},
		{"role_name=drop", "is no column"},
		{"_run_id=drop", "is no column"},
		{"$.preferences[0]=drop", "must be a path"},
		{"$..x=drop", "a key is missing"},
		{`$."x=drop`, "does not end"},
		{"updated_at=hash", "a hash is text"},
		{"user_models=hash", "a hash is text"},
		{"pref_conversations_visible_to_admins=hash", "a hash is text"},
	} {
		if _, err := ParseRule(tt.rule); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.rule, err, tt.want)
		}
	}
	if _, err := New([]Rule{{"email", Hash}}, []byte("short")); err == nil || !strings.Contains(err.Error(), "needs a key") {
		t.Errorf("a short key: %v", err)
	}
	if r, err := New(nil, nil); r != nil || err != nil || string(r.Record([]byte("x"))) != "x" || r.Fingerprint() != "" {
		t.Error("no rules are not nothing")
	}
}

func TestAt(t *testing.T) {
	r := rules(t, "$.user_models[*].content=drop", "$.preferences=mask", "$.user_stats.num_messages=mask")
	for _, tt := range []struct{ path, raw, want string }{
		{"$.user_models[3].content", `5`, ``},
		{"$.user_models[3]", `{"content":1,"x":2}`, `{"x":2}`},
		{"$.user_models[3].insight_ids[0]", `5`, `5`},
		{"$.preferences.a.b", `"x"`, `"***"`},
		{"$.user_stats", `"broken"`, ``},
		{"$.email", `7`, `7`},
		{"$", `{"preferences":{"a":1}}`, `{"preferences":{}}`},
	} {
		got, keep := r.At(tt.path, []byte(tt.raw))
		if keep != (tt.want != "") || string(got) != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.path, got, keep, tt.want)
		}
	}
	for path, want := range map[string]string{"$.preferences.a": "$.preferences", "$.user_models[1].content": "$.user_models[*].content", "$.email": ""} {
		if at, action := r.Hides(path); (action != "") != (want != "") || action != "" && at != want {
			t.Errorf("%s: %s, %v", path, at, action)
		}
	}
}

// Whatever a record is made of, nothing of what is below a path with a rule comes out, and the record stays JSON.
func TestNothingOfAHiddenValueComesOut(t *testing.T) {
	const secret = "quixotic"
	paths := []string{"$.email", "$.preferences.nickname", "$.preferences.*", "$.user_models[*].content", "$.additional_context[*]", "$.user_models[*].dimensions[*].tags[*]"}
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom(paths).Draw(t, "path")
		action := rapid.SampledFrom([]Action{Drop, Mask}).Draw(t, "action")
		r, err := New([]Rule{{path, action}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var value func(depth, kinds int) string
		value = func(depth, kinds int) string {
			if depth == 0 {
				kinds = 3
			}
			switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
			case 0:
				return `"` + secret + `"`
			case 1:
				return `"` + secret + ` \" ]} x"`
			case 2:
				return "null"
			case 3:
				return "[" + value(depth-1, kinds) + " , " + value(depth-1, kinds) + "]"
			}
			return `{ "` + secret + `" : ` + value(depth-1, kinds) + `}`
		}
		// Put the secret at the path, or something else where the path goes through: no object, whose other members no rule is about.
		steps, err := parsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		var build func(steps []step) string
		build = func(steps []step) string {
			if len(steps) == 0 {
				return value(3, 5)
			}
			if steps[0].kind != member && rapid.IntRange(0, 3).Draw(t, "shape") == 0 {
				return value(3, 4)
			}
			inner := build(steps[1:])
			switch steps[0].kind {
			case elements:
				return "[" + inner + ", " + build(steps[1:]) + "]"
			case members:
				return `{"` + secret + `":` + inner + `}`
			}
			return `{"role":"kept", "` + steps[0].key + `" : ` + inner + `,"z":[1 , 2]}`
		}
		in := build(steps)
		out := r.Record([]byte(in))
		if !json.Valid(out) {
			t.Fatalf("%s: %s of %s is no JSON: %s", path, action, in, out)
		}
		if path != "$.preferences.*" && bytes.Contains(out, []byte(secret)) || path == "$.preferences.*" && action == Drop && bytes.Contains(out, []byte(secret)) {
			t.Fatalf("%s: %s of %s left %s", path, action, in, out)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	r := rules(b, "email=hash", "$.preferences.nickname=drop", "last_name=mask")
	in := []byte(`{"user_id":"65f1c0ffee00000000000042","email":"jane@example.com","first_name":"Jane","last_name":"Doe","preferences":{"nickname":"J","timezone":"Europe/Zurich"},"role":"65f1c0ffee00000000000001"}`)
	b.ReportAllocs()
	for b.Loop() {
		_ = r.Record(in)
	}
}

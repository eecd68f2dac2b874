package freddy

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// thinFields are those of a list item (api/freddy.md §3); a profile has all of the nineteen but global_role_id (§4).
var thinFields = []string{"id", "email", "first_name", "last_name", "is_active", "last_verified", "global_role_id", "created_at", "updated_at"}

// documentedUser is the user of the documentation, as the list and as a profile have it.
func documentedUser(t *testing.T) (thin, profile []byte) {
	t.Helper()
	whole, err := os.ReadFile("testdata/user.json")
	if err != nil {
		t.Fatal(err)
	}
	user := object(t, whole)
	if len(user) != 19 {
		t.Fatalf("%d fields", len(user))
	}
	part := func(take func(string) bool) []byte {
		m := map[string]json.RawMessage{}
		for name, value := range user {
			if take(name) {
				m[name] = value
			}
		}
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	return part(func(name string) bool { return slices.Contains(thinFields, name) }), part(func(name string) bool { return name != "global_role_id" })
}

func TestMergeDocumentedUser(t *testing.T) {
	thin, profile := documentedUser(t)
	s := New(nil, Options{})
	var out bytes.Buffer
	for _, p := range [][]byte{profile, nil} {
		record, err := s.Merge(thin, p)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(record, '\n'))
	}
	golden(t, "user.golden", out.Bytes())
}

func TestMerge(t *testing.T) {
	tests := []struct {
		name, org, item, profile, want string
	}{
		{"nothing but ids", "", `{"id":"u"}`, `{"id":"u"}`,
			`{"_id":"u","additional_context":{"username":null,"full_name":null,"birthday":null,"gender":null,"is_active":null,"last_verified":null,"last_login":null,` +
				`"profile_image":null,"country_id":null,"post_code":null,"created_at":null},"org_id":null,"preferences":{},"region_name":null,"user_id":"u"}`},
		{"the profile has the say", "", `{"id":"u","email":"old","first_name":"F","global_role_id":"r","updated_at":"1"}`, `{"updated_at":"2","email":"new","id":"u","timezone":null}`,
			`{"_id":"u","additional_context":{"username":null,"full_name":null,"birthday":null,"gender":null,"is_active":null,"last_verified":null,"last_login":null,` +
				`"profile_image":null,"country_id":null,"post_code":null,"created_at":null},"email":"new","first_name":"F","org_id":null,"preferences":{},"region_name":null,` +
				`"role":"r","updated_at":"2","user_id":"u"}`},
		{"no profile", "", ` {"id" : "u" ,"global_role_id":null,"email":"e","is_active":true}`, "", `{"_id":"u","email":"e","role":null,"user_id":"u"}`},
		{"bytes", "", `{"id":"\u0075","first_name":"\ud83d","last_name":7}`, `{"id":"u","timezone":{ "a" : 1.0 },"country_id":9007199254740993,"is_active":"yes","created_at":1e400}`,
			`{"_id":"\u0075","additional_context":{"username":null,"full_name":null,"birthday":null,"gender":null,"is_active":"yes","last_verified":null,"last_login":null,` +
				`"profile_image":null,"country_id":9007199254740993,"post_code":null,"created_at":1e400},"first_name":"\ud83d","last_name":7,"org_id":null,` +
				`"preferences":{"timezone":{ "a" : 1.0 }},"region_name":9007199254740993,"user_id":"\u0075"}`},
		{"what is not documented", "", `{"id":"u","z":1,"a\"":[ ]}`, `{"id":"u","z":2,"user_models":[],"\u0061":0,"Email":"E","\ud83d":1}`,
			`{"_id":"u","additional_context":{"username":null,"full_name":null,"birthday":null,"gender":null,"is_active":null,"last_verified":null,"last_login":null,` +
				`"profile_image":null,"country_id":null,"post_code":null,"created_at":null,"_extra":{"\ud83d":1,"Email":"E","\u0061":0,"a\"":[ ],"user_models":[],"z":2}},` +
				`"org_id":null,"preferences":{},"region_name":null,"user_id":"u"}`},
		{"a name twice", "", `{"id":"x","id":"u","email":"1","email":"2"}`, "", `{"_id":"u","email":"2","user_id":"u"}`},
		{"a member", "org_1", `{"id":"orgusr_1","user_id":"u","organization_id":"org_1","full_name":"Old","email":"e","role":{"id":"r1","name":"Admin"},` +
			`"status":{"id":"s"},"joined_at":"j","created_at":"mc","last_modified_at":"mm"}`,
			`{"id":"u","full_name":"Full","first_name":"F","current_organization_id":"org_2","created_at":"c","updated_at":"up","country_id":"CH","timezone":"Z"}`,
			`{"_id":"orgusr_1","additional_context":{"username":null,"full_name":"Full","birthday":null,"gender":null,"is_active":null,"last_verified":null,"last_login":null,` +
				`"profile_image":null,"country_id":"CH","post_code":null,"created_at":"c","current_organization_id":"org_2","membership":{"role":{"id":"r1","name":"Admin"},` +
				`"status":{"id":"s"},"joined_at":"j","created_at":"mc","last_modified_at":"mm"}},"email":"e","first_name":"F","org_id":"org_1","preferences":{"timezone":"Z"},` +
				`"region_name":"CH","role":"Admin","updated_at":"up","user_id":"u"}`},
		{"a member without a profile", "org_1", `{"id":"orgusr_1","user_id":"u","email":"e","role_id":"r1","role_name":"Member","created_at":"mc","updated_at":"x"}`, "",
			`{"_id":"orgusr_1","email":"e","role":"Member","user_id":"u"}`},
		{"a member's role in one word", "org_1", `{"user_id":"u","role":"Owner","organization_id":null}`, "", `{"org_id":null,"role":"Owner","user_id":"u"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var profile []byte
			if tt.profile != "" {
				profile = []byte(tt.profile)
			}
			got, err := New(nil, Options{Org: tt.org}).Merge([]byte(tt.item), profile)
			if err != nil || string(got) != tt.want {
				t.Errorf("%v\n%s\nwant\n%s", err, got, tt.want)
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	for _, tt := range []struct{ item, profile, want string }{
		{`{"id":"u"`, "", "no JSON object"},
		{`["u"]`, "", "no JSON object"},
		{`{"user_id":"u"}`, "", "no usable id"},
		{`{"id":7}`, "", "no usable id"},
		{`{"id":"\u0000x"}`, "", "no usable id"},
		{`{"id":"u"}`, `{"id":"canary"}`, "another user's"},
		{`{"id":"u"}`, `{}`, "another user's"},
		{`{"id":"u"}`, `null`, "no JSON object"},
	} {
		var profile []byte
		if tt.profile != "" {
			profile = []byte(tt.profile)
		}
		got, err := New(nil, Options{}).Merge([]byte(tt.item), profile)
		if err == nil || got != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s and %s: %s, %v", tt.item, tt.profile, got, err)
		}
	}
}

// TestMergeKeepsAllNineteen: whatever the values and whichever of them are there, each is found in its place, byte for byte.
func TestMergeKeepsAllNineteen(t *testing.T) {
	places := map[string]string{"email": "email", "first_name": "first_name", "last_name": "last_name", "current_organization_id": "org_id",
		"country_id": "region_name", "global_role_id": "role", "updated_at": "updated_at"}
	values := []string{`null`, `""`, `"x"`, `"\ud83d"`, `[ 1,{"a" :2} ]`, `1e400`, `-0`, `true`, `{"id":"other"}`}
	rapid.Check(t, func(t *rapid.T) {
		user := map[string]string{}
		parts := map[bool][]string{true: {`"id":"u"`}, false: {`"id":"u"`}}
		for _, name := range rapid.Permutation(documented[1:]).Draw(t, "order") {
			inProfile := name != "global_role_id"
			if v := rapid.SampledFrom(append(values, "absent")).Draw(t, name); v != "absent" {
				user[name] = v
				parts[inProfile] = append(parts[inProfile], `"`+name+`" : `+v)
			}
		}
		got, err := New(nil, Options{}).Merge([]byte("{"+strings.Join(parts[false], ",")+"}"), []byte("{"+strings.Join(parts[true], " ,\n")+"}"))
		if err != nil {
			t.Fatal(err)
		}
		record := fieldsOf(got)
		context, preferences := fieldsOf(record["additional_context"].value), fieldsOf(record["preferences"].value)
		for _, name := range documented[1:] {
			want, there := user[name]
			var at []string
			if column, ok := places[name]; ok {
				at = append(at, string(record[column].value))
			}
			if slices.Contains(remainder, name) {
				at = append(at, string(context[name].value))
			}
			if name == "timezone" {
				at = append(at, string(preferences[name].value))
			}
			if len(at) == 0 {
				t.Fatalf("%s has no place", name)
			}
			for _, v := range at {
				if there && v != want && (name != "timezone" || want != "null") || !there && v != "" && v != "null" {
					t.Fatalf("%s is %q, want %q", name, v, want)
				}
			}
		}
	})
}

// FuzzMerge: whatever the two are, a record is JSON with the item's id, and what it lacks was not there.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"id":"u","email":"e","\u0061":1}`), []byte(`{"id":"u","timezone":"UTC","x":{"y":[]}}`), false)
	f.Add([]byte(`{"id":"m","user_id":"u","role":{"name":"N"}}`), []byte(`{"id":"u"}`), true)
	f.Add([]byte(`{"id":"u","":0}`), []byte(nil), false)
	f.Fuzz(func(t *testing.T, item, profile []byte, member bool) {
		o := Options{}
		if member {
			o.Org = "org_1"
		}
		got, err := New(nil, o).Merge(item, profile)
		if err != nil {
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%q", got)
		}
		record := object(t, got)
		if record["user_id"] == nil || (record["preferences"] != nil) != (profile != nil) || record["user_models"] != nil {
			t.Fatalf("%s", got)
		}
	})
}

package transform

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// item is a list item of user u with these members more.
func item(members string) []byte {
	if members == "" {
		return []byte(`{"user_id":"u"}`)
	}
	return []byte(`{"user_id":"u",` + members + `}`)
}

func decode(t *testing.T, members string) (Row, []string) {
	t.Helper()
	row, issues, ok := Decode(item(members), acme)
	if !ok {
		t.Fatalf("%s: no identity", members)
	}
	for _, i := range issues {
		if i.Row || i.Reason == "" || i.Column == "" {
			t.Errorf("%s: issue %+v", members, i)
		}
	}
	return row, raws(issues)
}

func TestTextColumns(t *testing.T) {
	get := map[string]func(Row) Text{
		"_id": func(r Row) Text { return r.ID }, "email": func(r Row) Text { return r.Email }, "first_name": func(r Row) Text { return r.FirstName },
		"last_name": func(r Row) Text { return r.LastName }, "org_id": func(r Row) Text { return r.Org },
		"region_name": func(r Row) Text { return r.Region }, "role": func(r Row) Text { return r.Role },
	}
	for column, of := range get {
		byDefault := Text{}
		switch column {
		case "org_id":
			byDefault = acme.Org
		case "region_name":
			byDefault = acme.Region
		}
		for _, tt := range []struct {
			value string
			want  Text
			issue bool
		}{
			{"", byDefault, false}, {"null", byDefault, false},
			{`""`, text(""), false}, {`"a"`, text("a"), false}, {`"a\u0000b\ud83d\ude00"`, text("a\x00b😀"), false},
			{`"\ufffd"`, text("\ufffd"), false}, {`"x\ud800y"`, text("x\ufffdy"), true},
			{"42", Text{}, true}, {"-0", Text{}, true}, {"true", Text{}, true}, {`{"a":1}`, Text{}, true}, {"[]", Text{}, true},
		} {
			members := ""
			if tt.value != "" {
				members = `"` + column + `":` + tt.value
			}
			row, issues := decode(t, members)
			if got := of(row); got != tt.want {
				t.Errorf("%s: %+v, want %+v", members, got, tt.want)
			}
			var want []string
			if tt.issue {
				want = []string{column + " $." + column + " " + tt.value}
			}
			if d := cmp.Diff(want, issues); d != "" {
				t.Errorf("%s: %s", members, d)
			}
		}
	}
}

func TestDocumentID(t *testing.T) {
	for members, want := range map[string]Text{
		`"_id":"d"`: text("d"), `"id":"p"`: text("p"), `"id":"p","_id":"d"`: text("d"), `"_id":null,"id":"p"`: text("p"), `"_id":null`: {},
		`"_id":{"$oid":"67fe"}`: text("67fe"), `"\u005fid":"d"`: text("d"), `"_id":"","id":"p"`: text(""),
	} {
		if row, issues := decode(t, members); row.ID != want || issues != nil {
			t.Errorf("%s: %+v, %q", members, row.ID, issues)
		}
	}
	for _, v := range []string{`{"$oid":7}`, `{"$oid":"a","x":1}`} {
		if row, issues := decode(t, `"_id":`+v); row.ID.Valid || len(issues) != 1 {
			t.Errorf("%s: %+v, %q", v, row.ID, issues)
		}
	}
}

func TestIdentity(t *testing.T) {
	for _, v := range []string{
		`{}`, `{"user_id":null}`, `{"user_id":""}`, `{"user_id":7}`, `{"user_id":["u"]}`, `{"user_id":"u\ud800"}`, "{\"user_id\":\"u\xff\"}", `[]`, `null`,
		`{"User_ID":"u"}`, `{"user_id":"u","user_id":null}`,
	} {
		if row, issues, ok := Decode([]byte(v), acme); ok || issues != nil || row.UserID != "" {
			t.Errorf("%s: %q, %t", v, row.UserID, ok)
		}
	}
	for v, want := range map[string]string{
		`{"user_id":"u"}`: "u", `{"user\u005fid":"u"}`: "u", `{"user_id":"u\u0000"}`: "u\x00", `{"user_id":" "}`: " ", `{"user_id":"u","user_id":"v"}`: "v",
	} {
		if row, _, ok := Decode([]byte(v), acme); !ok || row.UserID != want || row.Scope != "acme" {
			t.Errorf("%s: %q, %t", v, row.UserID, ok)
		}
	}
}

func TestUpdatedAt(t *testing.T) {
	for _, tt := range []struct{ value, want, issue string }{
		{`"2025-01-15T10:30:00Z"`, "2025-01-15T10:30:00Z", ""},
		{`"2025-01-15t10:30:00z"`, "2025-01-15T10:30:00Z", ""},
		{`"2025-01-15T10:30:00.123Z"`, "2025-01-15T10:30:00.123Z", ""},
		{`"2025-01-15T10:30:00.123456Z"`, "2025-01-15T10:30:00.123456Z", ""},
		{`"2025-01-15T10:30:00.123456000000Z"`, "2025-01-15T10:30:00.123456Z", ""},
		{`"2025-01-15T10:30:00.123456789Z"`, "2025-01-15T10:30:00.123456Z", "finer"},
		{`"2025-01-15T10:30:00.0000000000001+00:00"`, "2025-01-15T10:30:00Z", "finer"},
		{`"2025-01-15T10:30:00+05:30"`, "2025-01-15T05:00:00Z", ""},
		{`"2025-01-15T00:30:00.5-11:00"`, "2025-01-15T11:30:00.5Z", ""},
		{`"1969-12-31T23:59:59.999999Z"`, "1969-12-31T23:59:59.999999Z", ""},
		{`"1969-12-31T23:59:59.9999999Z"`, "1969-12-31T23:59:59.999999Z", "finer"},
		{`"0000-01-01T00:00:00.0000019Z"`, "0000-01-01T00:00:00.000001Z", "finer"},
		{`"9999-12-31T23:59:59.999999Z"`, "9999-12-31T23:59:59.999999Z", ""},
		{`"2024-02-29T23:59:59+00:00"`, "2024-02-29T23:59:59Z", ""},
		{`"2025-02-29T00:00:00Z"`, "", "not a timestamp"},
		{`"2025-06-30T23:59:60Z"`, "", "not a timestamp"},
		{`"2025-01-15T10:30:00"`, "", "not a timestamp"},
		{`"2025-01-15 10:30:00Z"`, "", "not a timestamp"},
		{`"2025-01-15"`, "", "not a timestamp"},
		{`"yesterday"`, "", "not a timestamp"},
		{`""`, "", "not a timestamp"},
		{`"2025-01-15T10:30:00\ud800Z"`, "", "not a timestamp"},
		{"1700000000", "", "not a timestamp"},
		{`{"$date":"2025-01-15T10:30:00Z"}`, "", "not a timestamp"},
	} {
		row, issues, _ := Decode(item(`"updated_at":`+tt.value), acme)
		var want Micros
		if tt.want != "" {
			at, err := time.Parse(time.RFC3339Nano, tt.want)
			if err != nil {
				t.Fatal(err)
			}
			want = Micros{at.UnixMicro(), true}
		}
		if row.UpdatedAt != want || row.Observed {
			t.Errorf("%s: %+v, want %+v; observed %t", tt.value, row.UpdatedAt, want, row.Observed)
		}
		reason := ""
		for _, i := range issues {
			reason += i.Reason
			if i.Column != "updated_at" || i.Path != "$.updated_at" || string(i.Raw) != tt.value {
				t.Errorf("%s: %+v", tt.value, i)
			}
		}
		if (tt.issue == "") != (reason == "") || !strings.HasPrefix(reason, tt.issue) {
			t.Errorf("%s: issue %q, want %q", tt.value, reason, tt.issue)
		}
	}
	for _, members := range []string{"", `"updated_at":null`} {
		if row, issues := decode(t, members); row.UpdatedAt.Valid || !row.Observed || issues != nil {
			t.Errorf("%s: %+v, %q", members, row, issues)
		}
	}
}

func TestJSONColumns(t *testing.T) {
	get := map[string]func(Row) []byte{
		"preferences": func(r Row) []byte { return r.Preferences }, "additional_context": func(r Row) []byte { return r.Context },
		"user_models": func(r Row) []byte { return r.Models },
	}
	for column, of := range get {
		for _, v := range []string{
			"null", "{}", "[]", `"text"`, "7", `{ "a" : 9007199254740993, "a":-0 ,"b":[1e400,"\u0000"]}`, strings.Repeat("[", 32) + strings.Repeat("]", 32),
		} {
			want := v
			if v == "null" && column != "preferences" { // not carried, as TestListedModels has it
				want = ""
			}
			row, issues := decode(t, `"`+column+`": `+v+` `)
			if got := of(row); string(got) != want || issues != nil {
				t.Errorf("%s: %s, want %s; %q", column, got, want, issues)
			}
		}
		row, issues := decode(t, `"`+column+`":{"s":"\ud83d"}`)
		if got := of(row); string(got) != `{"s":"\ufffd"}` || !cmp.Equal(issues, []string{column + " $." + column + ` {"s":"\ud83d"}`}) {
			t.Errorf("%s: %s, %q", column, got, issues)
		}
		if row, _ := decode(t, ""); of(row) != nil {
			t.Errorf("%s: %s where there is none", column, of(row))
		}
	}
}

func TestListedModels(t *testing.T) {
	for members, want := range map[string]ModelsState{
		"": "", `"user_models":[]`: Listed, `"additional_context":[]`: Listed, `"additional_context":[],"user_models":[]`: Listed, `"preferences":{}`: "",
		`"user_models":null`: "", `"additional_context":null`: "", `"additional_context":null,"user_models":null`: "",
		`"additional_context":null,"user_models":[]`: Listed, `"additional_context":[],"user_models":null`: Listed, `"user_models":[],"user_models":null`: "",
	} {
		row, issues := decode(t, members)
		if row.State != want || issues != nil {
			t.Errorf("%s: %q, %q", members, row.State, issues)
		}
		if string(row.Context) == "null" || string(row.Models) == "null" {
			t.Errorf("%s: context %s, models %s; null is nothing carried", members, row.Context, row.Models)
		}
		if none, _ := decode(t, ""); want == "" && row.ModelsHash != none.ModelsHash {
			t.Errorf("%s: the hash is not that of an item without models", members)
		}
	}
}

func TestOfANameTwiceTheLastCounts(t *testing.T) {
	row, _ := decode(t, `"email":"a","email":"b","preferences":{"x":1},"preferences":{"x":2},"email":"c"`)
	if row.Email != text("c") || string(row.Preferences) != `{"x":2}` {
		t.Errorf("%+v", row)
	}
}

func TestDecodeModels(t *testing.T) {
	var issues []Issue
	context, models := DecodeModels([]byte(`{"user_models": [ ],"additional_context":["\ud800"],"other":1}`), func(i Issue) { issues = append(issues, i) })
	if string(context) != `["\ufffd"]` || string(models) != "[ ]" {
		t.Errorf("%s, %s", context, models)
	}
	if d := cmp.Diff([]string{`additional_context $.additional_context ["\ud800"]`}, raws(issues)); d != "" {
		t.Error(d)
	}
	for _, v := range []string{"{}", "[]", "null", ""} {
		if context, models := DecodeModels([]byte(v), nil); context != nil || models != nil {
			t.Errorf("%s: %s, %s", v, context, models)
		}
	}
}

func TestParseRole(t *testing.T) {
	role, ok := ParseRole([]byte(`{"id":"r1","name":"Care \"Coach\"","description":null,"permission_grants":[]}`), text("acme"))
	if want := (Role{Org: text("acme"), ID: text("r1"), Name: text(`Care "Coach"`)}); !ok || role != want {
		t.Errorf("%+v, %t", role, ok)
	}
	for _, v := range []string{`{}`, `{"id":null}`, `{"id":7}`, `[]`, `"r1"`} {
		if _, ok := ParseRole([]byte(v), Text{}); ok {
			t.Errorf("%s is a role", v)
		}
	}
}

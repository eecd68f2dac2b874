package amigo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

func TestDecodeEnvelope(t *testing.T) {
	raws := func(texts ...string) (items []sweep.Item) {
		for _, s := range texts {
			items = append(items, sweep.Item{Key: sweep.Unkeyed([]byte(s)), Raw: []byte(s)})
		}
		return items
	}
	keyed := func(key, raw string) sweep.Item { return sweep.Item{Key: key, Raw: []byte(raw)} }
	tests := []struct {
		name string
		body string
		want envelope
	}{
		{"last page", string(read(t, "list_last.json")), envelope{more: sweep.No, hasToken: true}},
		{"offset dialect", string(read(t, "list_offset.json")),
			envelope{rows: []sweep.Item{keyed("u-1", `{"user_id":"u-1"}`), keyed("u-2", `{"user_id":"u-2"}`)}}},
		{"awkward", string(read(t, "list_awkward.json")), envelope{more: sweep.Yes, hasToken: true, hasNext: true, next: 1<<53 + 1, rows: append(append(
			[]sweep.Item{keyed("slash/../id?x=%2F#é", `{"user_id":"slash/../id?x=%2F#é" , "n":[9007199254740993,1e400,-0,1.50], "s":"\ud83d","z":"a\u0000b"}`)},
			raws(`{"user_id":null}`, `{"user_id":""}`, `{"User_ID":"x"}`, `{}`, `7`, `"user_id"`, `[{"user_id":"nested"}]`)...),
			keyed(`last "wins" \`, `{"user_id":"esc\u0061p\u00e9","user_id":"last \"wins\" \\"}`), keyed("by escape", `{"\u0075ser_id":"by escape"}`))}},
		{"largest token", `{"users":[],"has_more":true,"continuation_token":9223372036854775807}`,
			envelope{more: sweep.Yes, hasToken: true, hasNext: true, next: 1<<63 - 1}},
		{"nulls", `{"users":[],"has_more":null,"continuation_token":null}`, envelope{hasToken: true}},
		{"of two lists the last", `{"users":null,"users":[{"user_id":"a"}]}`, envelope{rows: []sweep.Item{keyed("a", `{"user_id":"a"}`)}}},
		{"ids that are no text", `{"users":[{"user_id":"x\ud800y"},{"user_id":"\udc00"},{"user_id":"\ud83d\ud83d\ude00"},{"user_id":"a` + "\xff" + `"},{"user_id":7},{"user_id":"\u0000a"}]}`,
			envelope{rows: raws(`{"user_id":"x\ud800y"}`, `{"user_id":"\udc00"}`, `{"user_id":"\ud83d\ud83d\ude00"}`, `{"user_id":"a`+"\xff"+`"}`, `{"user_id":7}`, `{"user_id":"\u0000a"}`)}},
		{"ids that are", `{"users":[{"user_id":"\ud83d\ude00"},{"user_id":"\uFFFD"},{"user_id":"\\ud800"},{"user_id":"a\u0000"}]}`, envelope{rows: []sweep.Item{
			keyed("😀", `{"user_id":"\ud83d\ude00"}`), keyed("\ufffd", `{"user_id":"\uFFFD"}`), keyed(`\ud800`, `{"user_id":"\\ud800"}`), keyed("a\x00", `{"user_id":"a\u0000"}`)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeEnvelope([]byte(tt.body), "users", "user_id")
			if err != nil {
				t.Fatal(err)
			}
			if got.more != tt.want.more || got.hasNext != tt.want.hasNext || got.next != tt.want.next || got.hasToken != tt.want.hasToken {
				t.Errorf("got %+v", got)
			}
			if len(got.rows) != len(tt.want.rows) {
				t.Fatalf("%d rows, want %d", len(got.rows), len(tt.want.rows))
			}
			for i, want := range tt.want.rows {
				if got.rows[i].Key != want.Key || !bytes.Equal(got.rows[i].Raw, want.Raw) {
					t.Errorf("row %d: key %q, %s", i, got.rows[i].Key, got.rows[i].Raw)
				}
			}
		})
	}
}

// TestEnvelopeFaults: what is not a page is never read as far as it goes, and the reason quotes nothing of it.
func TestEnvelopeFaults(t *testing.T) {
	whole := string(read(t, "list_first.json"))
	tests := map[string]string{
		"":                                      "not JSON",
		" ":                                     "not JSON",
		"<!DOCTYPE html><p>canary":              "not JSON",
		`{"users":[{"user_id":"canary"}]`:       "not JSON",
		`{"users":[]}{"users":[]}`:              "not JSON",
		`{"users":[1,]}`:                        "not JSON",
		"null":                                  "not an object",
		`[{"user_id":"canary"}]`:                "not an object",
		`"users"`:                               "not an object",
		`{}`:                                    "without a list of users",
		`{"detail":"canary"}`:                   "without a list of users",
		`{"Users":[]}`:                          "without a list of users",
		`{"users":null}`:                        "without a list of users",
		`{"users":{"0":"canary"}}`:              "without a list of users",
		`{"users":[],"users":"canary"}`:         "without a list of users",
		`{"users":[],"has_more":"canary"}`:      "not a boolean",
		`{"users":[],"has_more":1}`:             "not a boolean",
		`{"users":[],"has_more":[true]}`:        "not a boolean",
		`{"users":[],"continuation_token":"7"}`: "not an integer",
		`{"users":[],"continuation_token":1.0}`: "not an integer",
		`{"users":[],"continuation_token":1e3}`: "not an integer",
		`{"users":[],"continuation_token":-1}`:  "not an integer",
		`{"users":[],"continuation_token":9223372036854775808}`: "not an integer",
		`{"users":[],"continuation_token":true}`:                "not an integer",
	}
	for n := range len(whole) - 2 {
		tests[whole[:n]] = "not JSON"
	}
	for body, want := range tests {
		_, err := decodeEnvelope([]byte(body), "users", "user_id")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", body, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "Jane")) {
			t.Errorf("%v quotes the body", err)
		}
	}
}

// jsonText draws the text of any JSON value, with white space and escapes as no encoder would choose them.
func jsonText(depth int) *rapid.Generator[string] {
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t ", "\r\n"})
	str := rapid.Custom(func(t *rapid.T) string {
		return `"` + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "é", `\"`, `\\`, `\u0041`, `\ud83d\ude00`, `\ud800`, "{", "}", "[", "]", ",", ":", `\n`, "users", "user_id"}), 0, 6).Draw(t, "parts"), "") + `"`
	})
	scalar := rapid.OneOf(str, rapid.SampledFrom([]string{"0", "-0", "1e400", "9007199254740993", "0.10", "true", "false", "null"}))
	if depth == 0 {
		return scalar
	}
	return rapid.Custom(func(t *rapid.T) string {
		inner := jsonText(depth - 1)
		sp := func() string { return space.Draw(t, "space") }
		var parts []string
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			return scalar.Draw(t, "scalar")
		case 1:
			for range rapid.IntRange(0, 3).Draw(t, "n") {
				parts = append(parts, sp()+inner.Draw(t, "element")+sp())
			}
			return "[" + sp() + strings.Join(parts, ",") + "]"
		}
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			parts = append(parts, sp()+str.Draw(t, "name")+sp()+":"+sp()+inner.Draw(t, "value")+sp())
		}
		return "{" + sp() + strings.Join(parts, ",") + "}"
	})
}

// TestRowsComeOutAsTheyWentIn: whatever the rows are and wherever in the envelope the list is.
func TestRowsComeOutAsTheyWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(jsonText(3), 0, 5).Draw(t, "rows")
		members := []string{`"users" : [ ` + strings.Join(rows, " ,\n") + ` ]`, `"other":` + jsonText(2).Draw(t, "other"), `"has_more":true`}
		members = rapid.Permutation(members).Draw(t, "order")
		e, err := decodeEnvelope([]byte("\n{"+strings.Join(members, ",")+"} "), "users", "user_id")
		if err != nil {
			t.Fatal(err)
		}
		if len(e.rows) != len(rows) || e.more != sweep.Yes {
			t.Fatalf("%d rows of %d", len(e.rows), len(rows))
		}
		for i, want := range rows {
			if string(e.rows[i].Raw) != want {
				t.Fatalf("row %d came out as %s, was %s", i, e.rows[i].Raw, want)
			}
		}
	})
}

// FuzzDecodeEnvelope compares with encoding/json: the same bodies are taken, with the same rows under the same keys.
func FuzzDecodeEnvelope(f *testing.F) {
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds: ", err)
	}
	for _, name := range names {
		f.Add(read(f, filepath.Base(name)))
	}
	f.Add([]byte(`{"users":[{"user_id":"\ud83d"},[[]],"\\\"",1e400]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := decodeEnvelope(body, "users", "user_id")
		want, ok := reference(body)
		if ok != (err == nil) {
			t.Fatalf("taken: %v, by encoding/json: %v", err, ok)
		}
		if !ok {
			return
		}
		if len(e.rows) != len(want) {
			t.Fatalf("%d rows, by encoding/json %d", len(e.rows), len(want))
		}
		for i, raw := range want {
			if !bytes.Equal(e.rows[i].Raw, raw) {
				t.Fatalf("row %d is %q, by encoding/json %q", i, e.rows[i].Raw, raw)
			}
			var row map[string]json.RawMessage
			var id string
			if json.Unmarshal(raw, &row) == nil {
				_ = json.Unmarshal(row["user_id"], &id)
			}
			usable := id != "" && id[0] != 0
			if key := e.rows[i].Key; key != id && (key != sweep.Unkeyed(raw) || usable && !strings.Contains(id, "\ufffd")) {
				t.Fatalf("row %d has the key %q, by encoding/json %q", i, key, id)
			}
		}
	})
}

// reference is decodeEnvelope by way of encoding/json.
func reference(body []byte) (rows []json.RawMessage, ok bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil || json.Unmarshal(m["users"], &rows) != nil || rows == nil {
		return nil, false
	}
	switch string(m["has_more"]) {
	case "", "null", "true", "false":
	default:
		return nil, false
	}
	token := string(m["continuation_token"])
	if token == "" || token == "null" {
		return rows, true
	}
	n, err := strconv.ParseInt(token, 10, 64)
	return rows, err == nil && n >= 0
}

func BenchmarkDecodeEnvelope(b *testing.B) {
	one := bytes.TrimSpace(read(b, "list_first.json"))
	row := one[len(`{"users":[`):bytes.LastIndex(one, []byte("]"))]
	body := []byte(`{"users":[` + strings.Repeat(string(row)+",", 99) + string(row) + `],"has_more":true,"continuation_token":100}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if e, err := decodeEnvelope(body, "users", "user_id"); err != nil || len(e.rows) != 100 {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodePage reads a page of 1,000 users of about 1.3 kB, as an organization has it whose list carries models.
func BenchmarkDecodePage(b *testing.B) {
	body := []byte(`{"users":[`)
	for i := range 1000 {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"user_id":"%08xd3d68613ea1bf2e9","org_id":"acme","email":"member%d@example.com","first_name":"지민","last_name":"O'Neill",`+
			`"role":"DefaultUserRole","updated_at":"2024-03-28T23:49:03.%06dZ","region_name":"eu-central-1","preferences":{"timezone":"America/New_York",`+
			`"preferred_language":"es","theme":"dark","conversations_visible_to_admins":true,"checkin_hour":%d,"notifications":{"email":true,"sms":true,`+
			`"quiet_hours":{"start":"22:00","end":"06:30"}},"text_scale":1.%d,"enable_response_recommendation":true,"nickname":null},`+
			`"additional_context":["walks \"before\" breakfast","progress 面談 weight lists wants lists humour%s","reminders with but coach travel naïve often"],`+
			`"user_models":[{"content":"pain after%s prefers is knee daughter summary lists weight running план","insight_ids":["0b1ad508f3cb185e%08x","c4fde54a07f7f3a3%08x"],`+
			`"dimensions":["adherence","stress"],"created_at":"2023-02-03T08:12:31.719620Z","updated_at":"2023-11-16T13:33:54.349326Z"},`+
			`{"content":"“plain” humour the wants weight after lists reminders sleep план","insight_ids":["586ffb10523056de%08x"],"dimensions":["stress"],`+
			`"created_at":"2023-01-23T17:10:22.916863Z","updated_at":"2023-03-21T08:06:25.847406Z"}]}`,
			i, i, i, i%24, i%90, strings.Repeat(" and sleep", i%7), strings.Repeat(" morning", i%5), i, i+1, i+2)
	}
	body = append(body, `],"has_more":true,"continuation_token":1000}`...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if e, err := decodeEnvelope(body, "users", "user_id"); err != nil || len(e.rows) != 1000 {
			b.Fatal(err)
		}
	}
}

package jsontext

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func members(object string) []string {
	var out []string
	Members([]byte(object), func(key, value []byte) { out = append(out, string(key)+"="+string(value)) })
	return out
}

func elements(array string) []string {
	var out []string
	Elements([]byte(array), func(value []byte) { out = append(out, string(value)) })
	return out
}

func TestWalk(t *testing.T) {
	tests := []struct {
		name, text string
		walk       func(string) []string
		want       []string
	}{
		{"empty object", " { } ", members, nil},
		{"empty array", "\n[\t]", elements, nil},
		{"white space", " {\n\"a\" : 1 ,\t\"b\":[ 1 , 2 ]\r}", members, []string{`"a"=1`, `"b"=[ 1 , 2 ]`}},
		{"numbers", `[1e400,-0,9007199254740993]`, elements, []string{"1e400", "-0", "9007199254740993"}},
		{"repeated keys", `{"a":1,"a":2}`, members, []string{`"a"=1`, `"a"=2`}},
		{"keys as written", `{"\u0061":null,"a\"b":true}`, members, []string{`"\u0061"=null`, `"a\"b"=true`}},
		{"braces in strings", `[{"a":"}]"},["]\\"],"\\\""]`, elements, []string{`{"a":"}]"}`, `["]\\"]`, `"\\\""`}},
		{"deep", "[" + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + ",0]", elements,
			[]string{strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.walk(tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("%q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestText(t *testing.T) {
	tests := []struct {
		raw, want string
		ok        bool
	}{
		{`"plain"`, "plain", true},
		{` "\u00e9\n\/\\\"" `, "é\n/\\\"", true},
		{`"\ud83d\ude00"`, "😀", true},
		{`"\uD83D\uDE00\u0000"`, "😀\x00", true},
		{`""`, "", true},
		{`"\ud83d"`, `\ud83d`, false},
		{`"\ud83dx"`, `\ud83dx`, false},
		{`"\ude00\ud83d\ude00"`, `\ude00😀`, false},
		{`"\ud83d\ud83d\ude00"`, `\ud83d😀`, false},
		{`"\ud83d\u0061"`, `\ud83da`, false},
		{"\"\xff\"", "", false},
		{`1`, "", false},
		{`null`, "", false},
		{`{"a":1}`, "", false},
	}
	for _, tt := range tests {
		if got, ok := Text([]byte(tt.raw)); got != tt.want || ok != tt.ok {
			t.Errorf("%s is %q, %v; want %q, %v", tt.raw, got, ok, tt.want, tt.ok)
		}
	}
}

func TestNames(t *testing.T) {
	for key, want := range map[string]bool{`"id"`: true, `"\u0069d"`: true, `"ID"`: false, `"i"`: false, `"idd"`: false, `"\ud83d"`: false} {
		if Names([]byte(key), "id") != want {
			t.Errorf("%s names id: %v", key, !want)
		}
	}
}

func TestKinds(t *testing.T) {
	for text, want := range map[string]string{"\n{}": "object", "[]": "array", "\n\"\"": "string", "null": "null", "1": "", "true": "", "": ""} {
		got := ""
		for kind, is := range map[string]func([]byte) bool{"object": IsObject, "array": IsArray, "string": IsString, "null": IsNull} {
			if is([]byte(text)) {
				got += kind
			}
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestTextInText: a JSON text that was put into a string comes out as it was.
func TestTextInText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inner := rapid.SliceOf(rapid.SampledFrom([]string{`"`, `\`, `/`, "\n", "\x00", "\u2028", "<", "é", "😀", `\ud83d`, "x", "\x7f"})).Draw(t, "inner")
		text := strings.Join(inner, "")
		outer, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendUnquoted([]byte("before "), outer); string(got) != "before "+text {
			t.Fatalf("%s came out as %q", outer, got)
		}
	})
}

// TestValid names what is told apart; FuzzJSONText looks for what is not named.
func TestValid(t *testing.T) {
	nested := func(n int, inner string) string { return strings.Repeat("[", n) + inner + strings.Repeat("]", n) }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n) + "0" + strings.Repeat("}", n) }
	valid := []string{
		"0", "-0", "10", "1.50", "-1.0e-10", "1E+400", "9007199254740993", " null\r\n\t", "true", "false", `""`, "{}", "[ ]", `{"a":1,"a":2}`, `{"":{"b":[{},[]]}}`,
		"\"\x7f\xff\xc0\x80\"", `"\ud83d \udc00\ud83d \u0000"`, `"\"\\\/\b\f\n\r\t\uAbCd"`, nested(10_000, ""), nested(9_999, "{}"), objects(10_000),
	}
	invalid := []string{
		"", " ", "\x00", "null\x00", "\x00null", "\ufeff{}", "\v1", "1\u00a0", "01", "-", "-01", "+1", ".5", "1.", "1.e1", "1e", "1e+", "0x10", "1_0", "NaN", "Infinity", "--1",
		"nul", "nulll", "Null", "tru", "True", "falsy", "{", "[", "}", "]", "[1,]", "[,1]", "[1 2]", "[1}", `{"a":1]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{a:1}`, `{1:1}`,
		`{"a"::1}`, `{null:1}`, `{"a":1 "b":2}`, "{}{}", "[][]", "1 2", `"`, `"\"`, `"\x41"`, `"\u12g4"`, `"\u123`, `"\u123"`, `"\'"`, `'a'`, "// c\n1", "[1/**/]",
		nested(10_001, ""), nested(10_000, "{}"), nested(10_000, "[0"), objects(10_001), nested(10_000, "")[1:], nested(20_000, "")[:20_000],
	}
	for _, text := range valid {
		if !Valid([]byte(text)) || !json.Valid([]byte(text)) || !skippable([]byte(text)) || !walkable([]byte(text)) {
			t.Errorf("%.40q (%d bytes) is not taken", text, len(text))
		}
	}
	for _, text := range invalid {
		if Valid([]byte(text)) || json.Valid([]byte(text)) || skippable([]byte(text)) || walkable([]byte(text)) {
			t.Errorf("%.40q (%d bytes) is taken", text, len(text))
		}
	}
}

// TestStringBytes: whichever byte it is and wherever in a string, as strings are passed eight bytes at a time.
func TestStringBytes(t *testing.T) {
	for _, filler := range []string{" ", "x", "\x80", "\xff", "!", "#", "[", "]"} {
		for at := range 18 {
			for c := range 256 {
				text := []byte(`["` + strings.Repeat(filler, at) + string([]byte{byte(c)}) + strings.Repeat(filler, 18-at) + `", "n"]`)
				if skippable(text) != json.Valid(text) {
					t.Fatalf("%q is taken: %v", text, skippable(text))
				}
			}
		}
	}
}

// walkable is Valid by a walk through all that nests, each level by a visit.
func walkable(text []byte) bool {
	s := Scan(text)
	walk(&s)
	return s.Whole()
}

// skippable is Valid by passing the value at once.
func skippable(text []byte) bool {
	s := Scan(text)
	s.Value()
	return s.Whole()
}

func walk(s *Scanner) {
	switch s.Peek() {
	case '{':
		s.Object(func([]byte) { walk(s) })
	case '[':
		s.Array(func() { walk(s) })
	default:
		s.Value()
	}
}

// FuzzJSONText compares with encoding/json: the same texts are valid, and fall into the same parts. Those that are not are walked without harm.
func FuzzJSONText(f *testing.F) {
	for _, seed := range []string{
		`{"users":[{"id":"a","n":1e400}],"total":1}`, "\ufeff[]", "[01,1.,-]", "\"\x00\x1f\"", `{"a":1,}`, "[[[1}]]", `{"\u00zz":"\x"}`, "null\x00", `[["a",null,-0.0],[]]`, `{"a":1,"a":{"\u0061":"\ud83d"}}`, `"\ud83d\ude00\\"`, " [1 , \"x\\\"y\" ]\n", `{`, `[1,]`, "\"\xff\"", "tru",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if Valid(text) != json.Valid(text) {
			t.Fatalf("valid: %v, by encoding/json %v", Valid(text), json.Valid(text))
		}
		if walkable(text) != json.Valid(text) || skippable(text) != json.Valid(text) {
			t.Fatalf("walked: %v, passed at once: %v, by encoding/json %v", walkable(text), skippable(text), json.Valid(text))
		}
		part := func(v []byte) {
			if !json.Valid(v) {
				t.Fatalf("%q is given out", v)
			}
		}
		Members(text, func(key, value []byte) { part(key); part(value) })
		Elements(text, part)
		if !json.Valid(text) {
			return
		}
		switch {
		case IsObject(text):
			var last map[string]json.RawMessage
			if err := json.Unmarshal(text, &last); err != nil {
				t.Fatal(err)
			}
			got := map[string][]byte{}
			Members(text, func(key, value []byte) {
				var name string
				if err := json.Unmarshal(key, &name); err != nil {
					t.Fatal(err)
				}
				got[name] = value
			})
			if len(got) != len(last) {
				t.Fatalf("%d names, by encoding/json %d", len(got), len(last))
			}
			for name, value := range last {
				if !bytes.Equal(got[name], value) {
					t.Fatalf("%q is %q, by encoding/json %q", name, got[name], value)
				}
			}
		case IsArray(text):
			var want []json.RawMessage
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			i := 0
			Elements(text, func(value []byte) {
				if i >= len(want) || !bytes.Equal(value, want[i]) {
					t.Fatalf("element %d is %q", i, value)
				}
				i++
			})
			if i != len(want) {
				t.Fatalf("%d elements, by encoding/json %d", i, len(want))
			}
		case IsString(text):
			var want string
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			got, ok := Text(text)
			if ok && got != want || !ok && !strings.Contains(want, "\ufffd") {
				t.Fatalf("the text is %q, exact %v; by encoding/json %q", got, ok, want)
			}
		}
	})
}

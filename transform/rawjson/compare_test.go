package rawjson

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCanonical(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"null", "z"}, {"true", "t"}, {"false", "f"}, {"-0", "n\x02-0"}, {"1.0", "n\x031.0"}, {`"é"`, "s\x02é"}, {`"\u00e9"`, "s\x02é"},
		{"[]", "ae"}, {"{}", "oe"}, {"[1,[2]]", "an\x011an\x012ee"},
		{`{ "b": 1, "a" : "x" }`, "os\x01as\x01xs\x01bn\x011e"},
		{`{"a":1,"\u0061":2}`, "os\x01an\x011s\x01an\x012e"},
		{"{", "x\x01{"}, {"", "x\x00"}, {"[1]]", "x\x04[1]]"},
	} {
		if got := string(AppendCanonical([]byte("before "), []byte(tt.in))); got != "before "+tt.want {
			t.Errorf("%s: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		name, older, newer string
		want               []string
	}{
		{"same bytes", `{"a":1}`, `{"a":1}`, nil},
		{"order, space and escapes", `{"a":1,"b":["x"]}`, `{ "b" : ["\u0078"], "\u0061":1 }`, nil},
		{"a member's value", `{"a":1,"b":2}`, `{"a":1,"b":3}`, []string{"$.b"}},
		{"a member more and one less", `{"a":1,"c":3}`, `{"b":2,"c":3}`, []string{"$.a", "$.b"}},
		{"nested", `{"a":{"b":{"c":1}}}`, `{"a":{"b":{"c":2}}}`, []string{"$.a.b.c"}},
		{"an element", `[1,2,3]`, `[1,0,3]`, []string{"$[1]"}},
		{"a member of an element", `{"x":[{"y z":1}]}`, `{"x":[{"y z":2}]}`, []string{`$.x[0]."y z"`}},
		{"array order", `[1,2]`, `[2,1]`, []string{"$[0]", "$[1]"}},
		{"length of an array", `{"a":[1]}`, `{"a":[1,2]}`, []string{"$.a"}},
		{"kind", `{"a":[]}`, `{"a":{}}`, []string{"$.a"}},
		{"null is a value", `{"a":null}`, `{}`, []string{"$.a"}},
		{"the text of a number", `{"a":1.0}`, `{"a":1}`, []string{"$.a"}},
		{"the sign of zero", `[-0]`, `[0]`, []string{"$[0]"}},
		{"scalars", `1`, `2`, []string{"$"}},
		{"a name twice, in another order", `{"a":1,"a":2}`, `{"a":2,"a":1}`, []string{"$.a"}},
		{"a name twice, one value changed", `{"a":1,"a":2,"b":1}`, `{"a":1,"a":3,"b":2}`, []string{"$.a", "$.b"}},
		{"a name twice, once now", `{"a":1,"a":1}`, `{"a":1}`, []string{"$.a"}},
		{"a name twice, one spelled otherwise", `{"a":1,"\u0061":{"b":2}}`, `{"\u0061":1,"a":{"b":2}}`, nil},
		{"a key spelled otherwise, and a value changed", `{"a":1,"b":1}`, `{"\u0061":1,"b":2}`, []string{"$.b"}},
		{"malformed", `{"a":1`, `{"a":1}`, []string{"$"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := AppendDiff(nil, "$", []byte(tt.older), []byte(tt.newer))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if back := AppendDiff(nil, "$", []byte(tt.newer), []byte(tt.older)); len(back) != len(got) {
				t.Errorf("the other way round: %q", back)
			}
		})
	}
	for _, v := range []string{"1", "null", "{}"} {
		if got := AppendDiff(nil, "$.x", nil, []byte(v)); !cmp.Equal(got, []string{"$.x"}) {
			t.Errorf("absent, then %s: %q", v, got)
		}
	}
	if got := AppendDiff([]string{"before"}, "$", nil, nil); !cmp.Equal(got, []string{"before"}) {
		t.Errorf("absent on both sides: %q", got)
	}
}

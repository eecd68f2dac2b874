package rawjson

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// walked is what Members or Elements yield, "key value" or "value" each.
func walked(v string) (out []string, err error) {
	out = []string{}
	if strings.HasPrefix(strings.TrimSpace(v), "{") {
		err = Members([]byte(v), func(key, value []byte) error { out = append(out, string(key)+" "+string(value)); return nil })
		return out, err
	}
	err = Elements([]byte(v), func(value []byte) error { out = append(out, string(value)); return nil })
	return out, err
}

func TestWalk(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"empty object", "{}", []string{}},
		{"empty array", " [ ] ", []string{}},
		{"order and duplicates stay", `{"b":1,"a":2,"b":3}`, []string{`"b" 1`, `"a" 2`, `"b" 3`}},
		{"white space round everything", "{ \"a\"\t:\r\n 1 ,\n\n\"b\" : [ 1 ,2,\t3 ] }", []string{`"a" 1`, `"b" [ 1 ,2,` + "\t3 ]"}},
		{"keys keep their escapes", `{"\u0061\"":1}`, []string{`"\u0061\"" 1`}},
		{"brackets in text", `["]","}[{","\"]"]`, []string{`"]"`, `"}[{"`, `"\"]"`}},
		{"backslashes before a quote", `["\\","\\\"","\\\\"]`, []string{`"\\"`, `"\\\""`, `"\\\\"`}},
		{"numbers stay text", `[-0,1e400,9007199254740993,1.10]`, []string{"-0", "1e400", "9007199254740993", "1.10"}},
		{"literals", `[true,false,null]`, []string{"true", "false", "null"}},
		{"nested", `[[],{},[{"a":[]}]]`, []string{"[]", "{}", `[{"a":[]}]`}},
		{"an empty key", `{"":{"":""}}`, []string{`"" {"":""}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := walked(tt.in)
			if d := cmp.Diff(tt.want, got); d != "" || err != nil {
				t.Errorf("%v\n%s", err, d)
			}
		})
	}
}

func TestWalkStopsAtWhatIsMalformed(t *testing.T) {
	for _, in := range []string{
		"", " ", "1", "{", "[", "{1:2}", `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{"a":1,2}`, `{"a":1 "b":2}`, "[1,]", "[1 2]", "[,1]", `["a]`,
		`["a\"]`, "[[1]", `[{"a":[}]`, `{"a`, `{"a\`, `{"a":"\`, "[}", "[1}", `{"a":1]`,
	} {
		if got, err := walked(in); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestWalkEndsWithTheCallersError(t *testing.T) {
	stop := errors.New("stop")
	seen := 0
	err := Elements([]byte(`[1,2,3]`), func([]byte) error {
		if seen++; seen == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || seen != 2 {
		t.Errorf("%v after %d", err, seen)
	}
}

func TestLen(t *testing.T) {
	for in, want := range map[string]int{"[]": 0, "[ 1,[2,3] ]": 2, "{}": -1, "[1": -1, "": -1, `"a"`: -1} {
		if got := Len([]byte(in)); got != want {
			t.Errorf("%s: %d, want %d", in, got, want)
		}
	}
}

func TestKindOf(t *testing.T) {
	for in, want := range map[string]Kind{
		"": Invalid, "x": Invalid, "\n1": Invalid, "null": Null, "true": Bool, "false": Bool, "-1": Number, "0": Number, "9e9": Number, `"a"`: String,
		"[": Array, "{": Object, "+1": Invalid, ".5": Invalid,
	} {
		if got := KindOf([]byte(in)); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
	if got := KindOf(Trim([]byte(" \r\n\t[1] \n"))); got != Array {
		t.Errorf("trimmed: %d", got)
	}
}

func TestUnquote(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		exact    bool
	}{
		{`""`, "", true},
		{`"a"`, "a", true},
		{`"a\u0000b"`, "a\x00b", true},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t", true},
		{`"\u00E9\u00e9é"`, "ééé", true},
		{`"\ud83d\ude00"`, "😀", true},
		{`"\uD83D\uDE00"`, "😀", true},
		{`"\ufffd"`, "\ufffd", true},
		{`"�"`, "\ufffd", true},
		{`"x\ud800y"`, "x\ufffdy", false},
		{`"\ude00\ud83d"`, "\ufffd\ufffd", false},
		{`"\ud83d\ud83d\ude00"`, "\ufffd😀", false},
		{`"\ud83d\u0041"`, "\ufffdA", false},
		{`"\ud83d\n"`, "\ufffd\n", false},
		{`"\ud83d"`, "\ufffd", false},
		{"\"a\xffb\"", "a\ufffdb", false},
		{"\"\xed\xa0\x80\"", "\ufffd\ufffd\ufffd", false},
		{"\"\\n\xff\"", "\n\ufffd", false},
		{`"\u12"`, "\ufffd12", false},
		{"\"\\é\"", "\ufffdé", false},
		{`"`, "", false},
		{"", "", false},
	} {
		got, exact := Unquote([]byte(tt.in))
		if got != tt.want || exact != tt.exact {
			t.Errorf("%q: %q, %t; want %q, %t", tt.in, got, exact, tt.want, tt.exact)
		}
	}
}

func TestSanitize(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"a":1}`, `{"a":1}`},
		{`"\\ud800"`, `"\\ud800"`}, // a backslash, then plain letters
		{`"\\\ud800"`, `"\\\ufffd"`},
		{`["\ud83d\ude00","😀"]`, `["\ud83d\ude00","😀"]`},
		{`["\uD83D","\udc00\ud800"]`, `["\ufffd","\ufffd\ufffd"]`},
		{`{"\ud800":1}`, `{"\ufffd":1}`},
		{"{\"a\": \"\xff\xfe\"}", "{\"a\": \"\ufffd\ufffd\"}"},
		{"\"\\ud800\xff\\n\"", "\"\\ufffd\ufffd\\n\""},
	} {
		got, exact := Sanitize([]byte(tt.in))
		if string(got) != tt.want || exact != (tt.in == tt.want) {
			t.Errorf("%q: %q, %t; want %q", tt.in, got, exact, tt.want)
		}
	}
	in := []byte(`["as it is","\ud83d\ude00"]`)
	if out, _ := Sanitize(in); &out[0] != &in[0] {
		t.Error("what needs no change was copied")
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{"é\x00": "é\x00", "a\xffb\xc3": `a\xffb\xc3`, "�": "�", "": ""} {
		if got := Printable([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestChild(t *testing.T) {
	for key, want := range map[string]string{
		`"a"`: "$.a", `"_a9"`: "$._a9", `"9a"`: `$."9a"`, `""`: `$.""`, `"a b"`: `$."a b"`, `"a.b"`: `$."a.b"`, `"$oid"`: `$."$oid"`, `"é"`: `$."é"`,
		`"\u0061"`: "$.a", `"we\"ird"`: `$."we\"ird"`, `"\u0000"`: `$."\u0000"`, `"a<b>&c"`: `$."a<b>&c"`, `"back\\slash"`: `$."back\\slash"`,
	} {
		if got := Child("$", []byte(key)); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{`"user_id"`: `"user_id"`, `"user\u005fid"`: `"user_id"`, `"a\"b"`: `"a"b"`, `""`: `""`} {
		if got := string(Plain([]byte(in))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

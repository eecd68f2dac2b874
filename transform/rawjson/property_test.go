package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// value is a JSON value as a test means it, before it is written down in one way or another.
type value struct {
	kind    Kind
	text    string // of a string; of a number or boolean as it is written
	values  []*value
	members []named
}

type named struct {
	key   string
	value *value
}

// pieces of text that readers stumble over; each is valid UTF-8.
var pieces = []string{"a", "A", "é", "e\u0301", "😀", "\x00", "\n", "\"", "\\", "/", "<&>", "\u2028", "\ufffd", "\u007f", " ", ".", "$", "[0]", "ud800", "\U0010ffff"}

var numbers = []string{
	"0", "-0", "0.0", "-0.0", "1", "-1", "1.0", "1.10", "1e0", "1E+2", "9007199254740993", "18446744073709551616", "1e400", "-1e-400",
	"0.30000000000000004", "123456789012345678901234567890.5",
}

func texts() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 5).Draw(t, "text"), "")
	})
}

// values are documents of at most depth levels. unique: no name occurs twice in an object.
func values(depth int, unique bool) *rapid.Generator[*value] {
	return rapid.Custom(func(t *rapid.T) *value {
		kinds := []Kind{Null, Bool, Number, String, Array, Object, Object}
		if depth == 0 {
			kinds = kinds[:4]
		}
		v := &value{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		switch v.kind {
		case Bool:
			v.text = strconv.FormatBool(rapid.Bool().Draw(t, "bool"))
		case Number:
			v.text = rapid.SampledFrom(numbers).Draw(t, "number")
		case String:
			v.text = texts().Draw(t, "string")
		case Array:
			v.values = rapid.SliceOfN(values(depth-1, unique), 0, 4).Draw(t, "array")
		case Object:
			names := rapid.SliceOfN(texts(), 0, 4)
			if unique {
				names = rapid.SliceOfNDistinct(texts(), 0, 4, rapid.ID)
			}
			for _, key := range names.Draw(t, "names") {
				v.members = append(v.members, named{key, values(depth-1, unique).Draw(t, "member")})
			}
		}
		return v
	})
}

// writer writes values down as r likes: any white space, any escapes, members in any order but for those of one name.
type writer struct {
	b bytes.Buffer
	r *rand.Rand
}

func written(v *value, seed uint64) []byte {
	w := writer{r: rand.New(rand.NewPCG(seed, 1))}
	w.value(v)
	return w.b.Bytes()
}

func (w *writer) space() {
	for w.r.IntN(4) == 0 {
		w.b.WriteByte(" \n\r\t"[w.r.IntN(4)])
	}
}

func (w *writer) value(v *value) {
	switch v.kind {
	case Null:
		w.b.WriteString("null")
	case String:
		w.string(v.text)
	case Array:
		w.list('[', ']', len(v.values), func(i int) { w.value(v.values[i]) })
	case Object:
		members := shuffled(v.members, w.r)
		w.list('{', '}', len(members), func(i int) {
			w.string(members[i].key)
			w.space()
			w.b.WriteByte(':')
			w.space()
			w.value(members[i].value)
		})
	default:
		w.b.WriteString(v.text)
	}
}

func (w *writer) list(open, end byte, n int, item func(int)) {
	w.b.WriteByte(open)
	for i := range n {
		if i > 0 {
			w.b.WriteByte(',')
		}
		w.space()
		item(i)
		w.space()
	}
	w.b.WriteByte(end)
}

// shuffled puts members in another order; those of one name keep theirs.
func shuffled(members []named, r *rand.Rand) []named {
	out := make([]named, 0, len(members))
	byName := map[string][]named{}
	for _, m := range members {
		byName[m.key] = append(byName[m.key], m)
	}
	for _, i := range r.Perm(len(members)) {
		key := members[i].key
		out = append(out, byName[key][0])
		byName[key] = byName[key][1:]
	}
	return out
}

func (w *writer) string(s string) {
	w.b.WriteByte('"')
	for _, c := range s {
		short := strings.IndexRune("\"\\/\b\f\n\r\t", c)
		switch {
		case short >= 0 && w.r.IntN(2) == 0:
			w.b.WriteByte('\\')
			w.b.WriteByte(`"\/bfnrt`[short])
		case c < 0x20 || c == '"' || c == '\\' || w.r.IntN(4) == 0:
			units := []rune{c}
			if c > 0xffff {
				units = []rune{0xd800 + (c-0x10000)>>10, 0xdc00 + (c-0x10000)&0x3ff}
			}
			for _, u := range units {
				fmt.Fprintf(&w.b, [2]string{`\u%04x`, `\u%04X`}[w.r.IntN(2)], u)
			}
		default:
			w.b.WriteRune(c)
		}
	}
	w.b.WriteByte('"')
}

// leaves are the places of a value that can be changed, with their paths.
type leaf struct {
	path string
	at   *value
}

func leaves(v *value, path string, out []leaf) []leaf {
	switch {
	case len(v.values) > 0:
		for i, e := range v.values {
			out = leaves(e, fmt.Sprintf("%s[%d]", path, i), out)
		}
	case len(v.members) > 0:
		for _, m := range v.members {
			key, _ := json.Marshal(m.key)
			out = leaves(m.value, Child(path, key), out)
		}
	default:
		out = append(out, leaf{path, v})
	}
	return out
}

// change makes another value of one that has nothing in it.
func change(t *rapid.T, v *value) {
	was := *v
	*v = *values(0, true).Filter(func(n *value) bool { return n.kind != was.kind || n.text != was.text }).Draw(t, "new value")
}

func TestWritingIsNoChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values(4, false).Draw(t, "value")
		seed := rapid.Uint64().Draw(t, "seed")
		a, b := written(v, seed), written(v, seed+1)
		if !json.Valid(a) || !json.Valid(b) {
			t.Fatalf("the test writes what is no JSON: %q, %q", a, b)
		}
		if !Equal(a, b) || !bytes.Equal(AppendCanonical(nil, a), AppendCanonical(nil, b)) {
			t.Fatalf("%s\n%s\nare not the same", a, b)
		}
		if d := AppendDiff(nil, "$", a, b); d != nil {
			t.Fatalf("%s\n%s\ndiffer in %q", a, b, d)
		}
	})
}

func TestAnyChangeIsAChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values(4, true).Draw(t, "value")
		seed := rapid.Uint64().Draw(t, "seed")
		before := written(v, seed)
		where := rapid.SampledFrom(leaves(v, "$", nil)).Draw(t, "leaf")
		change(t, where.at)
		after := written(v, seed+1)
		if Equal(before, after) {
			t.Fatalf("%s\n%s\nare the same", before, after)
		}
		if d := cmp.Diff([]string{where.path}, AppendDiff(nil, "$", before, after)); d != "" {
			t.Fatalf("%s\n%s\n%s", before, after, d)
		}
	})
}

func TestDiffIsEmptyIffEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values(2, false).Draw(t, "value")
		seed := rapid.Uint64().Draw(t, "seed")
		a := written(v, seed)
		if rapid.Bool().Draw(t, "change") {
			if l := leaves(v, "$", nil); len(l) > 0 {
				change(t, rapid.SampledFrom(l).Draw(t, "leaf").at)
			}
		}
		b := written(v, seed+1)
		equal, d := Equal(a, b), AppendDiff(nil, "$", a, b)
		if equal != (len(d) == 0) || equal != Equal(b, a) {
			t.Fatalf("%s\n%s\nequal %t, differences %q", a, b, equal, d)
		}
		seen := map[string]bool{}
		for _, p := range d {
			if seen[p] {
				t.Fatalf("%s\n%s\nnamed twice: %s", a, b, p)
			}
			seen[p] = true
		}
	})
}

func TestArrayOrderCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := &value{kind: Array, values: rapid.SliceOfNDistinct(values(1, true), 2, 5, func(v *value) string { return string(written(v, 0)) }).Draw(t, "elements")}
		a := written(v, 1)
		v.values[0], v.values[1] = v.values[1], v.values[0]
		x, y := AppendCanonical(nil, written(v.values[0], 1)), AppendCanonical(nil, written(v.values[1], 1))
		if b := written(v, 2); Equal(a, b) != bytes.Equal(x, y) {
			t.Fatalf("%s\n%s", a, b)
		}
	})
}

// What is written one after the other can be told apart: no encoding is the beginning of another's.
func TestCanonicalIsPrefixFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := AppendCanonical(nil, written(values(3, false).Draw(t, "a"), 1))
		b := AppendCanonical(nil, written(values(3, false).Draw(t, "b"), 1))
		if !bytes.Equal(a, b) && bytes.HasPrefix(a, b) {
			t.Fatalf("%q begins with %q", a, b)
		}
	})
}

func TestUnquoteIsEncodingJSONs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := texts().Draw(t, "text")
		q := written(&value{kind: String, text: s}, rapid.Uint64().Draw(t, "seed"))
		var want string
		if err := json.Unmarshal(q, &want); err != nil {
			t.Fatal(err)
		}
		if got, exact := Unquote(q); got != want || got != s || !exact {
			t.Fatalf("%s: %q, exact %t; want %q", q, got, exact, want)
		}
	})
}

// broken makes JSON with what encoding/json accepts and no text can hold.
func broken() *rapid.Generator[[]byte] {
	parts := []string{"a", `\ud83d`, `\ude00`, `\uD800`, `\\`, `\"`, `\n`, "\xff", "\xc3", "\xed\xa0\x80", "é", "😀", `\ufffd`, "ud800"}
	return rapid.Custom(func(t *rapid.T) []byte {
		s := `"` + strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 6).Draw(t, "parts"), "") + `"`
		around := rapid.SampledFrom([]string{"@", "[@]", "{@:1}", `{"k": @ }`}).Draw(t, "around")
		return []byte(strings.Replace(around, "@", s, 1))
	})
}

func TestSanitizeMakesJSONForEverybody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := broken().Draw(t, "json")
		if !json.Valid(in) {
			t.Fatalf("the test writes what is no JSON: %q", in)
		}
		out, exact := Sanitize(in)
		if !json.Valid(out) || !utf8.Valid(out) || exact != bytes.Equal(in, out) {
			t.Fatalf("%q: %q, exact %t", in, out, exact)
		}
		if again, exact := Sanitize(out); !exact || !bytes.Equal(again, out) {
			t.Fatalf("%q: %q, then %q", in, out, again)
		}
		var a, b any // encoding/json reads what no text can hold as U+FFFD, too
		if err := json.Unmarshal(in, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &b); err != nil || !cmp.Equal(a, b) {
			t.Fatalf("%q: %q reads %q, want %q, %v", in, out, b, a, err)
		}
	})
}

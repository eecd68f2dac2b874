package amigosql

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestLiteral(t *testing.T) {
	for text, want := range map[string]string{
		"":                   `''`,
		"user_12345":         `'user_12345'`,
		"a-b_c.d:e@f/g+h=i~": `'a-b_c.d:e@f/g+h=i~'`,
		"é😀 x":               `'é😀 x'`,
		"o'brien":            `('o' || chr(39) || 'brien')`,
		`\`:                  `chr(92)`,
		`\'`:                 `(chr(92) || chr(39))`,
		"${x}":               `(chr(36) || chr(123) || 'x' || chr(125))`,
		"a\x00\n":            `('a' || chr(0) || chr(10))`,
	} {
		if got := literal(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// FuzzLiteral: whatever an id is, its expression stands for it, and no character in it that means something in a literal of any dialect.
func FuzzLiteral(f *testing.F) {
	for _, seed := range []string{"", "user_1", "o'brien", `\' OR 1=1 --`, "${x}{{y}}`", "é\x00😀", "'||'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		expression := literal(text)
		if got, err := evaluate(expression); err != nil || got != text {
			t.Fatalf("%q is %s, which is %q, %v", text, expression, got, err)
		}
		for i, part := range strings.Split(expression, "'") {
			if inside := i%2 == 1; inside && strings.ContainsAny(part, "\\$`{}\"%;?&\x00\n") {
				t.Fatalf("%q is %s", text, expression)
			}
		}
	})
}

// TestQueriesAreWhatTheyMean: a query that is built for a stretch is read as that stretch.
func TestQueriesAreWhatTheyMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		end := func(name string) bound {
			return bound{rapid.StringN(0, 5, -1).Draw(t, name), rapid.Bool().Draw(t, name+" is closed")}
		}
		in, limit := stretch{after: end("after"), upTo: end("up to")}, rapid.IntRange(1, 1000).Draw(t, "limit")
		is := func(b bound, text *string) bool { return b.closed == (text != nil) && (text == nil || *text == b.id) }
		for _, text := range []string{pageQuery(allColumns, in, limit), countQuery(in)} {
			q, err := parse(text)
			if err != nil || !is(in.after, q.after) || !is(in.upTo, q.upTo) || q.count == q.ordered || !q.count && q.limit != limit {
				t.Fatalf("%s is read as %+v, %v", text, q, err)
			}
		}
	})
}

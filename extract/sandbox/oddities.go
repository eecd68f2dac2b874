package sandbox

import (
	"fmt"
	"strings"
)

// oddity is a person written by hand. One sits at every oddStride-th number from oddFirst on, until all have been seated,
// so that a small population has some and one of a few hundred has them all.
type oddity struct {
	first, last, email *string // nil: as the dice have it
	stats              *stats
	change             func(*person)
}

const (
	oddFirst  = 3
	oddStride = 7
)

func oddityOf(i uint32) *oddity {
	if i < oddFirst || (i-oddFirst)%oddStride != 0 || int((i-oddFirst)/oddStride) >= len(oddities) {
		return nil
	}
	return &oddities[(i-oddFirst)/oddStride]
}

// oddEmails finds those whose address does not hold their number.
var oddEmails = func() map[string]uint32 {
	found := make(map[string]uint32)
	for k, odd := range oddities {
		if odd.email != nil {
			found[*odd.email] = uint32(oddFirst + k*oddStride)
		}
	}
	return found
}()

func (o *oddity) name(who *identity) {
	for _, f := range []struct{ from, to *string }{{o.first, &who.first}, {o.last, &who.last}, {o.email, &who.email}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
}

func called(first, last string) oddity { return oddity{first: &first, last: &last} }

func addressed(email string) oddity { return oddity{email: &email} }

func talkedAt(last string) oddity { return oddity{stats: &stats{3, 17, last}} }

func writtenAt(updatedAt string) oddity {
	return oddity{change: func(p *person) { p.updatedAt = updatedAt }}
}

// preferring replaces the preferences. The text is part of this file: one that is no JSON object is a mistake here.
func preferring(text string) oddity {
	preferences, err := parseObject(text)
	if err != nil {
		panic(fmt.Sprintf("sandbox: oddity: %v", err))
	}
	return oddity{change: func(p *person) { p.preferences = preferences }}
}

func remembering(context ...string) oddity {
	return oddity{change: func(p *person) { p.context = context }}
}

// oddities stay within the specification's types; what is odd about each is what a careless reader does with it.
var oddities = []oddity{
	// Names: empty, blank, look-alikes of values, right to left, combining, joined emoji, quotes, line breaks.
	called("", ""),
	called("-", "-"),
	called(" padded ", "\u00a0\u2003\ufeff"),
	called("null", "NaN"),
	called("\u202eabc\u202c", "שָׁלוֹם"),
	called("👩🏽‍🚀", "👩‍👩‍👧‍👦"),
	called("e\u0301\u0323", "\u00e9"),
	called("Robert'); DROP TABLE users;--", "\"quoted\" $$ ${x} {{y}}"),
	called("line\nbreak", "tab\there"),
	called("Back\\slash", "<b>&amp;</b>"),
	called("x", strings.Repeat("Wolfeschlegelsteinhausen", 400)),
	called("\x7f\u0085", "\u2028\u2029"),
	// Addresses that differ in case alone.
	addressed("Same.Person@example.com"),
	addressed("same.person@example.com"),
	// Preferences: exact numbers, keys that collide once normalised, depth, length, escapes, white space, every type.
	preferring(`{}`),
	preferring(`{"timezone":null,"preferred_language":null}`),
	preferring(`{"timezone":"UTC","n":9007199254740993,"m":-9007199254740993}`),
	preferring(`{"timezone":"UTC","n":9223372036854775808,"m":18446744073709551616,"k":123456789012345678901234567890}`),
	preferring(`{"timezone":"UTC","a":0.30000000000000004,"b":1.10,"c":1.0e1,"d":0.1000000000000000055511151231257827}`),
	preferring(`{"timezone":"UTC","z":-0,"y":-0.0,"x":0e0}`),
	preferring(`{"timezone":"UTC","":1,"a.b":2,"a b":3,"select":4,"we\"ird":5,"Timezone":"x","$oid":6,"a_b":7,"a":{"b":8}}`),
	preferring(`{"timezone":"UTC","x":{"y":{"z":[{"w":null},[[]],true,"t"]}}}`),
	preferring(`{"timezone":"UTC","d":` + strings.Repeat("[", 31) + `{"deep":0}` + strings.Repeat("]", 31) + `}`),
	preferring(`{"timezone":"Europe\/Zurich","aé":"\u00E9\n\t\"\\\/\b\f\r","ok":"\ud83d\ude00"}`),
	preferring("{\"timezone\" :\n \"UTC\" , \"a\" : [ 1 ,2,\t3 ] ,\n\"e\" : { } , \"f\":[ ]}"),
	preferring(`{"timezone":"UTC","setting":"loud","list":[1],"maybe":null}`),
	preferring(`{"timezone":"UTC","setting":5,"list":{"x":null},"maybe":true}`),
	preferring(`{"timezone":"UTC","essay":"` + strings.Repeat("0123456789abcdef", 4096) + `"}`),
	// Contexts: names and values, colons, nothing but a colon, long.
	remembering("Name: value", "Also: with: colons", "no colon", ":", ": ", " lead", "Trail: "),
	remembering(strings.Repeat("A very long note. ", 4000)),
	remembering(),
	// Times: offsets, a leap day, no fraction and a long one, before 1970, in the year of the spaceship.
	talkedAt("2025-01-15T10:30:00+05:30"),
	talkedAt("2025-01-15T00:30:00.5-11:00"),
	talkedAt("2024-02-29T23:59:59+00:00"),
	writtenAt("2025-01-15T10:30:00.123456Z"),
	writtenAt("1969-12-31T23:59:59.999Z"),
	writtenAt("2025-01-15T10:30:00.000000000Z"),
	// Counts no 32 bits hold.
	{stats: &stats{1 << 33, 1<<53 + 1, "2025-06-01T00:00:00Z"}},
	// A role that get-roles does not know, insight ids as extended JSON, and models without dimensions or insights.
	{change: func(p *person) { p.role = "ffffffffffffffffffffffff" }},
	{change: func(p *person) {
		p.bare = true
		p.models = []userModel{{content: "x", insights: []string{"67fe9cca0e3bf2dbf54e4ef5", "67fe9cca0e3bf2dbf54e4ef6"}}, {content: ""}}
	}},
	{change: func(p *person) { p.bare, p.preferences = true, object{} }},
	{change: func(p *person) {
		p.secrets = []string{"ehr_token", "ehr_token_2"}
		p.variables = object{{"ehr_token", `"visible"`}, {"empty", `""`}, {"padded", `"  v  "`}, {"json", `"{\"a\":1}"`}}
	}},
}

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// requestBody reads a JSON object field by field and notes what is wrong with it. Fields nobody asks for are ignored, as
// pydantic ignores them.
type requestBody struct {
	fields map[string]json.RawMessage
	at     []any
	bad    *problems
}

// presence is what a field may lack.
type presence int

const (
	required presence = iota // there, and not null
	optional                 // absent, but not null
	nullable                 // absent or null
)

// readBody reads the body of a call. Where it is no object, every field is absent and the problem says so.
func readBody(c *call) (*requestBody, *problems) {
	body := &requestBody{at: []any{"body"}, bad: &problems{}}
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(c.body, &body.fields); {
	case len(c.body) == 0:
		body.bad.add("missing", "Field required", "body")
	case errors.As(err, &syntax):
		body.bad.add("json_invalid", "JSON decode error", "body", int(syntax.Offset))
	case err != nil || body.fields == nil:
		body.bad.add("model_attributes_type", "Input should be a valid dictionary or object to extract fields from", "body")
	}
	return body, body.bad
}

func (b *requestBody) add(kind, message string, at ...any) {
	b.bad.add(kind, message, append(slices.Clone(b.at), at...)...)
}

// raw is a field's JSON text; false where it is absent or null, which is noted where it may not be.
func (b *requestBody) raw(name string, p presence) (json.RawMessage, bool) {
	raw, there := b.fields[name]
	switch {
	case !there && p == required && b.fields != nil:
		b.add("missing", "Field required", name)
	case there && string(raw) == "null":
		if p != nullable {
			b.add("none_forbidden", "Input should not be null", name)
		}
		return nil, false
	}
	return raw, there
}

// read decodes a field into a value of its type; message says what it should have been.
func read[T any](b *requestBody, name string, p presence, kind, message string) (value T, given bool) {
	raw, there := b.raw(name, p)
	if !there {
		return value, false
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		b.add(kind, message, name)
		return value, false
	}
	return value, true
}

// text reads a string, stripped of white space at its ends, that passes the checks.
func (b *requestBody) text(name string, p presence, checks ...check) (string, bool) {
	v, given := read[string](b, name, p, "string_type", "Input should be a valid string")
	if !given {
		return "", false
	}
	v = strings.TrimSpace(v)
	b.verify(v, []any{name}, checks)
	return v, true
}

func (b *requestBody) verify(v string, at []any, checks []check) {
	for _, c := range checks {
		if kind, message := c(v); kind != "" {
			b.add(kind, message, at...)
		}
	}
}

func (b *requestBody) flag(name string, p presence) (value, given bool) {
	return read[bool](b, name, p, "bool_type", "Input should be a valid boolean")
}

// number reads an integer within bounds. most < 0: no upper bound.
func (b *requestBody) number(name string, otherwise, least, most int) int {
	n, given := read[int](b, name, optional, "int_type", "Input should be a valid integer")
	if !given {
		return otherwise
	}
	if kind, message := outside(n, least, most); kind != "" {
		b.add(kind, message, name)
	}
	return n
}

func (b *requestBody) email(name string, p presence) string {
	v, _ := b.text(name, p, isEmail)
	return v
}

func (b *requestBody) link(name string, p presence) string {
	v, _ := b.text(name, p, atLeast(1), atMost(2083), isLink)
	return v
}

// texts reads an array of strings, each passing the checks. most < 0: any number of them.
func (b *requestBody) texts(name string, p presence, most int, checks ...check) ([]string, bool) {
	list, given := read[[]string](b, name, p, "list_type", "Input should be a valid list of strings")
	if !given {
		return nil, false
	}
	if most >= 0 && len(list) > most {
		b.add("too_long", fmt.Sprintf("List should have at most %d items after validation, not %d", most, len(list)), name)
	}
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
		b.verify(list[i], []any{name, i}, checks)
	}
	return list, true
}

// dictionary reads an object of strings whose names pass the check, as an object of JSON strings sorted by name.
func (b *requestBody) dictionary(name string, most int, names check) object {
	given, _ := read[map[string]string](b, name, optional, "dict_type", "Input should be a valid dictionary of strings")
	if len(given) > most {
		b.add("too_long", fmt.Sprintf("Dictionary should have at most %d items after validation, not %d", most, len(given)), name)
	}
	out := object{}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		b.verify(key, []any{name, key, "[key]"}, []check{names})
		out = append(out, member{key, quoted(given[key])})
	}
	return out
}

// within is the body of an object in a field; false where it is absent or null.
func (b *requestBody) within(name string, p presence) (*requestBody, bool) {
	fields, given := read[map[string]json.RawMessage](b, name, p, "model_attributes_type", "Input should be a valid dictionary or object to extract fields from")
	return &requestBody{fields, append(slices.Clone(b.at), name), b.bad}, given
}

// list is the bodies of the objects in an array.
func (b *requestBody) list(name string) []*requestBody {
	items, _ := read[[]map[string]json.RawMessage](b, name, optional, "list_type", "Input should be a valid list of objects")
	out := make([]*requestBody, len(items))
	for i, fields := range items {
		out[i] = &requestBody{fields, append(slices.Clone(b.at), name, i), b.bad}
	}
	return out
}

// check says what is wrong with a text: pydantic's name of the error and its message; nothing where it is fine.
type check func(text string) (kind, message string)

func atLeast(n int) check {
	return func(text string) (string, string) {
		if utf8.RuneCountInString(text) >= n {
			return "", ""
		}
		return "string_too_short", fmt.Sprintf("String should have at least %d characters", n)
	}
}

func atMost(n int) check {
	return func(text string) (string, string) {
		if utf8.RuneCountInString(text) <= n {
			return "", ""
		}
		return "string_too_long", fmt.Sprintf("String should have at most %d characters", n)
	}
}

// matching takes a pattern as the specification writes it.
func matching(pattern string) check {
	compiled := regexp.MustCompile(pattern)
	return func(text string) (string, string) {
		if compiled.MatchString(text) {
			return "", ""
		}
		return "string_pattern_mismatch", "String should match pattern '" + pattern + "'"
	}
}

var (
	isVariableName = matching(`^[a-z_][a-z0-9_]+$`)
	isKeyterm      = matching(`^[a-z-]+( [a-z-]+){0,2}$`)
	isObjectID     = matching(`^[a-f0-9]{24}$`)
)

func isEmail(text string) (kind, message string) {
	parsed, err := mail.ParseAddress(text)
	if err == nil && parsed.Address == text && strings.Contains(text[strings.LastIndexByte(text, '@')+1:], ".") {
		return "", ""
	}
	return "value_error", "value is not a valid email address"
}

func isLink(text string) (kind, message string) {
	if u, err := url.Parse(text); err == nil && u.Scheme != "" && u.Host != "" {
		return "", ""
	}
	return "url_parsing", "Input should be a valid URL"
}

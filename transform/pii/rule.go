package pii

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// Action is what happens to a value.
type Action string

// The actions; see the package comment.
const (
	Drop Action = "drop"
	Mask Action = "mask"
	Hash Action = "hash"
)

// Rule is one rule as it is configured.
type Rule struct {
	Path   string `json:"path"` // a JSON path or the name of a column
	Action Action `json:"action"`
}

// String is path=action.
func (r Rule) String() string { return r.Path + "=" + string(r.Action) }

// ParseRule reads path=action. Its error is a phrase that says what is wrong.
func ParseRule(text string) (Rule, error) {
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		return Rule{}, errors.New("must be a path and an action, as in email=drop")
	}
	r := Rule{strings.TrimSpace(text[:at]), Action(strings.TrimSpace(text[at+1:]))}
	_, err := r.resolve()
	return r, err
}

// target is where a rule applies: one of its paths.
type target struct {
	steps []step
	mask  string // the stand-in for text
}

// step is one step of a path: into a member, into all members, or into all elements.
type step struct {
	kind stepKind
	key  string // of a member, its text
}

type stepKind uint8

const (
	member stepKind = iota
	members
	elements
)

// containers are paths that hold lists and objects by declaration.
var containers = map[string]bool{
	"$.preferences": true, "$.additional_context": true, "$.user_models": true, "$.user_stats": true, "$.nonsensitive_variables": true,
	"$.sensitive_variables": true, "$.memories": true, "$.memories[*]": true, "$.user_models[*]": true,
	"$.user_models[*].dimensions": true, "$.user_models[*].dimensions[*]": true, "$.user_models[*].insight_ids": true,
	"$.user_models[*].dimensions[*].tags": true, "$.memories[*].references": true,
}

const (
	maskedText = "***"
	maskedTime = "1970-01-01T00:00:00Z"
)

// resolve finds the places a rule is about, or why it cannot be.
func (r Rule) resolve() ([]target, error) {
	if r.Action != Drop && r.Action != Mask && r.Action != Hash {
		return nil, fmt.Errorf("%s: the action must be drop, mask or hash", r.Path)
	}
	paths, err := pathsOf(r.Path)
	if err != nil {
		return nil, err
	}
	var out []target
	for _, path := range paths {
		steps, err := parsePath(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Path, err)
		}
		if steps[0].kind != member {
			return nil, fmt.Errorf("%s: would take in user_id, which cannot be hidden", r.Path)
		}
		if path = spell(steps); path == "$.user_id" || path == "$.org_id" {
			return nil, fmt.Errorf("%s: cannot be hidden, not even hashed: requests, look-ups of deletions and the journal go by it", r.Path)
		}
		typ, declared := typeAt(path)
		t := target{steps, maskedText}
		if declared && typ.Kind == schema.Timestamp {
			t.mask = maskedTime
		}
		if r.Action == Hash && (containers[path] || declared && typ.Kind != schema.String && typ.Kind != schema.StringList && typ.Kind != schema.JSON) {
			return nil, fmt.Errorf("%s: a hash is text, and what is there is not: drop or mask it, or hash a path in it", r.Path)
		}
		out = append(out, t)
	}
	return out, nil
}

// pathsOf are the JSON paths that a rule's path or column stands for.
func pathsOf(name string) ([]string, error) {
	switch {
	case name == "":
		return nil, errors.New("names no path")
	case name == "_id" || name == "$._id": // the API spells it in two ways
		return []string{"$._id", "$.id"}, nil
	case name == "variables":
		return []string{"$.nonsensitive_variables.*"}, nil
	case strings.HasPrefix(name, "$"):
		return []string{name}, nil
	}
	table, column, found := strings.Cut(name, ".")
	if !found {
		table, column = schema.NameUsers, name
	}
	for _, t := range schema.Tables(schema.DeclaredPreferences, true) {
		if t.Name != table && (found || t.Name != schema.NameUsersFlat) {
			continue
		}
		if c, ok := t.Column(column); ok && strings.HasPrefix(c.Path, "$.") && !strings.Contains(c.Path, ", ") && c.Origin != schema.FromRole {
			return []string{c.Path}, nil
		}
	}
	return nil, fmt.Errorf("%s: is no column that comes from the API; write a JSON path, as $.preferences.nickname", name)
}

// typeAt is the type of the column that a path is declared for.
func typeAt(path string) (schema.Type, bool) {
	for _, t := range schema.Tables(schema.DeclaredPreferences, true) {
		for _, c := range t.Columns {
			if c.Path == path {
				return c.Type, true
			}
		}
	}
	return schema.Type{}, false
}

// parsePath splits a path into its steps, of which there is at least one.
func parsePath(path string) ([]step, error) {
	rest := strings.TrimPrefix(path, "$")
	var steps []step
	for rest != "" {
		var s step
		switch {
		case strings.HasPrefix(rest, "[*]"):
			s, rest = step{kind: elements}, rest[len("[*]"):]
		case strings.HasPrefix(rest, ".*"):
			s, rest = step{kind: members}, rest[len(".*"):]
		case strings.HasPrefix(rest, `."`):
			end := 2
			for end < len(rest) && rest[end] != '"' {
				if rest[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(rest) {
				return nil, errors.New("a quoted key does not end")
			}
			key, exact := rawjson.Unquote([]byte(rest[1 : end+1]))
			if !exact {
				return nil, errors.New("a quoted key that is no text")
			}
			s, rest = step{kind: member, key: key}, rest[end+1:]
		case strings.HasPrefix(rest, "."):
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			s, rest = step{kind: member, key: rest[1 : end+1]}, rest[end+1:]
			if s.key == "" {
				return nil, errors.New("a key is missing")
			}
		default:
			return nil, errors.New("must be a path such as $.preferences.nickname or $.user_models[*].content")
		}
		steps = append(steps, s)
	}
	if len(steps) == 0 {
		return nil, errors.New("names the whole record; name what is in it")
	}
	return steps, nil
}

// spell is a path in one spelling.
func spell(steps []step) string {
	path := "$"
	for _, s := range steps {
		switch s.kind {
		case member:
			path = rawjson.Child(path, quoted(s.key))
		case members:
			path += ".*"
		case elements:
			path += "[*]"
		}
	}
	return path
}

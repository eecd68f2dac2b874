package transform

import (
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// children adds the rows flattened from a user: context entries, models, their dimensions, variables.
func (b *Builder) children(r *Row, report func(Issue)) (counts, error) {
	n := counts{-1, -1}
	var err error
	if n.context, err = b.context(r, report); err != nil {
		return n, err
	}
	if n.models, err = b.models(r, report); err != nil {
		return n, err
	}
	return n, b.variables(r, report)
}

// each calls add for every element of an array; a value that is no array has none, and where it is none of null, an object (Freddy's
// context) or an array, that is an issue. It returns the number of elements, -1 for NULL.
func each(v []byte, at path, column string, report func(Issue), add func(i int, e []byte) error) (int64, error) {
	switch rawjson.KindOf(rawjson.Trim(v)) {
	case rawjson.Array:
	case rawjson.Invalid, rawjson.Null:
		return -1, nil
	default:
		report(Issue{Path: at.String(), Column: column, Reason: "not an array", Raw: v})
		return -1, nil
	}
	i := 0
	err := rawjson.Elements(v, func(e []byte) error {
		err := add(i, e)
		i++
		return err
	})
	return int64(i), err
}

func (b *Builder) context(r *Row, report func(Issue)) (int64, error) {
	if rawjson.KindOf(r.Context) == rawjson.Object { // Freddy's: one object, not a list of facts
		return -1, nil
	}
	t := b.tables[schema.NameUserContext]
	return each(r.Context, in("additional_context"), "num_context_entries", report, func(i int, e []byte) error {
		entry := string(e)
		if rawjson.KindOf(e) == rawjson.String {
			entry, _ = rawjson.Unquote(e)
		}
		name, value := splitEntry(entry)
		t.text(r.Org)
		t.str(r.UserID)
		t.int(int64(i), true)
		t.str(entry)
		t.text(name)
		t.text(value)
		return t.end()
	})
}

func (b *Builder) models(r *Row, report func(Issue)) (int64, error) {
	t, c := b.tables[schema.NameUserModels], cells{report: report}
	return each(r.Models, in("user_models"), "num_models", report, func(i int, m []byte) error {
		at := in("user_models").index(i)
		if rawjson.KindOf(m) != rawjson.Object {
			report(Issue{Path: at.String(), Column: "content", Reason: "not an object", Raw: m})
		}
		var content, insights, dimensions []byte
		if rawjson.KindOf(m) == rawjson.Object {
			_ = rawjson.Members(m, func(key, value []byte) error { // validated when it came
				switch string(rawjson.Plain(key)) {
				case `"content"`:
					content = value
				case `"insight_ids"`:
					insights = value
				case `"dimensions"`:
					dimensions = value
				}
				return nil
			})
		}
		t.text(r.Org)
		t.str(r.UserID)
		t.int(int64(i), true)
		c.put(t, content, "content", at.child("content"))
		t.list(ids(insights, at.child("insight_ids"), report))
		if err := t.end(); err != nil {
			return err
		}
		_, err := each(dimensions, at.child("dimensions"), "dimensions", report, func(j int, d []byte) error {
			return b.dimension(r, i, j, d, at.child("dimensions").index(j), report)
		})
		return err
	})
}

func (b *Builder) dimension(r *Row, model, position int, d []byte, at path, report func(Issue)) error {
	t, c := b.tables[schema.NameDimensions], cells{report: report}
	var description, tags []byte
	described := at
	switch rawjson.KindOf(d) {
	case rawjson.Object:
		described = at.child("description")
		_ = rawjson.Members(d, func(key, value []byte) error { // validated when it came
			switch string(rawjson.Plain(key)) {
			case `"description"`:
				description = value
			case `"tags"`:
				tags = value
			}
			return nil
		})
	case rawjson.String: // a dimension that is only named
		description = d
	default:
		report(Issue{Path: at.String(), Column: "description", Reason: "not an object", Raw: d})
	}
	t.text(r.Org)
	t.str(r.UserID)
	t.int(int64(model), true)
	t.int(int64(position), true)
	c.put(t, description, "description", described)
	c.putList(t, tags, "tags", at.child("tags"))
	return t.end()
}

// ids reads insight_ids.
func ids(v []byte, at path, report func(Issue)) []Text {
	if absent(v) {
		return nil
	}
	c := cells{report: report}
	out, i := []Text{}, 0
	if rawjson.KindOf(v) != rawjson.Array {
		c.issue("insight_ids", at, "not a list", v)
		return nil
	}
	_ = rawjson.Elements(v, func(e []byte) error { // v is valid
		out = append(out, c.id(e, "insight_ids", at.index(i)))
		i++
		return nil
	})
	return out
}

// id is an id as text: text, or MongoDB's {"$oid": text} (api/amigo.md §6.2).
func (c cells) id(v []byte, column string, at path) Text {
	inner := oid(v)
	if len(inner) == len(v) {
		return c.textAt(v, column, at)
	}
	return cells{report: func(i Issue) { c.issue(column, at, i.Reason, v) }}.textAt(inner, column, at)
}

// oid is the value of {"$oid": value}; any other value is itself.
func oid(v []byte) []byte {
	inner, members := v, 0
	if rawjson.KindOf(v) != rawjson.Object {
		return v
	}
	_ = rawjson.Members(v, func(key, value []byte) error { // v is valid
		members++
		if string(rawjson.Plain(key)) == `"$oid"` {
			inner = value
		}
		return nil
	})
	if members != 1 {
		return v
	}
	return inner
}

func (b *Builder) variables(r *Row, report func(Issue)) error {
	t, c := b.tables[schema.NameVariables], cells{report: report}
	add := func(name, value Text, sensitive bool) error {
		t.text(r.Org)
		t.str(r.UserID)
		t.text(name)
		t.text(value)
		t.bool(sensitive, true)
		return t.end()
	}
	names := func(v []byte, at path, sensitive bool) error {
		_, err := each(v, at, "name", report, func(i int, e []byte) error {
			return add(c.textAt(e, "name", at.index(i)), Text{}, sensitive)
		})
		return err
	}
	variables := in("nonsensitive_variables")
	if rawjson.KindOf(r.Extras.Variables) == rawjson.Object {
		err := rawjson.Members(r.Extras.Variables, func(key, value []byte) error {
			at := variables.member(key)
			return add(c.textAt(key, "name", at), c.textAt(value, "value", at), false)
		})
		if err != nil {
			return err
		}
	} else if err := names(r.Extras.Variables, variables, false); err != nil {
		return err // for an hour of 2026 these were a list of names (api/amigo.md §4.4)
	}
	return names(r.Extras.Sensitive, in("sensitive_variables"), true)
}

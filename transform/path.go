package transform

import (
	"strconv"

	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// path is where a value is in a record: names below the record, each with a place in a list behind it or none. It becomes text only where something is to
// be said of the value.
type path struct {
	steps [3]step // as deep as anything is flattened: $.user_models[0].dimensions[0].tags
	depth int
}

// step is a member, by its name or by the key as it stands in the record; at is the place in a list plus one, 0 where there is none.
type step struct {
	name string
	key  []byte
	at   int
}

// in is the path of a name below a record.
func in(name string) path { return path{}.child(name) }

// child is the path of a member.
func (p path) child(name string) path {
	p.steps[p.depth].name = name
	p.depth++
	return p
}

// member is the path of a member whose key may be anything.
func (p path) member(key []byte) path {
	p.steps[p.depth].key = key
	p.depth++
	return p
}

// index is the path of an element.
func (p path) index(i int) path {
	p.steps[p.depth-1].at = i + 1
	return p
}

// String is the path as the tables have it: $.user_models[0].content.
func (p path) String() string {
	text := "$"
	for _, s := range p.steps[:p.depth] {
		if s.key != nil {
			text = rawjson.Child(text, s.key)
		} else {
			text += "." + s.name
		}
		if s.at > 0 {
			text += "[" + strconv.Itoa(s.at-1) + "]"
		}
	}
	return text
}

package rawjson

import (
	"bytes"
	"math"
	"slices"
	"sync"
)

// maxDepth is how deep values may nest to be compared by what they say; no source takes deeper ones. It bounds the recursion over a
// document.
const maxDepth = 10_000

// document is a JSON text with an index of its values, so that what must look at every level of it reads the text once.
type document struct {
	text  []byte
	nodes []node   // every value before what it holds; in an object, each value after its key
	group []member // scratch: the members of the objects on the way to the value at hand
}

// node is one value of a document, or the key of a member.
type node struct {
	start, end uint32 // where it is in the text
	next       uint32 // the node behind it and all that it holds
	kind       Kind
}

var documents = sync.Pool{New: func() any { return new(document) }}

// read indexes text. ok is false where it is not one JSON value, as far as its nesting and punctuation tell, or too deep.
func read(text []byte) (d *document, ok bool) {
	d = documents.Get().(*document)
	d.text, d.nodes, d.group = text, d.nodes[:0], d.group[:0]
	if len(text) >= math.MaxUint32 || !d.index() {
		d.free()
		return nil, false
	}
	return d, true
}

// free gives the document's memory to the next one, but not that of a rare giant.
func (d *document) free() {
	const mostNodes, mostMembers = 1 << 16, 1 << 8
	if d.text = nil; cap(d.nodes) <= mostNodes && cap(d.group) <= mostMembers {
		clear(d.group[:cap(d.group)]) // its keys are slices of the text
		documents.Put(d)
	}
}

// index fills nodes. While a value is open, its next is the one that it is in.
func (d *document) index() bool {
	const outside = math.MaxUint32
	open, depth := uint32(outside), 0
	i := skipSpace(d.text, 0)
	for first := true; ; {
		if open != outside {
			parent := &d.nodes[open]
			var closed, ok bool
			if i, closed, ok = d.separator(i, parent.kind, first); !ok {
				return false
			}
			if closed {
				open, parent.end, parent.next = parent.next, uint32(i), uint32(len(d.nodes))
				depth--
				if open == outside {
					return skipSpace(d.text, i) == len(d.text)
				}
				first = false
				continue
			}
		}
		at := i
		kind := KindOf(d.text[i:])
		if kind == Array || kind == Object {
			d.nodes = append(d.nodes, node{start: uint32(i), next: open, kind: kind})
			open, first = uint32(len(d.nodes)-1), true
			if depth++; depth > maxDepth {
				return false
			}
			i++
			continue
		}
		var err error
		if i, err = skipValue(d.text, i); err != nil || kind == Invalid {
			return false
		}
		d.nodes = append(d.nodes, node{uint32(at), uint32(i), uint32(len(d.nodes) + 1), kind})
		if open == outside {
			return skipSpace(d.text, i) == len(d.text)
		}
		first = false
	}
}

// separator passes what stands between two values of an array or object: white space, a comma, the next member's key, which becomes a node,
// or the closing bracket.
func (d *document) separator(i int, in Kind, first bool) (next int, closed, ok bool) {
	end := byte(']')
	if in == Object {
		end = '}'
	}
	if i = skipSpace(d.text, i); i >= len(d.text) {
		return 0, false, false
	}
	if d.text[i] == end {
		return i + 1, true, true
	}
	if !first {
		if d.text[i] != ',' {
			return 0, false, false
		}
		if i = skipSpace(d.text, i+1); i >= len(d.text) {
			return 0, false, false
		}
	}
	if in == Array {
		return i, false, d.text[i] != end
	}
	if d.text[i] != '"' {
		return 0, false, false
	}
	at := i
	i, err := skipString(d.text, i)
	if err != nil {
		return 0, false, false
	}
	d.nodes = append(d.nodes, node{uint32(at), uint32(i), uint32(len(d.nodes) + 1), String})
	if i = skipSpace(d.text, i); i >= len(d.text) || d.text[i] != ':' {
		return 0, false, false
	}
	i = skipSpace(d.text, i+1)
	return i, false, i < len(d.text)
}

func (d *document) raw(n node) []byte { return d.text[n.start:n.end] }

// member is a member of an object: the text of its key, and the node of its value.
type member struct {
	key   []byte
	value uint32
}

// members appends the members of an object to the scratch, in the order of their keys' bytes; those of one name keep their order. It
// returns where they begin; whoever called cuts the scratch there again.
func (d *document) members(object uint32) (from int) {
	from = len(d.group)
	sorted := true
	for k := object + 1; k < d.nodes[object].next; k = d.nodes[k+1].next {
		key := d.raw(d.nodes[k])
		if bytes.IndexByte(key, '\\') < 0 {
			key = key[1 : len(key)-1]
		} else {
			key, _ = AppendUnquoted(nil, key)
		}
		if n := len(d.group); sorted && n > from {
			sorted = bytes.Compare(d.group[n-1].key, key) <= 0
		}
		d.group = append(d.group, member{key, k + 1})
	}
	if !sorted {
		slices.SortStableFunc(d.group[from:], func(a, b member) int { return bytes.Compare(a.key, b.key) })
	}
	return from
}

package rawjson

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// AppendDiff appends the paths at which two values differ, each below path. Objects are compared member by member, in the order of their
// keys, and arrays of one length element by element; anything else that differs is named whole. Where one name occurs several times and
// not all its values are the same, it is named once. No path is appended if and only if the values are Equal. nil stands for an absent
// value.
func AppendDiff(dst []string, path string, older, newer []byte) []string {
	switch {
	case older == nil && newer == nil:
		return dst
	case older == nil || newer == nil:
		return append(dst, path)
	case bytes.Equal(older, newer):
		return dst
	}
	a, okA := read(older)
	b, okB := read(newer)
	if okA && okB {
		c := comparison{a, b, dst}
		c.values(&step{key: []byte(path)}, 0, 0)
		dst = c.paths
	} else {
		dst = append(dst, path)
	}
	for _, d := range []*document{a, b} {
		if d != nil {
			d.free()
		}
	}
	return dst
}

// comparison collects the paths at which two documents differ.
type comparison struct {
	older, newer *document
	paths        []string
}

// step is one step of a path. Paths are put together only where something differs.
type step struct {
	in    *step
	key   []byte // the text of a member's key; the whole path, for the outermost
	index int    // in an array; -1 in an object
}

func (s *step) String() string {
	var steps []*step
	for ; s.in != nil; s = s.in {
		steps = append(steps, s)
	}
	var b strings.Builder
	b.Write(s.key)
	for _, s := range slices.Backward(steps) {
		if s.index >= 0 {
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		} else {
			b.WriteString(childStep(string(s.key)))
		}
	}
	return b.String()
}

func (c *comparison) values(at *step, older, newer uint32) {
	a, b := c.older.nodes[older], c.newer.nodes[newer]
	switch {
	case a.kind != b.kind:
	case a.kind == Object:
		c.objects(at, older, newer)
		return
	case a.kind == Array:
		if c.arrays(at, older, newer) {
			return
		}
	case sameScalar(c.older.raw(a), c.newer.raw(b), a.kind):
		return
	}
	c.paths = append(c.paths, at.String())
}

func sameScalar(a, b []byte, kind Kind) bool {
	return bytes.Equal(a, b) || bytes.Equal(appendScalar(nil, a, kind), appendScalar(nil, b, kind))
}

// arrays compares two arrays; false: they are not of one length.
func (c *comparison) arrays(at *step, older, newer uint32) bool {
	if c.older.len(older) != c.newer.len(newer) {
		return false
	}
	a, b := older+1, newer+1
	for s := (step{in: at}); a < c.older.nodes[older].next; s.index++ {
		c.values(&s, a, b)
		a, b = c.older.nodes[a].next, c.newer.nodes[b].next
	}
	return true
}

func (d *document) len(array uint32) (n int) {
	for e := array + 1; e < d.nodes[array].next; e = d.nodes[e].next {
		n++
	}
	return n
}

func (c *comparison) objects(at *step, older, newer uint32) {
	i, j := c.older.members(older), c.newer.members(newer)
	fromA, fromB := i, j
	endA, endB := len(c.older.group), len(c.newer.group)
	s := step{in: at, index: -1}
	for i < endA || j < endB {
		if j == endB || (i < endA && bytes.Compare(c.older.group[i].key, c.newer.group[j].key) <= 0) {
			s.key = c.older.group[i].key
		} else {
			s.key = c.newer.group[j].key
		}
		toA, toB := c.older.same(i, endA, s.key), c.newer.same(j, endB, s.key)
		c.name(&s, i, toA, j, toB)
		i, j = toA, toB
	}
	c.older.group, c.newer.group = c.older.group[:fromA], c.newer.group[:fromB]
}

// same is the end of the members that have this key, from i on.
func (d *document) same(i, end int, key []byte) int {
	for i < end && bytes.Equal(d.group[i].key, key) {
		i++
	}
	return i
}

// name compares the members of one name: [i, toA) of the older, [j, toB) of the newer.
func (c *comparison) name(at *step, i, toA, j, toB int) {
	if toA-i == 1 && toB-j == 1 {
		c.values(at, c.older.group[i].value, c.newer.group[j].value)
		return
	}
	n := len(c.paths)
	if toA-i == toB-j {
		for ; i < toA && len(c.paths) == n; i, j = i+1, j+1 {
			c.values(at, c.older.group[i].value, c.newer.group[j].value)
		}
		if len(c.paths) == n {
			return
		}
	}
	c.paths = append(c.paths[:n], at.String())
}

// Child is the path of a member: $.a.b; a key that is no plain word is quoted, as $."a b". Two spellings of one key have one path.
func Child(path string, quotedKey []byte) string {
	text, _ := Unquote(quotedKey)
	return path + childStep(text)
}

func childStep(key string) string {
	if key == "" {
		return `.""`
	}
	for i, c := range []byte(key) {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9' || i == 0) {
			return "." + quote(key)
		}
	}
	return "." + key
}

func quote(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil { // a string can always be written
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

package transform

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// Bounds on what the preferences of users may add to the table: a key that is data (a map by id, say) must not make a column each.
const (
	maxPreferenceColumns = 500
	maxPreferenceDepth   = 8
)

// Preferences learns the columns of users_flat that hold preferences: one for each path that ever held a value, typed so that every
// value fits exactly. Types only widen (BOOLEAN; BIGINT, DOUBLE, DECIMAL(38,s); VARCHAR; anything mixed is JSON), and a path keeps its
// column's name for ever. Documented paths have their documented type for good; what does not fit it is an Issue.
//
// It is not safe for concurrent use.
type Preferences struct {
	root    *prefNode
	columns []*prefColumn
	names   map[string]bool // taken column names
	objects int             // nodes made for objects
	dropped bool            // the bound on columns was met

	contract Contract
	settled  bool
	broken   []string // what the contract freezes, and would have to change
}

type prefNode struct {
	children map[string]*prefNode // by the key's text
	column   *prefColumn
}

// prefColumn is one learned or documented column.
type prefColumn struct {
	schema.Column
	declared bool
	typed    bool // Type is settled by a value; a column of nothing but nulls is not
	known    bool // the version before has it
	barred   bool // new, and the contract quarantines what is new: no column, its cells are issues
	seen     observed
	index    int
}

// observed is what the values of one run were like.
type observed struct {
	bools, strings, numbers, others bool
	notInt, notDouble               bool
	whole, scale                    int
}

// PriorColumn is a preference column as the version before had it.
type PriorColumn struct {
	Column   schema.Column
	Declared bool
	Typed    bool
}

// NewPreferences starts from the columns of the version before; the documented ones are always there.
func NewPreferences(prior []PriorColumn, contract Contract) *Preferences {
	p := &Preferences{root: &prefNode{}, names: map[string]bool{}, contract: contract}
	for _, c := range schema.DeclaredPreferences {
		p.add(c, true, true)
	}
	for _, c := range prior {
		if c.Declared || p.at(c.Column.Path).column != nil { // it may have been learned before it was documented
			continue
		}
		if p.names[c.Column.Name] {
			c.Column.Name = p.name(c.Column.Name, c.Column.Path)
		}
		p.add(c.Column, false, c.Typed).known = true
	}
	return p
}

func (p *Preferences) add(c schema.Column, declared, typed bool) *prefColumn {
	col := &prefColumn{Column: c, declared: declared, typed: typed, index: len(p.columns)}
	p.columns = append(p.columns, col)
	p.names[c.Name] = true
	p.at(c.Path).column = col
	return col
}

// at is the node of a path, which is made if need be.
func (p *Preferences) at(path string) *prefNode {
	n := p.root
	for _, key := range pathKeys(strings.TrimPrefix(path, "$.preferences")) {
		n = n.child(key)
	}
	return n
}

// pathKeys splits a path as rawjson.Child writes it.
func pathKeys(path string) []string {
	var keys []string
	for path != "" {
		path = path[1:] // the point
		if strings.HasPrefix(path, `"`) {
			end := 1
			for end < len(path) && path[end] != '"' {
				if path[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(path))
			key, _ := rawjson.Unquote([]byte(path[:end]))
			keys, path = append(keys, key), path[end:]
			continue
		}
		i := strings.IndexByte(path, '.')
		if i < 0 {
			i = len(path)
		}
		keys, path = append(keys, path[:i]), path[i:]
	}
	return keys
}

// child is the node of a member, which is made if need be.
func (n *prefNode) child(key string) *prefNode {
	c := n.children[key]
	if c == nil {
		if n.children == nil {
			n.children = map[string]*prefNode{}
		}
		c = &prefNode{}
		n.children[key] = c
	}
	return c
}

// descends tells whether a value at n is taken apart: an object is, but where a documented column of another type is declared (then it
// is a value that does not fit), or too deep.
func (n *prefNode) descends(value []byte, depth int) bool {
	declared := n != nil && n.column != nil && n.column.declared
	return rawjson.KindOf(value) == rawjson.Object && depth < maxPreferenceDepth && !declared
}

// lookup finds the child of a quoted key, nil where there is none, without allocating where the key has no escapes.
func (n *prefNode) lookup(quoted []byte) *prefNode {
	in := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(in, '\\') < 0 {
		return n.children[string(in)]
	}
	text, _ := rawjson.Unquote(quoted)
	return n.children[text]
}

// Learn takes in one user's preferences: any JSON value, nil where there is none.
func (p *Preferences) Learn(prefs []byte) {
	if rawjson.KindOf(prefs) == rawjson.Object {
		p.learn(p.root, nil, prefs, 1)
	}
}

// prefPlace is where in the preferences a value is: under a key of what is at another place, nil for the preferences themselves.
type prefPlace struct {
	in  *prefPlace
	key []byte // in its quotes
}

// path is that of the place, and joined what its column is named after.
func (w *prefPlace) path() (path, joined string) {
	if w == nil {
		return "$.preferences", "pref"
	}
	path, joined = w.in.path()
	text, _ := rawjson.Unquote(w.key)
	return rawjson.Child(path, w.key), joined + "_" + text
}

// learn takes in what an object at n has, in which most has been met before.
func (p *Preferences) learn(n *prefNode, at *prefPlace, obj []byte, depth int) {
	_ = rawjson.Members(obj, func(key, value []byte) error { // obj is valid
		c := n.lookup(key)
		nested := c.descends(value, depth)
		if c != nil && c.column != nil && !nested {
			c.column.seen.add(value)
			return nil
		}
		if p.full() && (c == nil || !nested) {
			p.dropped = true
			return nil
		}
		if nested {
			if c == nil {
				text, _ := rawjson.Unquote(key)
				c = n.child(text)
				p.objects++
			}
			p.learn(c, &prefPlace{at, key}, value, depth+1)
			return nil
		}
		path, joined := (&prefPlace{at, key}).path()
		col := p.add(schema.Column{
			Name: p.name(joined, path), Type: schema.T(schema.String), Origin: schema.FromList, Path: path,
			Comment: "Preference, learned from the data",
		}, false, false)
		col.seen.add(value)
		return nil
	})
}

// full tells whether nothing new is learned any more. The nodes of objects count too: they may hold nothing, and be many.
func (p *Preferences) full() bool {
	return len(p.columns) >= maxPreferenceColumns || p.objects >= maxPreferenceColumns*maxPreferenceDepth
}

// name is a column's name for a path: snake case; where it is taken, with a short hash of the path.
func (p *Preferences) name(joined, path string) string {
	plain := snake(joined)
	name, sum := plain, sha256.Sum256([]byte(path))
	for n := 4; p.names[name] && n <= len(sum); n += 4 {
		name = plain + "_" + hex.EncodeToString(sum[:n])
	}
	return name
}

// snake is text as a column name: letters and digits of any script in lower case, anything else an underscore.
func snake(text string) string {
	var b strings.Builder
	lower := false
	for _, r := range text {
		switch {
		case unicode.IsUpper(r):
			if lower {
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToLower(r))
			lower = false
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			b.WriteRune(unicode.ToLower(r)) // title case has no other test
			lower = unicode.IsLower(r) || unicode.IsDigit(r)
		default:
			b.WriteByte('_')
			lower = false
		}
	}
	const longest = 100
	return string([]rune(b.String())[:min(longest, len([]rune(b.String())))])
}

func (o *observed) add(v []byte) {
	switch rawjson.KindOf(v) {
	case rawjson.Null:
	case rawjson.Bool:
		o.bools = true
	case rawjson.String:
		o.strings = true
	case rawjson.Number:
		o.addNumber(number{v})
	default:
		o.others = true
	}
}

func (o *observed) addNumber(n number) {
	o.numbers = true
	if n.short() {
		o.whole = max(o.whole, len(n.text))
		return
	}
	if _, ok := n.int(); !ok {
		o.notInt = true
	}
	if !o.notDouble {
		if _, ok := n.double(); !ok {
			o.notDouble = true
		}
	}
	whole, scale := n.decimalSize()
	o.whole, o.scale = max(o.whole, whole), max(o.scale, scale)
}

// settle gives a column the narrowest type that holds what was and what is, as far as the contract lets it.
func (p *Preferences) settle(c *prefColumn) {
	o := c.seen
	if c.declared {
		return
	}
	if mode := p.contract.columns(c.Path); !c.known && mode != Evolve {
		if mode == Freeze {
			p.broken = append(p.broken, c.Path+" is new")
		}
		c.barred = true
		return
	}
	if !(o.bools || o.strings || o.numbers || o.others) {
		return
	}
	before := c.Type
	if c.typed {
		o.include(before)
	}
	now := o.fit()
	if mode := p.contract.types(c.Path); c.typed && now != before && mode != Evolve {
		if mode == Freeze {
			p.broken = append(p.broken, fmt.Sprintf("%s would have to become %s; it is %s", c.Path, now, before))
		}
		return // what does not fit is an issue
	}
	c.typed, c.Type = true, now
}

// include adds what a type may hold to what was observed.
func (o *observed) include(t schema.Type) {
	switch t.Kind {
	case schema.Bool:
		o.bools = true
	case schema.Int:
		o.numbers = true
	case schema.Double:
		o.numbers, o.notInt = true, true
	case schema.Decimal:
		o.numbers, o.notInt, o.notDouble = true, true, true
		o.scale = max(o.scale, int(t.Scale))
	case schema.String:
		o.strings = true
	default:
		o.others = true
	}
}

func (o observed) fit() schema.Type {
	families := 0
	for _, is := range []bool{o.bools, o.strings, o.numbers, o.others} {
		if is {
			families++
		}
	}
	switch {
	case families != 1 || o.others:
		return schema.T(schema.JSON)
	case o.bools:
		return schema.T(schema.Bool)
	case o.strings:
		return schema.T(schema.String)
	case !o.notInt:
		return schema.T(schema.Int)
	case !o.notDouble:
		return schema.T(schema.Double)
	case o.whole+o.scale <= 38:
		return schema.Type{Kind: schema.Decimal, Scale: int32(o.scale)}
	}
	return schema.T(schema.JSON)
}

// Widens tells whether what was learned so far would give a column of the version before another type.
func (p *Preferences) Widens() bool {
	return slices.ContainsFunc(p.columns, func(c *prefColumn) bool {
		o := c.seen
		if c.declared || !c.typed || !c.known || o == (observed{}) {
			return false
		}
		o.include(c.Type)
		return o.fit() != c.Type
	})
}

// Columns settles the types, once, and returns the columns: documented ones first, then in the order they were first seen.
func (p *Preferences) Columns() []PriorColumn {
	if !p.settled {
		p.settled = true
		for _, c := range p.columns {
			p.settle(c)
		}
	}
	var out []PriorColumn
	for _, c := range p.columns {
		if !c.barred {
			out = append(out, PriorColumn{Column: c.Column, Declared: c.declared, Typed: c.typed})
		}
	}
	return out
}

// Broken says what the contract freezes and this run's data would change; none where the run may publish.
func (p *Preferences) Broken() []string {
	p.Columns()
	return p.broken
}

// Full tells whether paths were left without a column because there are too many of them. The JSON column still has them.
func (p *Preferences) Full() bool { return p.dropped }

// cells puts each preference's value at its column's index; cells has one entry a column, nil on entry. Of a name that comes twice, the
// first counts, as in DuckDB.
func (p *Preferences) cells(prefs []byte, cells [][]byte) {
	if rawjson.KindOf(prefs) == rawjson.Object {
		p.fill(p.root, prefs, cells, 1)
	}
}

func (p *Preferences) fill(n *prefNode, obj []byte, cells [][]byte, depth int) {
	_ = rawjson.Members(obj, func(key, value []byte) error { // obj is valid
		c := n.lookup(key)
		if c == nil {
			return nil
		}
		if c.descends(value, depth) {
			p.fill(c, value, cells, depth+1)
			return nil
		}
		if c.column != nil && cells[c.column.index] == nil {
			cells[c.column.index] = value
		}
		return nil
	})
}

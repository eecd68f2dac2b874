package pii

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// minKey is the least length of a key, in bytes.
const minKey = 16

// Rules are rules ready to be applied. Nil has none. They are safe for concurrent use.
type Rules struct {
	root  *node
	rules []Rule
	key   []byte
	keyID string
	again bool
}

// node is what the rules say of the values at one path.
type node struct {
	action  Action // empty: only of what is below
	mask    string
	member  map[string]*node
	members *node
	element *node
}

// New makes rules. key is needed where one of them hashes; a key too short to keep a secret is refused. Where two rules are about one value, the
// one about the whole of it counts, and of two about the same path the stricter: drop, then mask.
func New(rules []Rule, key []byte) (*Rules, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	r := &Rules{root: &node{}, rules: slices.Clone(rules)}
	for _, rule := range rules {
		targets, err := rule.resolve()
		if err != nil {
			return nil, err
		}
		if rule.Action == Hash && r.keyID == "" {
			if len(key) < minKey {
				return nil, fmt.Errorf("%s: a hash needs a key of at least %d bytes (pii_key, $ROLLCALL_PII_KEY)", rule.Path, minKey)
			}
			r.key, r.keyID = key, keyID(key)
		}
		for _, t := range targets {
			r.root.add(t, rule.Action)
		}
	}
	return r, nil
}

// keyID is a fingerprint of a key.
func keyID(key []byte) string {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte("rollcall pii key id")) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil)[:4])
}

func (n *node) add(t target, a Action) {
	for _, s := range t.steps {
		n = n.below(s)
	}
	if n.action == "" || a == Drop || a == Mask && n.action == Hash {
		n.action, n.mask = a, t.mask
	}
}

func (n *node) below(s step) *node {
	next := &n.element
	switch s.kind {
	case member:
		if n.member == nil {
			n.member = map[string]*node{}
		}
		if n.member[s.key] == nil {
			n.member[s.key] = &node{}
		}
		return n.member[s.key]
	case members:
		next = &n.members
	}
	if *next == nil {
		*next = &node{}
	}
	return *next
}

// Rules are the rules as they were configured.
func (r *Rules) Rules() []Rule {
	if r == nil {
		return nil
	}
	return r.rules
}

// Again are the same rules for records that they may have been applied to already: a hash they made is not hashed again.
func (r *Rules) Again() *Rules {
	if r == nil {
		return nil
	}
	again := *r
	again.again = true
	return &again
}

// KeyID is the fingerprint of the key that hashes, empty where none does.
func (r *Rules) KeyID() string {
	if r == nil {
		return ""
	}
	return r.keyID
}

// Fingerprint tells rules apart: what it is equal for hides the same. It is empty for none.
func (r *Rules) Fingerprint() string {
	if r == nil {
		return ""
	}
	var texts []string
	for _, rule := range r.rules {
		texts = append(texts, rule.String())
	}
	slices.Sort(texts)
	if r.keyID != "" {
		texts = append(texts, "key="+r.keyID)
	}
	return strings.Join(slices.Compact(texts), " ")
}

// Record applies the rules to a list item or to the answer about a user's models, whose members are those of the item.
func (r *Rules) Record(raw []byte) []byte {
	if r == nil {
		return raw
	}
	return r.whole(r.root, raw)
}

// Memory applies the rules to one memory.
func (r *Rules) Memory(raw []byte) []byte {
	if r == nil || r.root.member["memories"] == nil {
		return raw
	}
	n := r.root.member["memories"]
	if n.action == "" {
		n = n.element
	}
	if n == nil {
		return raw
	}
	return r.whole(n, raw)
}

// whole applies a node to a record, which stays a record: one that is dropped, or no object, is masked.
func (r *Rules) whole(n *node, raw []byte) []byte {
	raw = rawjson.Trim(raw)
	if out, keep := r.value(nil, n, raw); keep {
		return out
	}
	return masked(raw, maskedText)
}

// At applies the rules to a value that a record has at a path, as issues name it ($.user_models[3].content). keep is false where it is dropped.
func (r *Rules) At(path string, raw []byte) (out []byte, keep bool) {
	if r == nil {
		return raw, true
	}
	nodes := []*node{r.root}
	for _, s := range indexed(path) {
		var next []*node
		for _, n := range nodes {
			next = n.matches(next, s)
		}
		for _, n := range next {
			if n.action != "" { // the value is within what the rule is about
				return r.value(nil, n, raw)
			}
		}
		nodes = next
	}
	return r.values(nil, nodes, raw)
}

// Hides tells whether a path leads into a value that the rules take away, names of its members included, where that value is, and what is
// done with it.
func (r *Rules) Hides(path string) (at string, action Action) {
	if r == nil {
		return path, ""
	}
	nodes, steps := []*node{r.root}, indexed(path)
	for i, s := range steps {
		var next []*node
		for _, n := range nodes {
			next = n.matches(next, s)
		}
		for _, n := range next {
			if n.action != "" {
				return spell(steps[:i+1]), n.action
			}
		}
		nodes = next
	}
	return path, ""
}

// matches appends the nodes that a named step leads to.
func (n *node) matches(to []*node, s step) []*node {
	next := []*node{n.element}
	if s.kind == member {
		next = []*node{n.member[s.key], n.members}
	}
	for _, m := range next {
		if m != nil {
			to = append(to, m)
		}
	}
	return to
}

// values appends what several nodes leave of a value, one after the other.
func (r *Rules) values(dst []byte, nodes []*node, v []byte) (_ []byte, keep bool) {
	for i, n := range nodes {
		if i == len(nodes)-1 {
			return r.value(dst, n, v)
		}
		if v, keep = r.value(nil, n, v); !keep {
			return dst, false
		}
	}
	return append(dst, v...), true
}

// value appends what the rules leave of a value; keep is false where that is nothing.
func (r *Rules) value(dst []byte, n *node, v []byte) (_ []byte, keep bool) {
	switch kind := rawjson.KindOf(v); {
	case n.action == Drop:
		return dst, false
	case kind == rawjson.Null:
		return append(dst, v...), true
	case n.action == Mask:
		return append(dst, masked(v, n.mask)...), true
	case n.action == Hash:
		return append(dst, r.hash(v)...), true
	case kind == rawjson.Object && n.element == nil:
		return r.object(dst, n, v)
	case kind == rawjson.Array && n.member == nil && n.members == nil:
		return r.array(dst, n, v)
	}
	return dst, false // not of the shape that the paths go through
}

func (r *Rules) object(dst []byte, n *node, v []byte) (_ []byte, keep bool) {
	start, touched := len(dst), false
	var found [2]*node
	dst = append(dst, '{')
	err := rawjson.Members(v, func(key, value []byte) error {
		before := len(dst)
		if before > start+1 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, key...), ':')
		text, _ := rawjson.Unquote(key)
		nodes := n.matches(found[:0], step{kind: member, key: text})
		touched = touched || len(nodes) > 0
		if dst, keep = r.values(dst, nodes, value); !keep {
			dst = dst[:before]
		}
		return nil
	})
	if err != nil {
		return dst[:start], false
	}
	if !touched {
		return append(dst[:start], v...), true
	}
	return append(dst, '}'), true
}

func (r *Rules) array(dst []byte, n *node, v []byte) (_ []byte, keep bool) {
	start := len(dst)
	if n.element == nil {
		return append(dst, v...), true
	}
	dst = append(dst, '[')
	err := rawjson.Elements(v, func(e []byte) error {
		before := len(dst)
		if before > start+1 {
			dst = append(dst, ',')
		}
		if dst, keep = r.value(dst, n.element, e); !keep {
			dst = dst[:before]
		}
		return nil
	})
	if err != nil {
		return dst[:start], false
	}
	return append(dst, ']'), true
}

func masked(v []byte, text string) []byte {
	switch rawjson.KindOf(v) {
	case rawjson.Number:
		return []byte("0")
	case rawjson.Bool:
		return []byte("false")
	case rawjson.Array:
		return []byte("[]")
	case rawjson.Object:
		return []byte("{}")
	case rawjson.Null:
		return []byte("null")
	}
	return quoted(text)
}

// hash is a value's HMAC as a JSON string.
func (r *Rules) hash(v []byte) []byte {
	prefix := "hmac:" + r.keyID + ":"
	if text, _ := rawjson.Unquote(v); r.again && rawjson.KindOf(v) == rawjson.String && len(text) == len(prefix)+2*sha256.Size && strings.HasPrefix(text, prefix) {
		return v
	}
	h := hmac.New(sha256.New, r.key)
	_, _ = h.Write(rawjson.AppendCanonical(nil, v)) // a hash takes everything
	return quoted(prefix + hex.EncodeToString(h.Sum(nil)))
}

func quoted(text string) []byte {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(fmt.Sprintf("pii: a text that is no JSON string: %v", err)) // every text is one
	}
	return raw
}

// indexed splits a path whose elements have their index: $.user_models[3].content. What is no path has no steps.
func indexed(path string) []step {
	var plain strings.Builder
	inKey := false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && inKey && i+1 < len(path):
			plain.WriteByte(c)
			i++
			plain.WriteByte(path[i])
			continue
		case c == '"':
			inKey = !inKey
		case c == '[' && !inKey:
			if end := strings.IndexByte(path[i:], ']'); end > 0 {
				plain.WriteString("[*]")
				i += end
				continue
			}
		}
		plain.WriteByte(path[i])
	}
	steps, err := parsePath(plain.String())
	if err != nil {
		return nil
	}
	return steps
}

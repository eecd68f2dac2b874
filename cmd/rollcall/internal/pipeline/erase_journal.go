package pipeline

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/extract/sweep"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// In a journal an erased user's place in the list stays taken, or no replay could count the rows: the item becomes a tombstone whose user_id is a
// pseudonym, and requests that named the user name the pseudonym. So a replay asks and counts as the run did, and leaves the tombstone
// out of the tables. Pseudonyms are keyed by run with a key that is thrown away. A row that had no usable user_id becomes a tombstone
// without one. Answers about the user alone are dropped.
const (
	pseudonymPrefix = "erased-"
	pseudonymLength = len(pseudonymPrefix) + 32
	tombstoneMark   = `{"erased":"`
)

// erased tells whether a journalled row is a tombstone.
func erased(i sweep.Item) bool {
	return len(i.Key) == pseudonymLength && strings.HasPrefix(i.Key, pseudonymPrefix) || bytes.HasPrefix(i.Raw, []byte(tombstoneMark))
}

// journalEraser takes users out of the journal of one run.
type journalEraser struct {
	run      string
	key      []byte
	opener   *journal.Identity   // opens the journal where it is encrypted; nil: there is none
	users    map[string][]string // user_id → organizations
	mentions *needles
	restart  bool                             // the run is unfinished: its sweep is to begin anew
	look     bool                             // change nothing
	found    func(id identity, record []byte) // called for whoever is found, with the record or nil; may be nil
	touched  int64
}

// entry is the edit of journal.Rewrite.
func (x *journalEraser) entry(e journal.Entry) (journal.Entry, bool, error) {
	if e.Note != "" {
		return e, true, nil
	}
	out, keep := x.answer(e)
	if x.look {
		return e, true, nil
	}
	return out, keep, nil
}

func (x *journalEraser) answer(e journal.Entry) (journal.Entry, bool) {
	before := x.touched
	if x.restart && isSweep(e.Call.Kind) {
		return e, false
	}
	for _, segment := range strings.Split(e.Call.Path, "/") {
		if id, err := url.PathUnescape(segment); err == nil && segment != "" && x.is(e.Call, id) {
			x.hit(e.Call, id, nil)
			return e, false
		}
	}
	if !e.Usable && len(e.Answer.Body) > 0 && (!json.Valid(e.Answer.Body) || x.mentions.in(e.Answer.Body)) {
		x.touched++ // a torn answer that nobody used may hold anybody
		return e, false
	}
	e.Call.Query = x.query(e.Call)
	e.Call.Body = x.request(e.Call)
	if isSweep(e.Call.Kind) || e.Call.Kind == extract.KindFreddyBatch || e.Call.Kind == extract.KindFreddyGet {
		if body := x.value(nil, e.Call, rawjson.Trim(e.Answer.Body), 0); x.touched > before {
			e.Answer.Body = body
		}
	}
	return e, true
}

func isSweep(k extract.Kind) bool {
	return k == extract.KindList || k == extract.KindLookup || k == extract.KindSQL || k == extract.KindFreddyList
}

func isFreddy(k extract.Kind) bool {
	return k == extract.KindFreddyList || k == extract.KindFreddyBatch || k == extract.KindFreddyGet
}

// is tells whether an id in an answer to the call is one to erase. Freddy's ids are unique beyond organizations.
func (x *journalEraser) is(c extract.Call, id string) bool {
	orgs, ok := x.users[id]
	if !ok || isFreddy(c.Kind) {
		return ok
	}
	for _, org := range orgs {
		if org == c.Org || org == "" {
			return true
		}
	}
	return false
}

func (x *journalEraser) hit(c extract.Call, id string, record []byte) {
	x.touched++
	if x.found != nil {
		x.found(identity{c.Org, id}, record)
	}
}

func (x *journalEraser) pseudonym(c extract.Call, id string) string {
	return pseudonymPrefix + hex.EncodeToString(keyed(x.key, x.run, c.Org, id)[:16])
}

// query is the call's query with pseudonyms for the users it names.
func (x *journalEraser) query(c extract.Call) url.Values {
	out := url.Values{}
	named := false
	for name, values := range c.Query {
		for _, v := range values {
			if x.is(c, v) {
				x.hit(c, v, nil)
				named, v = true, x.pseudonym(c, v)
			}
			out[name] = append(out[name], v)
		}
	}
	if !named {
		return c.Query
	}
	return out
}

// request is the call's body with pseudonyms for the users it names, be it as JSON strings or as SQL literals.
func (x *journalEraser) request(c extract.Call) []byte {
	out := c.Body
	if len(out) == 0 {
		return out
	}
	for id := range x.users {
		if !x.is(c, id) {
			continue
		}
		for _, quote := range []string{`"`, `'`} {
			old := []byte(quote + inJSON(id, quote) + quote)
			if !bytes.Contains(out, old) {
				continue
			}
			x.hit(c, id, nil)
			out = bytes.ReplaceAll(out, old, []byte(quote+x.pseudonym(c, id)+quote))
		}
	}
	return out
}

// inJSON is a text as it stands between quotes in a JSON document: itself a JSON string, or an SQL literal within one.
func inJSON(text, quote string) string {
	if quote == `'` {
		text = strings.ReplaceAll(text, `'`, `''`)
	}
	raw, err := json.Marshal(text)
	if err != nil {
		return text
	}
	return string(raw[1 : len(raw)-1])
}

// envelopeDepth is how deep below an answer's top the lists are that it is made of.
const envelopeDepth = 4

// value appends a value of an answer to dst, users replaced by tombstones and all other bytes as they are. Only what answers are made of is
// looked into: objects down to lists, and the rows of those. What is in the record of somebody else is that user's.
func (x *journalEraser) value(dst []byte, c extract.Call, v []byte, depth int) []byte {
	if depth > envelopeDepth {
		return append(dst, v...)
	}
	switch rawjson.KindOf(v) {
	case rawjson.Object:
		if t := x.record(c, v, false); t != nil {
			return append(dst, t...)
		}
		at := 0
		_ = rawjson.Members(v, func(key, value []byte) error { // what is malformed was dropped
			if id, ok := x.named(c, key); ok {
				x.hit(c, id, value)
				dst = append(dst, v[at:offset(v, key)]...)
				dst = append(append(dst, '"'), x.pseudonym(c, id)...)
				dst = append(append(dst, `":`...), x.tombstone(c, id, "user_id")...)
			} else {
				dst = x.value(append(dst, v[at:offset(v, value)]...), c, value, depth+1)
			}
			at = offset(v, value) + len(value)
			return nil
		})
		return append(dst, v[at:]...)
	case rawjson.Array:
		at := 0
		_ = rawjson.Elements(v, func(e []byte) error {
			dst = x.row(append(dst, v[at:offset(v, e)]...), c, e)
			at = offset(v, e) + len(e)
			return nil
		})
		return append(dst, v[at:]...)
	}
	return append(dst, v...)
}

// row appends an element of a list.
func (x *journalEraser) row(dst []byte, c extract.Call, v []byte) []byte {
	switch rawjson.KindOf(v) {
	case rawjson.Object:
		if t := x.record(c, v, true); t != nil {
			return append(dst, t...)
		}
	case rawjson.String: // a list of ids
		if id, ok := x.named(c, v); ok {
			x.hit(c, id, nil)
			return append(append(append(dst, '"'), x.pseudonym(c, id)...), '"')
		}
	case rawjson.Array: // a row of cells
		if t := x.cells(c, v); t != nil {
			return append(dst, t...)
		}
	}
	return append(dst, v...)
}

// record is the tombstone of an object that is a user's record, nil where it is none.
func (x *journalEraser) record(c extract.Call, v []byte, row bool) []byte {
	var id, key string
	isKeyed := false
	_ = rawjson.Members(v, func(k, value []byte) error {
		name := string(rawjson.Plain(k))
		if name != `"user_id"` && name != `"id"` || rawjson.KindOf(value) != rawjson.String {
			return nil
		}
		if name == `"user_id"` || isFreddy(c.Kind) {
			isKeyed = len(value) > 2
		}
		if found, ok := x.named(c, value); ok {
			id, key = found, name[1:len(name)-1]
		}
		return nil
	})
	switch {
	case key != "":
		x.hit(c, id, v)
		return x.tombstone(c, id, key)
	case row && !isKeyed && x.mentions.in(v):
		x.touched++
		sum := keyed(x.key, x.run, string(v))
		return append(append([]byte(tombstoneMark), hex.EncodeToString(sum[:16])...), `"}`...)
	}
	return nil
}

func (x *journalEraser) tombstone(c extract.Call, id, key string) []byte {
	p := x.pseudonym(c, id)
	return []byte(tombstoneMark + strings.TrimPrefix(p, pseudonymPrefix) + `","` + key + `":"` + p + `"}`)
}

// cells is the tombstone of a row of cells that is a user's: nothing but the pseudonym where the id was.
func (x *journalEraser) cells(c extract.Call, v []byte) []byte {
	out, hit := []byte{'['}, false
	_ = rawjson.Elements(v, func(e []byte) error {
		if len(out) > 1 {
			out = append(out, ',')
		}
		if id, ok := x.named(c, e); ok {
			x.hit(c, id, nil)
			out, hit = append(append(append(out, '"'), x.pseudonym(c, id)...), '"'), true
			return nil
		}
		out = append(out, "null"...)
		return nil
	})
	if !hit {
		return nil
	}
	return append(out, ']')
}

// named is the id that a JSON string is, where it is one to erase.
func (x *journalEraser) named(c extract.Call, v []byte) (string, bool) {
	if rawjson.KindOf(v) != rawjson.String {
		return "", false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		if _, ok := x.users[string(v[1:len(v)-1])]; !ok {
			return "", false
		}
	}
	id, _ := rawjson.Unquote(v)
	return id, x.is(c, id)
}

// offset is where part, a slice of whole, begins.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// rewrite takes the users out of the journal in dir and returns the answers touched.
func (x *journalEraser) rewrite(ctx context.Context, dir string) (int64, error) {
	x.touched = 0
	_, err := journal.Rewrite(ctx, dir, x.entry, x.opener)
	return x.touched, err
}

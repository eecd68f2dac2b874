package amigo

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/rollcall-data/rollcall/extract/internal/jsontext"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// envelope is a page of anything: {"users": [...], "has_more": bool, "continuation_token": integer or null} (api/amigo.md §2.2, §3.7).
type envelope struct {
	rows     []sweep.Item
	more     sweep.Tri
	next     int64
	hasNext  bool
	hasToken bool // the continuation_token key is there, be it null: the server speaks tokens
}

// decodeEnvelope reads a page whose rows are under the key array and known by their member id; with id "" rows have no key. Rows alias
// body. Its errors name no content.
func decodeEnvelope(body []byte, array, id string) (envelope, error) {
	s := jsontext.Scan(body)
	if s.Peek() != '{' && jsontext.Valid(body) {
		return envelope{}, errors.New("JSON that is not an object")
	}
	var e envelope
	var more, token []byte
	found := false
	s.Object(func(key []byte) {
		switch {
		case jsontext.Names(key, array):
			if found = s.Peek() == '['; found {
				e.rows = rows(&s, id)
				return
			}
			s.Value()
		case jsontext.Names(key, "has_more"):
			more = s.Value()
		case jsontext.Names(key, "continuation_token"):
			token = s.Value()
		default:
			s.Value()
		}
	})
	if !s.Whole() { // only now it is known: the walk is what checks
		return envelope{}, fmt.Errorf("%d bytes that are not JSON, or not all of it", len(body))
	}
	if !found {
		return envelope{}, fmt.Errorf("an object without a list of %s", array)
	}
	if err := errors.Join(e.setMore(more), e.setToken(token)); err != nil {
		return envelope{}, err
	}
	return e, nil
}

// rows walks the array that comes next.
func rows(s *jsontext.Scanner, id string) []sweep.Item {
	var out []sweep.Item
	s.Array(func() {
		if id == "" {
			raw := s.Value()
			out = append(out, sweep.Item{Key: sweep.Unkeyed(raw), Raw: raw})
			return
		}
		raw, name := s.ValueWith(id)
		out = append(out, sweep.Item{Key: rowKey(name, raw), Raw: raw})
	})
	return out
}

// rowKey is the key of a row with that identifier as it is written. Usable is a string that is not empty, is Unicode text and does not
// begin with a NUL, which marks the keys of rows that have none.
func rowKey(id, raw []byte) string {
	if v, ok := jsontext.Text(id); ok && v != "" && v[0] != 0 {
		return v
	}
	return sweep.Unkeyed(raw)
}

// setMore takes has_more: a boolean. A null says as little as a missing key.
func (e *envelope) setMore(raw []byte) error {
	switch string(raw) {
	case "", "null":
		e.more = sweep.Unknown
	case "true":
		e.more = sweep.Yes
	case "false":
		e.more = sweep.No
	default:
		return errors.New("a has_more that is not a boolean")
	}
	return nil
}

// setToken takes continuation_token: an integer of 64 bits, or null. Its digits never pass through a floating-point number.
func (e *envelope) setToken(raw []byte) error {
	e.hasToken = raw != nil
	if raw == nil || string(raw) == "null" {
		return nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 {
		return errors.New("a continuation_token that is not an integer of 0 or more")
	}
	e.next, e.hasNext = n, true
	return nil
}

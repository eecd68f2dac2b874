package freddy

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/rollcall-data/rollcall/extract/internal/jsontext"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// page is a page of the list or of the members. Its items alias the answer.
type page struct {
	items    []sweep.Item
	total    int64 // rows of the whole list
	hasTotal bool
}

// more says whether rows follow those of a page behind skip others.
func (p page) more(skip int64) sweep.Tri {
	switch {
	case !p.hasTotal:
		return sweep.Unknown
	case skip+int64(len(p.items)) < p.total:
		return sweep.Yes
	}
	return sweep.No
}

var errNoObject = errors.New("JSON that is not an object")

func notJSON(body []byte) error {
	return fmt.Errorf("%d bytes that are not JSON, or not all of it", len(body))
}

func checkObject(body []byte) error {
	if !jsontext.Valid(body) {
		return notJSON(body)
	}
	if !jsontext.IsObject(body) {
		return errNoObject
	}
	return nil
}

// decodeList reads a page of the list: a bare array (api/freddy.md §3).
func decodeList(body []byte) (page, error) {
	s := jsontext.Scan(body)
	if s.Peek() != '[' && jsontext.Valid(body) {
		return page{}, errors.New("JSON that is not an array of users")
	}
	items := itemsOf(&s, "id")
	if !s.Whole() { // only now it is known: the walk is what checks
		return page{}, notJSON(body)
	}
	return page{items: items}, nil
}

// decodeMembers reads a page of members in either of the generations (api/freddy.md §6).
func decodeMembers(body []byte) (page, error) {
	s := jsontext.Scan(body)
	if s.Peek() != '{' && jsontext.Valid(body) {
		return page{}, errNoObject
	}
	var p page
	var total []byte
	found := false
	s.Object(func(key []byte) {
		switch {
		case jsontext.Names(key, "users"), jsontext.Names(key, "members"):
			if found = s.Peek() == '['; found {
				p.items = itemsOf(&s, "user_id")
				return
			}
			s.Value()
		case jsontext.Names(key, "total_users_count"), jsontext.Names(key, "total"):
			total = s.Value()
		default:
			s.Value()
		}
	})
	if !s.Whole() {
		return page{}, notJSON(body)
	}
	if !found {
		return page{}, errors.New("an object without a list of users or members")
	}
	if total == nil || jsontext.IsNull(total) {
		return p, nil
	}
	n, err := strconv.ParseInt(string(total), 10, 64)
	if err != nil || n < 0 {
		return page{}, errors.New("a total that is not an integer of 0 or more")
	}
	p.total, p.hasTotal = n, true
	return p, nil
}

// itemsOf walks the array that comes next: its elements with their keys.
func itemsOf(s *jsontext.Scanner, id string) []sweep.Item {
	var items []sweep.Item
	s.Array(func() {
		row, name := s.ValueWith(id)
		items = append(items, sweep.Item{Key: keyOf(name, row), Raw: row})
	})
	return items
}

// keyOf is the key of a row with that identifier as it is written.
func keyOf(id, row []byte) string {
	if key, ok := usable(id); ok {
		return key
	}
	return sweep.Unkeyed(row)
}

// idOf is the text of a row's member id, if that is usable.
func idOf(row []byte, id string) (key string, ok bool) {
	s := jsontext.Scan(row)
	_, name := s.ValueWith(id)
	return usable(name)
}

// usable is the text of an identifier as it is written. Usable is a string that is not empty, is Unicode text and does not begin with a
// NUL, which marks the keys of rows that have none.
func usable(id []byte) (key string, ok bool) {
	key, ok = jsontext.Text(id)
	return key, ok && key != "" && key[0] != 0
}

// batch is an answer about many users: the profiles that are there, and whom it says it was asked for.
type batch struct {
	profiles map[string][]byte
	asked    map[string]bool
}

// decodeBatch reads {"users": [profile…], "total": n, "requested_ids": [id…]} (api/freddy.md §4). requested_ids may be missing.
func decodeBatch(body []byte) (batch, error) {
	s := jsontext.Scan(body)
	if s.Peek() != '{' && jsontext.Valid(body) {
		return batch{}, errNoObject
	}
	b := batch{asked: map[string]bool{}}
	var asked []byte
	s.Object(func(key []byte) {
		switch {
		case jsontext.Names(key, "users"):
			if b.profiles = nil; s.Peek() == '[' {
				b.profiles = profilesOf(&s)
				return
			}
			s.Value()
		case jsontext.Names(key, "requested_ids"):
			asked = s.Value()
		default:
			s.Value()
		}
	})
	if !s.Whole() {
		return batch{}, notJSON(body)
	}
	if b.profiles == nil {
		return batch{}, errors.New("an object without a list of users")
	}
	if jsontext.IsArray(asked) {
		jsontext.Elements(asked, func(value []byte) {
			if id, ok := jsontext.Text(value); ok {
				b.asked[id] = true
			}
		})
	}
	return b, nil
}

// profilesOf walks the array that comes next: its objects that have a usable id, by it.
func profilesOf(s *jsontext.Scanner) map[string][]byte {
	profiles := map[string][]byte{}
	s.Array(func() {
		profile, name := s.ValueWith("id")
		if id, ok := usable(name); ok {
			profiles[id] = profile
		}
	})
	return profiles
}

// ownError reports whether the body of an error is one of Freddy's, with a code, and not that of its framework for a path that is not
// served (api/freddy.md §8).
func ownError(body []byte) bool {
	if checkObject(body) != nil {
		return false
	}
	coded := false
	jsontext.Members(body, func(key, value []byte) {
		if !jsontext.Names(key, "error") || !jsontext.IsObject(value) {
			return
		}
		jsontext.Members(value, func(key, value []byte) {
			code, ok := jsontext.Text(value)
			coded = coded || jsontext.Names(key, "code") && ok && code != ""
		})
	})
	return coded
}

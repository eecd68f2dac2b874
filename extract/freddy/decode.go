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

func checkJSON(body []byte) error {
	if !jsontext.Valid(body) {
		return fmt.Errorf("%d bytes that are not JSON, or not all of it", len(body))
	}
	return nil
}

func checkObject(body []byte) error {
	if err := checkJSON(body); err != nil {
		return err
	}
	if !jsontext.IsObject(body) {
		return errors.New("JSON that is not an object")
	}
	return nil
}

// decodeList reads a page of the list: a bare array (api/freddy.md §3).
func decodeList(body []byte) (page, error) {
	if err := checkJSON(body); err != nil {
		return page{}, err
	}
	if !jsontext.IsArray(body) {
		return page{}, errors.New("JSON that is not an array of users")
	}
	return page{items: itemsOf(body, "id")}, nil
}

// decodeMembers reads a page of members in either of the generations (api/freddy.md §6).
func decodeMembers(body []byte) (page, error) {
	if err := checkObject(body); err != nil {
		return page{}, err
	}
	var list, total []byte
	jsontext.Members(body, func(key, value []byte) {
		switch {
		case jsontext.Names(key, "users"), jsontext.Names(key, "members"):
			list = value
		case jsontext.Names(key, "total_users_count"), jsontext.Names(key, "total"):
			total = value
		}
	})
	if !jsontext.IsArray(list) {
		return page{}, errors.New("an object without a list of users or members")
	}
	p := page{items: itemsOf(list, "user_id")}
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

// itemsOf is the elements of an array with their keys.
func itemsOf(array []byte, id string) []sweep.Item {
	var items []sweep.Item
	jsontext.Elements(array, func(row []byte) {
		items = append(items, sweep.Item{Key: keyOf(row, id), Raw: row})
	})
	return items
}

// keyOf is the text of a row's member id. Usable is a string that is not empty, is Unicode text and does not begin with a NUL, which marks
// the keys of rows that have none.
func keyOf(row []byte, id string) string {
	if key, ok := idOf(row, id); ok {
		return key
	}
	return sweep.Unkeyed(row)
}

func idOf(row []byte, id string) (key string, ok bool) {
	if !jsontext.IsObject(row) {
		return "", false
	}
	var raw []byte
	jsontext.Members(row, func(key, value []byte) {
		if jsontext.Names(key, id) {
			raw = value
		}
	})
	key, ok = jsontext.Text(raw)
	return key, ok && key != "" && key[0] != 0
}

// batch is an answer about many users: the profiles that are there, and whom it says it was asked for.
type batch struct {
	profiles map[string][]byte
	asked    map[string]bool
}

// decodeBatch reads {"users": [profile…], "total": n, "requested_ids": [id…]} (api/freddy.md §4). requested_ids may be missing.
func decodeBatch(body []byte) (batch, error) {
	if err := checkObject(body); err != nil {
		return batch{}, err
	}
	var users, asked []byte
	jsontext.Members(body, func(key, value []byte) {
		switch {
		case jsontext.Names(key, "users"):
			users = value
		case jsontext.Names(key, "requested_ids"):
			asked = value
		}
	})
	if !jsontext.IsArray(users) {
		return batch{}, errors.New("an object without a list of users")
	}
	b := batch{profiles: map[string][]byte{}, asked: map[string]bool{}}
	jsontext.Elements(users, func(profile []byte) {
		if id, ok := idOf(profile, "id"); ok {
			b.profiles[id] = profile
		}
	})
	if jsontext.IsArray(asked) {
		jsontext.Elements(asked, func(value []byte) {
			if id, ok := jsontext.Text(value); ok {
				b.asked[id] = true
			}
		})
	}
	return b, nil
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

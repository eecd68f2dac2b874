package rawjson

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// AppendDiff appends the paths at which two values differ, each below path, in the order of the older value, then what only the newer
// has. Objects are compared member by member, arrays of one length element by element; anything else that differs is named whole.
// nil stands for an absent value.
func AppendDiff(dst []string, path string, older, newer []byte) []string {
	switch {
	case older == nil && newer == nil:
		return dst
	case older == nil || newer == nil:
		return append(dst, path)
	case Equal(older, newer):
		return dst
	}
	a, b := KindOf(Trim(older)), KindOf(Trim(newer))
	switch {
	case a == Object && b == Object:
		return diffObjects(dst, path, older, newer)
	case a == Array && b == Array && Len(older) == Len(newer):
		return diffArrays(dst, path, older, newer)
	}
	return append(dst, path)
}

func diffObjects(dst []string, path string, older, newer []byte) []string {
	a, b := memberList(older), memberList(newer)
	n := len(dst)
	for i, m := range a {
		if find(a[:i], m.key) == nil {
			dst = AppendDiff(dst, Child(path, m.key), m.value, find(b, m.key))
		}
	}
	for i, m := range b {
		if find(a, m.key) == nil && find(b[:i], m.key) == nil {
			dst = append(dst, Child(path, m.key))
		}
	}
	if len(dst) == n { // they differ in the repetitions of one name alone
		dst = append(dst, path)
	}
	return dst
}

func diffArrays(dst []string, path string, older, newer []byte) []string {
	var b [][]byte
	_ = Elements(newer, func(v []byte) error { b = append(b, v); return nil }) // both are valid
	i := 0
	_ = Elements(older, func(v []byte) error {
		dst = AppendDiff(dst, path+"["+strconv.Itoa(i)+"]", v, b[i])
		i++
		return nil
	})
	return dst
}

func memberList(v []byte) []member {
	var ms []member
	_ = Members(v, func(k, val []byte) error { ms = append(ms, member{k, val}); return nil }) // v is valid
	return ms
}

// find is the value of the first member of this name.
func find(ms []member, key []byte) []byte {
	for _, m := range ms {
		if bytes.Equal(m.key, key) {
			return m.value
		}
	}
	return nil
}

// Child is the path of a member: $.a.b; a key that is no plain word is quoted, as $."a b". Two spellings of one key have one path.
func Child(path string, quotedKey []byte) string {
	text, _ := Unquote(quotedKey)
	for i, c := range []byte(text) {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9' || i == 0) {
			return path + "." + quote(text)
		}
	}
	if text == "" {
		return path + `.""`
	}
	return path + "." + text
}

func quote(text string) string {
	q, err := json.Marshal(text)
	if err != nil { // a string can always be written
		panic(err)
	}
	return string(q)
}

// Package rawjson reads JSON without changing it: values stay slices of the input, numbers stay text, and members keep their order and
// their duplicates.
//
// It reads what a validating parser has already accepted (the sources validate every answer). On anything else it never panics and never
// reads past the slice: walking stops with an error, comparing takes the bytes as they are. Walking allocates nothing, Unquote and Sanitize
// only where they must. Comparing indexes a text once, so neither depth nor width makes it slow.
package rawjson

import (
	"bytes"
	"errors"
)

// ErrMalformed is returned where the input is not the JSON it was said to be.
var ErrMalformed = errors.New("malformed JSON")

// Kind is the family of a JSON value.
type Kind byte

// The kinds of value; Invalid is no value at all.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// KindOf tells the kind of a value by its first byte.
func KindOf(v []byte) Kind {
	if len(v) == 0 {
		return Invalid
	}
	switch c := v[0]; {
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == '"':
		return String
	case c == 'n':
		return Null
	case c == 't' || c == 'f':
		return Bool
	case c == '-' || (c >= '0' && c <= '9'):
		return Number
	}
	return Invalid
}

// Trim is v without white space around it.
func Trim(v []byte) []byte {
	for len(v) > 0 && space(v[0]) {
		v = v[1:]
	}
	for len(v) > 0 && space(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	return v
}

func space(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func skipSpace(b []byte, i int) int {
	for i < len(b) && space(b[i]) {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at b[i].
func skipString(b []byte, i int) (int, error) {
	for i++; i < len(b); i++ {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			break
		}
		i += j
		n := 0
		for k := i - 1; k >= 0 && b[k] == '\\'; k-- {
			n++
		}
		if n%2 == 0 {
			return i + 1, nil
		}
	}
	return 0, ErrMalformed
}

// skipValue returns the index behind the value that begins at b[i].
func skipValue(b []byte, i int) (int, error) {
	if i >= len(b) {
		return 0, ErrMalformed
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	j := i
	for j < len(b) && !space(b[j]) && b[j] != ',' && b[j] != '}' && b[j] != ']' {
		j++
	}
	if j == i {
		return 0, ErrMalformed
	}
	return j, nil
}

func skipNested(b []byte, i int) (int, error) {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			j, err := skipString(b, i)
			if err != nil {
				return 0, err
			}
			i = j
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1, nil
			}
		}
		i++
	}
	return 0, ErrMalformed
}

// Members calls yield for each member of an object, in order, duplicates included. The key comes with its quotes and escapes.
// Iteration ends at the first error, which is returned.
func Members(obj []byte, yield func(key, value []byte) error) error {
	return walk(obj, '{', '}', yield)
}

// Elements calls yield for each element of an array, in order. Iteration ends at the first error, which is returned.
func Elements(arr []byte, yield func(value []byte) error) error {
	return walk(arr, '[', ']', func(_, v []byte) error { return yield(v) })
}

func walk(b []byte, open, end byte, yield func(key, value []byte) error) error {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != open {
		return ErrMalformed
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == end {
		return nil
	}
	for {
		var key []byte
		if open == '{' {
			if i >= len(b) || b[i] != '"' {
				return ErrMalformed
			}
			j, err := skipString(b, i)
			if err != nil {
				return err
			}
			key = b[i:j]
			if i = skipSpace(b, j); i >= len(b) || b[i] != ':' {
				return ErrMalformed
			}
			i = skipSpace(b, i+1)
		}
		j, err := skipValue(b, i)
		if err != nil {
			return err
		}
		if err := yield(key, b[i:j]); err != nil {
			return err
		}
		if i = skipSpace(b, j); i >= len(b) {
			return ErrMalformed
		}
		if b[i] == end {
			return nil
		}
		if b[i] != ',' {
			return ErrMalformed
		}
		i = skipSpace(b, i+1)
	}
}

// Len counts the elements of an array; -1 where v is none.
func Len(v []byte) int {
	n := 0
	if err := Elements(v, func([]byte) error { n++; return nil }); err != nil {
		return -1
	}
	return n
}

// Package jsontext takes JSON apart without changing it: what it gives out are parts of the text, as they are written. Decoding into
// structs would take "USERS" for "users", and into maps would lose the order of keys, repeated keys and the digits of numbers.
//
// All but [Valid] want text that Valid has accepted, or a part of such text that this package gave out; on anything else they may panic.
// Nothing recurses, so that no depth of nesting is too much.
package jsontext

import (
	"bytes"

	json "github.com/goccy/go-json"
)

// Valid reports whether text is one JSON value, with white space around it or not. Bytes in strings that are no UTF-8 and escapes of half
// a surrogate pair are valid, as they are in encoding/json.
func Valid(text []byte) bool { return json.Valid(text) }

// IsObject reports whether v is an object.
func IsObject(v []byte) bool { return startsWith(v, '{') }

// IsArray reports whether v is an array.
func IsArray(v []byte) bool { return startsWith(v, '[') }

// IsString reports whether v is a string.
func IsString(v []byte) bool { return startsWith(v, '"') }

// IsNull reports whether v is null.
func IsNull(v []byte) bool { return startsWith(v, 'n') }

func startsWith(v []byte, c byte) bool {
	s := Scan(v)
	return s.Peek() == c
}

// Members calls visit for each member of an object, in order, repeated keys included. The key comes with its quotes and escapes, the value
// without white space around it; both alias the object.
func Members(object []byte, visit func(key, value []byte)) {
	s := Scan(object)
	s.Object(func(key []byte) { visit(key, s.Value()) })
}

// Elements calls visit for each element of an array, in order, without white space around it; it aliases the array.
func Elements(array []byte, visit func(value []byte)) {
	s := Scan(array)
	s.Array(func() { visit(s.Value()) })
}

// Scanner walks a valid text once, for who would else walk what is nested in it again. Make it with [Scan].
type Scanner struct {
	text []byte
	at   int
}

// Scan is a scanner at the beginning of a text.
func Scan(text []byte) Scanner { return Scanner{text: text} }

// Peek passes white space and returns the byte after it, which is not passed: by it one tells what value comes next. It is 0 at the end.
func (s *Scanner) Peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// Object walks the object that comes next. For each member visit is called with the key, as Members gives it, and must pass the value, which
// comes next. The object's text is returned.
func (s *Scanner) Object(visit func(key []byte)) []byte {
	s.Peek()
	start := s.at
	s.at++ // {
	for s.Peek() != '}' {
		key := s.Value()
		s.Peek()
		s.at++ // :
		visit(key)
		if s.Peek() == ',' {
			s.at++
		}
	}
	s.at++
	return s.text[start:s.at:s.at]
}

// Array walks the array that comes next. For each element visit is called and must pass it.
func (s *Scanner) Array(visit func()) {
	s.Peek()
	s.at++ // [
	for s.Peek() != ']' {
		visit()
		if s.Peek() == ',' {
			s.at++
		}
	}
	s.at++
}

// Value passes the value that comes next and returns its text, which aliases the whole.
func (s *Scanner) Value() []byte {
	first := s.Peek()
	start := s.at
	switch first {
	case '"':
		s.skipString()
	case '{', '[':
		s.skipNested()
	default:
		for s.at < len(s.text) && !isDelimiter(s.text[s.at]) {
			s.at++
		}
	}
	return s.text[start:s.at:s.at]
}

func isDelimiter(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// skipString passes a string: to the first quote behind an even number of backslashes.
func (s *Scanner) skipString() {
	s.at++
	for {
		end := s.at + bytes.IndexByte(s.text[s.at:], '"')
		escapes := 0
		for s.text[end-1-escapes] == '\\' {
			escapes++
		}
		s.at = end + 1
		if escapes%2 == 0 {
			return
		}
	}
}

// skipNested passes an object or array.
func (s *Scanner) skipNested() {
	for depth := 0; ; {
		switch s.text[s.at] {
		case '"':
			s.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return
		}
	}
}

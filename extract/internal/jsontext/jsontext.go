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
	s := scanner{text: v}
	return s.peek() == c
}

// Members calls visit for each member of an object, in order, repeated keys included. The key comes with its quotes and escapes, the value
// without white space around it; both alias the object.
func Members(object []byte, visit func(key, value []byte)) {
	s := scanner{text: object}
	s.peek()
	s.at++ // {
	for s.peek() != '}' {
		key := s.value()
		s.peek()
		s.at++ // :
		visit(key, s.value())
		if s.peek() == ',' {
			s.at++
		}
	}
}

// Elements calls visit for each element of an array, in order, without white space around it; it aliases the array.
func Elements(array []byte, visit func(value []byte)) {
	s := scanner{text: array}
	s.peek()
	s.at++ // [
	for s.peek() != ']' {
		visit(s.value())
		if s.peek() == ',' {
			s.at++
		}
	}
}

// scanner walks a valid text.
type scanner struct {
	text []byte
	at   int
}

// peek passes white space and returns the byte after it, which is not passed; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// value passes the value that comes next and returns its text.
func (s *scanner) value() []byte {
	first := s.peek()
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
func (s *scanner) skipString() {
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
func (s *scanner) skipNested() {
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

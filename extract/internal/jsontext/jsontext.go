// Package jsontext takes JSON apart without changing it: what it gives out are parts of the text, as they are written. Decoding into
// structs would take "USERS" for "users", and into maps would lose the order of keys, repeated keys and the digits of numbers.
//
// A walk checks what it passes, so that a text need not be read twice. Where a text stops being JSON the walk ends, with nothing more given
// out, and [Scanner.Whole] is false: what was given out before then is of no use. [Text], [AppendUnquoted] and [Names] want what a walk gave
// out; on other text they may panic. Nothing recurses, and what nests deeper than 10,000 levels is not taken, as in encoding/json.
package jsontext

import json "github.com/goccy/go-json"

// Valid reports whether text is one JSON value, with white space around it or not. Bytes in strings that are no UTF-8 and escapes of half
// a surrogate pair are valid, as they are in encoding/json. It takes what a walk takes; for a text that nobody walks it is the faster of the
// two, for it has vector instructions.
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
	s.Object(func(key []byte) {
		if v := s.Value(); v != nil {
			visit(key, v)
		}
	})
}

// Elements calls visit for each element of an array, in order, without white space around it; it aliases the array.
func Elements(array []byte, visit func(value []byte)) {
	s := Scan(array)
	s.Array(func() {
		if v := s.Value(); v != nil {
			visit(v)
		}
	})
}

// Scanner walks a text once, for who would else walk what is nested in it again, and checks it. Make it with [Scan].
type Scanner struct {
	text  []byte
	at    int // nowhere, once the text is known to be no JSON
	depth int // of the objects and arrays round at
}

// Scan is a scanner at the beginning of a text.
func Scan(text []byte) Scanner { return Scanner{text: text} }

// Whole reports whether the value that was walked is JSON and, but for white space, the whole text.
func (s *Scanner) Whole() bool {
	s.at = pastSpace(s.text, s.at)
	return s.at == len(s.text)
}

// Peek passes white space and returns the byte after it, which is not passed: by it one tells what value comes next. It is 0 at the end.
func (s *Scanner) Peek() byte {
	s.at = pastSpace(s.text, s.at)
	return byteAt(s.text, s.at)
}

// Object walks the object that comes next. For each member visit is called with the key, as Members gives it, and must pass the value, which
// comes next. The object's text is returned, nil if it is none.
func (s *Scanner) Object(visit func(key []byte)) []byte {
	s.Peek()
	start := s.at
	for more := s.enter('{', '}'); more; more = s.next('}') {
		if key := s.key(); key != nil {
			visit(key)
		}
	}
	return s.since(start)
}

// Array walks the array that comes next. For each element visit is called and must pass it.
func (s *Scanner) Array(visit func()) {
	for more := s.enter('[', ']'); more; more = s.next(']') {
		visit()
	}
}

// Value passes the value that comes next and returns its text, which aliases the whole; nil if it is none.
func (s *Scanner) Value() []byte {
	s.Peek()
	start := s.at
	s.at = pastValue(s.text, start, s.depth)
	return s.since(start)
}

// ValueWith is Value and, where that is an object, the value of its member name: of several the last, nil without one.
func (s *Scanner) ValueWith(name string) (value, member []byte) {
	if s.Peek() != '{' {
		return s.Value(), nil
	}
	value = s.Object(func(key []byte) {
		v := s.Value()
		if Names(key, name) {
			member = v
		}
	})
	if value == nil {
		return nil, nil
	}
	return value, member
}

// enter passes what opens an object or array. It is true before a first member or element; an empty one is passed.
func (s *Scanner) enter(opens, closes byte) bool {
	if s.Peek() != opens || s.depth == maxDepth {
		s.at = nowhere
		return false
	}
	s.at++
	if s.Peek() == closes {
		s.at++
		return false
	}
	s.depth++
	return true
}

// next passes what is behind a member or element: a comma, and it is true before another, or what closes the object or array.
func (s *Scanner) next(closes byte) bool {
	switch s.Peek() {
	case ',':
		s.at++
		return true
	case closes:
		s.at++
	default:
		s.at = nowhere
	}
	s.depth--
	return false
}

// key passes the key that comes next and its colon; nil if that is not what comes.
func (s *Scanner) key() []byte {
	s.Peek()
	start := s.at
	end := pastString(s.text, start)
	if s.at = pastColon(s.text, end); s.at == nowhere {
		return nil
	}
	return s.text[start:end:end]
}

// since is the text from start on, nil once it is known to be no JSON.
func (s *Scanner) since(start int) []byte {
	if s.at == nowhere {
		return nil
	}
	return s.text[start:s.at:s.at]
}

package amigo

import (
	"bytes"
	"unicode/utf8"

	json "github.com/goccy/go-json"
)

// scanner walks a JSON text that is known to be valid and gives out its parts as they are written, without a copy. Decoding into structs
// would take "USERS" for "users".
type scanner struct {
	text []byte
	at   int
}

// peek passes white space and returns the byte after it, which is not passed.
func (s *scanner) peek() byte {
	for {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return c
		}
	}
}

// object walks the object that comes next. For each member visit is called with the key as it is written, quotes included, and must pass
// the value, which comes next.
func (s *scanner) object(visit func(key []byte)) {
	s.peek()
	s.at++ // {
	for s.peek() != '}' {
		key := s.value()
		s.peek()
		s.at++ // :
		visit(key)
		if s.peek() == ',' {
			s.at++
		}
	}
	s.at++
}

// array walks the array that comes next. For each element visit is called and must pass it.
func (s *scanner) array(visit func()) {
	s.peek()
	s.at++ // [
	for s.peek() != ']' {
		visit()
		if s.peek() == ',' {
			s.at++
		}
	}
	s.at++
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

func (s *scanner) skipString() {
	s.at++
	for {
		n := bytes.IndexByte(s.text[s.at:], '"')
		end := s.at + n
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

// skipNested passes an object or array of any depth.
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

// text is the string that a JSON string's text stands for. False: it is not a string, or holds what is no Unicode text (a lone surrogate,
// invalid UTF-8), so that reading it would change it.
func text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || !utf8.Valid(raw) {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var v string
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", false
	}
	return v, !loneSurrogate(raw)
}

// loneSurrogate reports whether the text of a valid JSON string has a \u escape of half a surrogate pair.
func loneSurrogate(raw []byte) bool {
	high := false // the escape just before was a high half
	for i := 0; i < len(raw); i++ {
		half := byte(0)
		if raw[i] == '\\' {
			i++
			if raw[i] == 'u' {
				if raw[i+1]|0x20 == 'd' {
					half = raw[i+2] | 0x20
				}
				i += 4
			}
		}
		isHigh := half == '8' || half == '9' || half == 'a' || half == 'b'
		isLow := half >= 'c' && half <= 'f'
		if high != isLow {
			return true
		}
		high = isHigh
	}
	return high
}

// is reports whether a key as it is written stands for name, which needs no escapes.
func is(key []byte, name string) bool {
	if len(key) == len(name)+2 && string(key[1:len(key)-1]) == name {
		return true
	}
	if bytes.IndexByte(key, '\\') < 0 {
		return false
	}
	v, ok := text(key)
	return ok && v == name
}

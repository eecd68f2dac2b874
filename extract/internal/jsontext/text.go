package jsontext

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is the text that a JSON string stands for. False: v is no string, or holds what is no Unicode text (half a surrogate pair, invalid
// UTF-8), so that reading it would change it.
func Text(v []byte) (string, bool) {
	if !IsString(v) || !utf8.Valid(v) {
		return "", false
	}
	if v = bytes.Trim(v, " \t\r\n"); bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), true
	}
	text, exact := appendUnquoted(nil, v)
	return string(text), exact
}

// AppendUnquoted appends the text that the JSON string v stands for. Half a surrogate pair, which no text can hold, stays the escape that
// it is; bytes that are no UTF-8 stay as they are. So a JSON text that was put into a string comes out byte for byte.
func AppendUnquoted(dst, v []byte) []byte {
	dst, _ = appendUnquoted(dst, v)
	return dst
}

// Names reports whether a key, as Members gives it, stands for name, whichever way it is escaped.
func Names(key []byte, name string) bool {
	if len(key) == len(name)+2 && string(key[1:len(key)-1]) == name {
		return true
	}
	if len(key) <= len(name)+2 || bytes.IndexByte(key, '\\') < 0 { // an escape is longer than what it stands for
		return false
	}
	text, ok := Text(key)
	return ok && text == name
}

// simple are the escapes of one letter.
var simple = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// appendUnquoted is AppendUnquoted; exact is false where an escape of half a surrogate pair stayed.
func appendUnquoted(dst, v []byte) (_ []byte, exact bool) {
	v = bytes.Trim(v, " \t\r\n")
	v = v[1 : len(v)-1]
	exact = true
	for {
		n := bytes.IndexByte(v, '\\')
		if n < 0 {
			return append(dst, v...), exact
		}
		dst, v = append(dst, v[:n]...), v[n:]
		if v[1] != 'u' {
			dst, v = append(dst, simple[v[1]]), v[2:]
			continue
		}
		r, length := escaped(v)
		if length == 0 {
			exact = false
			dst, v = append(dst, v[:6]...), v[6:]
			continue
		}
		dst, v = utf8.AppendRune(dst, r), v[length:]
	}
}

// escaped reads the \u escape, or the pair of them, that v begins with; its length is 0 for half a pair.
func escaped(v []byte) (r rune, length int) {
	r = hex(v)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(v) >= 12 && v[6] == '\\' && v[7] == 'u' {
		if pair := utf16.DecodeRune(r, hex(v[6:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return 0, 0
}

// hex reads the digits of a \u escape.
func hex(v []byte) rune {
	n, _ := strconv.ParseUint(string(v[2:6]), 16, 16) // the text is valid
	return rune(n)
}

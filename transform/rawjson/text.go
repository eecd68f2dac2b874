package rawjson

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote is the text of a JSON string. exact is false where the string holds what no text can: a lone surrogate escape or invalid UTF-8,
// each of which reads as U+FFFD.
func Unquote(s []byte) (text string, exact bool) {
	out, exact := Unquoted(nil, s)
	return string(out), exact
}

// Unquoted is Unquote without a copy: where there is nothing to change the text is a part of s, else it is in the memory of buf, if that has the room.
func Unquoted(buf, s []byte) (text []byte, exact bool) {
	if len(s) < 2 {
		return nil, false
	}
	in := s[1 : len(s)-1]
	if bytes.IndexByte(in, '\\') < 0 && utf8.Valid(in) {
		return in, true
	}
	return AppendUnquoted(slices.Grow(buf[:0], len(in)), s)
}

// Plain is a member's key in its quotes and without escapes, so that it can be compared with a name: the key itself where it has none.
func Plain(key []byte) []byte {
	if bytes.IndexByte(key, '\\') < 0 {
		return key
	}
	text, _ := AppendUnquoted([]byte{'"'}, key)
	return append(text, '"')
}

// AppendUnquoted appends the text of a JSON string to dst. exact is as for Unquote.
func AppendUnquoted(dst, s []byte) (_ []byte, exact bool) {
	if len(s) < 2 {
		return dst, false
	}
	exact = true
	in := s[1 : len(s)-1]
	for i := 0; i < len(in); {
		c := in[i]
		switch {
		case c == '\\' && i+1 < len(in):
			var ok bool
			dst, i, ok = appendEscape(dst, in, i)
			exact = exact && ok
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(in[i:])
			if r == utf8.RuneError && n == 1 {
				exact = false
			}
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst, exact
}

// appendEscape appends what the escape at in[i] stands for and returns the index behind it; ok is false for a lone surrogate.
func appendEscape(dst, in []byte, i int) (_ []byte, next int, ok bool) {
	switch c := in[i+1]; c {
	case 'b':
		return append(dst, '\b'), i + 2, true
	case 'f':
		return append(dst, '\f'), i + 2, true
	case 'n':
		return append(dst, '\n'), i + 2, true
	case 'r':
		return append(dst, '\r'), i + 2, true
	case 't':
		return append(dst, '\t'), i + 2, true
	case 'u':
		r := hex4(in, i+2)
		if r < 0 {
			return utf8.AppendRune(dst, utf8.RuneError), i + 2, false
		}
		if !utf16.IsSurrogate(r) {
			return utf8.AppendRune(dst, r), i + 6, true
		}
		if pair := utf16.DecodeRune(r, lowSurrogate(in, i+6)); pair != utf8.RuneError {
			return utf8.AppendRune(dst, pair), i + 12, true
		}
		return utf8.AppendRune(dst, utf8.RuneError), i + 6, false
	default:
		if c >= utf8.RuneSelf { // no escape, and not the whole of a character
			return utf8.AppendRune(dst, utf8.RuneError), i + 1, false
		}
		return append(dst, c), i + 2, true
	}
}

// lowSurrogate is the code unit of the escape at in[i], or -1.
func lowSurrogate(in []byte, i int) rune {
	if i+6 <= len(in) && in[i] == '\\' && in[i+1] == 'u' {
		return hex4(in, i+2)
	}
	return -1
}

func hex4(in []byte, i int) rune {
	if i+4 > len(in) {
		return -1
	}
	n, err := strconv.ParseUint(string(in[i:i+4]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// Sanitize is v as every JSON reader takes it: a lone surrogate escape becomes \ufffd, a byte that is no UTF-8 becomes U+FFFD. exact is
// true where v needed no change, and then v itself is returned.
func Sanitize(v []byte) (clean []byte, exact bool) {
	valid := utf8.Valid(v)
	if valid && !maybeSurrogate(v) {
		return v, true
	}
	out := make([]byte, 0, len(v)+8)
	exact = true
	for i := 0; i < len(v); {
		c := v[i]
		switch {
		case c == '\\' && i+1 < len(v):
			_, next, ok := appendEscape(nil, v, i)
			if ok {
				out = append(out, v[i:next]...)
			} else {
				out = append(out, `\ufffd`...)
				exact = false
			}
			i = next
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(v[i:])
			if r == utf8.RuneError && n == 1 {
				exact = false
			}
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	if exact {
		return v, true
	}
	return out, false
}

// maybeSurrogate tells whether an escape \ud… occurs, in either case.
func maybeSurrogate(v []byte) bool {
	return bytes.Contains(v, []byte(`\ud`)) || bytes.Contains(v, []byte(`\uD`))
}

// Printable is bytes as text that any column can hold: what is no UTF-8 is written as \xNN.
func Printable(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := make([]byte, 0, len(b)+16)
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			out = append(out, `\x`...)
			out = append(out, "0123456789abcdef"[b[i]>>4], "0123456789abcdef"[b[i]&15])
		} else {
			out = append(out, b[i:i+n]...)
		}
		i += n
	}
	return string(out)
}

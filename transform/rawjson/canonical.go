package rawjson

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// AppendCanonical appends an encoding of v that two JSON texts share if and only if they differ in nothing but key order, white space and
// the escaping of characters. Numbers count by their text: 1.0 is not 1, and -0 is not 0. Array order counts; members of one name keep
// their order.
//
// The encoding is prefix-free: o (key, value)… e, a value… e, s length text, n length text, t, f, z; lengths are unsigned varints.
// Keys are sorted by the bytes of their text.
func AppendCanonical(dst, v []byte) []byte {
	switch v = Trim(v); KindOf(v) {
	case Object:
		return appendObject(dst, v)
	case Array:
		dst = append(dst, 'a')
		// v was validated when it was received; what does not parse here adds nothing more.
		_ = Elements(v, func(e []byte) error { dst = AppendCanonical(dst, e); return nil })
		return append(dst, 'e')
	case String:
		return AppendCanonicalString(dst, v)
	case Number:
		dst = binary.AppendUvarint(append(dst, 'n'), uint64(len(v)))
		return append(dst, v...)
	case Bool:
		return append(dst, v[0])
	default:
		return append(dst, 'z')
	}
}

// AppendCanonicalString appends the encoding of a JSON string: the text, its length before it.
func AppendCanonicalString(dst, s []byte) []byte {
	if len(s) < 2 {
		return append(dst, 'z')
	}
	dst = append(dst, 's')
	if in := s[1 : len(s)-1]; bytes.IndexByte(in, '\\') < 0 {
		return append(binary.AppendUvarint(dst, uint64(len(in))), in...)
	}
	text, _ := AppendUnquoted(nil, s)
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

type member struct{ key, value []byte }

func appendObject(dst, v []byte) []byte {
	var buf [16]member
	ms := buf[:0]
	// as above: v is valid
	_ = Members(v, func(k, val []byte) error { ms = append(ms, member{k, val}); return nil })
	for i := range ms {
		if bytes.IndexByte(ms[i].key, '\\') >= 0 {
			text, _ := AppendUnquoted([]byte{'"'}, ms[i].key)
			ms[i].key = append(text, '"')
		}
	}
	slices.SortStableFunc(ms, func(a, b member) int { return bytes.Compare(a.key[1:len(a.key)-1], b.key[1:len(b.key)-1]) })
	dst = append(dst, 'o')
	for _, m := range ms {
		in := m.key[1 : len(m.key)-1]
		dst = append(binary.AppendUvarint(append(dst, 's'), uint64(len(in))), in...)
		dst = AppendCanonical(dst, m.value)
	}
	return append(dst, 'e')
}

// Equal tells whether two values are the same JSON, as AppendCanonical means it.
func Equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	return bytes.Equal(AppendCanonical(nil, a), AppendCanonical(nil, b))
}

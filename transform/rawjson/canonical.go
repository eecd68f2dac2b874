package rawjson

import (
	"bytes"
	"encoding/binary"
)

// AppendCanonical appends an encoding of v that two JSON texts share if and only if they differ in nothing but key order, white space and
// the escaping of characters. Numbers count by their text: 1.0 is not 1, and -0 is not 0. Array order counts; members of one name keep
// their order.
//
// The encoding is prefix-free: o (key, value)… e, a value… e, s length text, n length text, t, f, z; lengths are unsigned varints. Keys are
// sorted by the bytes of their text. What is no JSON, or nests deeper than 10,000 levels, is x length bytes.
func AppendCanonical(dst, v []byte) []byte {
	d, ok := read(v)
	if !ok {
		return append(binary.AppendUvarint(append(dst, 'x'), uint64(len(v))), v...)
	}
	defer d.free()
	return d.canonical(dst, 0)
}

func (d *document) canonical(dst []byte, at uint32) []byte {
	n := d.nodes[at]
	switch n.kind {
	case Object:
		dst = append(dst, 'o')
		from := d.members(at)
		for i, to := from, len(d.group); i < to; i++ {
			m := d.group[i]
			dst = binary.AppendUvarint(append(dst, 's'), uint64(len(m.key)))
			dst = d.canonical(append(dst, m.key...), m.value)
		}
		d.group = d.group[:from]
		return append(dst, 'e')
	case Array:
		dst = append(dst, 'a')
		for e := at + 1; e < n.next; e = d.nodes[e].next {
			dst = d.canonical(dst, e)
		}
		return append(dst, 'e')
	}
	return appendScalar(dst, d.raw(n), n.kind)
}

func appendScalar(dst, v []byte, kind Kind) []byte {
	switch kind {
	case String:
		in := v[1 : len(v)-1]
		if bytes.IndexByte(in, '\\') >= 0 {
			in, _ = AppendUnquoted(nil, v)
		}
		return append(binary.AppendUvarint(append(dst, 's'), uint64(len(in))), in...)
	case Number:
		return append(binary.AppendUvarint(append(dst, 'n'), uint64(len(v))), v...)
	case Bool:
		return append(dst, v[0])
	}
	return append(dst, 'z')
}

// Equal tells whether two values are the same JSON, as AppendCanonical means it.
func Equal(a, b []byte) bool {
	return bytes.Equal(a, b) || bytes.Equal(AppendCanonical(nil, a), AppendCanonical(nil, b))
}

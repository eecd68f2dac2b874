package transform

import "encoding/binary"

// Outline is what [Decode] found out about an item and [Reread] need not find out again: where its fields are, that all of it could be held, and its
// digest. It is true of the item's bytes alone; the zero value knows nothing.
type Outline struct {
	Digest Hash // zero: not known

	known  bool // of what follows
	exact  bool // there were no issues
	places [places]place
}

// place is where a field is in the item; without a length the item does not have it.
type place struct{ off, len uint32 }

const places = 16

// each are the fields, in an order that an Outline and its bytes have.
func (f *fields) each() [places]*[]byte {
	return [places]*[]byte{
		&f.id, &f.context, &f.email, &f.first, &f.last, &f.org, &f.preferences, &f.region, &f.role, &f.updated, &f.userID, &f.models,
		&f.stats, &f.variables, &f.sensitive, &f.actions,
	}
}

// outline says where the fields of an item are. They are parts of it.
func (f *fields) outline(item []byte) (o Outline) {
	o.known = true
	for i, v := range f.each() {
		if len(*v) > 0 {
			o.places[i] = place{uint32(cap(item) - cap(*v)), uint32(len(*v))}
		}
	}
	return o
}

// fields are those of the item that the outline is of.
func (o *Outline) fields(item []byte) (f fields) {
	if !o.known {
		return split(item)
	}
	for i, v := range f.each() {
		if at := o.places[i]; at.len > 0 {
			*v = item[at.off : at.off+at.len]
		}
	}
	return f
}

// The first byte of an outline.
const (
	outlineKnown = 1 << iota
	outlineExact
)

// Append adds the outline's bytes, some sixty, for CutOutline.
func (o *Outline) Append(dst []byte) []byte {
	var flags byte
	if o.known {
		flags |= outlineKnown
	}
	if o.exact {
		flags |= outlineExact
	}
	dst = append(append(dst, flags), o.Digest[:]...)
	if o.known {
		for _, p := range o.places {
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(p.off)), uint64(p.len))
		}
	}
	return dst
}

// CutOutline reads what Append wrote, and returns what stands behind it.
func CutOutline(b []byte) (o Outline, rest []byte) {
	o.known, o.exact = b[0]&outlineKnown != 0, b[0]&outlineExact != 0
	b = b[1+copy(o.Digest[:], b[1:]):]
	if o.known {
		number := func() uint32 {
			v, n := binary.Uvarint(b)
			b = b[n:]
			return uint32(v)
		}
		for i := range o.places {
			o.places[i] = place{number(), number()}
		}
	}
	return o, b
}

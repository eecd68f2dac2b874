package sandbox

import "strings"

// A record's number is hidden in its id and in its mail address by a multiplication modulo 2^32, which an odd factor's inverse
// undoes: either can be looked up without an index, in a population of any size.
type numbering struct{ factor, offset uint32 }

var (
	idNumbers   = numbering{2654435761, 0x5EED1D00}
	mailNumbers = numbering{2246822519, 0x00C0FFEE}
)

func (n numbering) hide(h handle) uint32    { return h*n.factor + n.offset }
func (n numbering) find(code uint32) handle { return (code - n.offset) * n.inverse() }

// inverse of the factor modulo 2^32, by Newton's iteration.
func (n numbering) inverse() uint32 {
	x := n.factor
	for range 5 {
		x *= 2 - n.factor*x
	}
	return x
}

const (
	idAlphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	plainAlphabet = "abcdefghijklmnopqrstuvwxyz"
	idLength      = 28
	codeLength    = 6  // digits of idAlphabet that hold 32 bits
	codeAt        = 11 // where in an id they stand
)

// makeID is an opaque id of idLength characters that holds a number.
func makeID(d *dice, h handle) string {
	code := idNumbers.hide(h)
	digits := make([]byte, codeLength)
	for k := range digits {
		digits[k] = idAlphabet[code%uint32(len(idAlphabet))]
		code /= uint32(len(idAlphabet))
	}
	return d.letters(1, plainAlphabet) + d.letters(codeAt-1, idAlphabet) + string(digits) + d.letters(idLength-codeAt-codeLength, idAlphabet)
}

// numberOf is the number of the record that could have the id; false where the id has another form.
func numberOf(id string) (handle, bool) {
	if len(id) != idLength {
		return 0, false
	}
	var code uint64
	for k := codeAt + codeLength - 1; k >= codeAt; k-- {
		digit := strings.IndexByte(idAlphabet, id[k])
		if digit < 0 {
			return 0, false
		}
		code = code*uint64(len(idAlphabet)) + uint64(digit)
	}
	return idNumbers.find(uint32(code)), code>>32 == 0
}

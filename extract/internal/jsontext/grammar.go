package jsontext

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// The functions of this file say where in a text what begins at a place ends. They take what JSON is (RFC 8259) and nothing else.

// nowhere is where what is not JSON ends. It is behind every text: nothing comes next there, so that nothing is found after it either and
// only the last step has to be looked at.
const nowhere = math.MaxInt

// maxDepth is how many objects and arrays may be in one another, as in encoding/json.
const maxDepth = 10_000

// byteAt is the byte at a place, 0 behind the end. JSON has no such byte anywhere.
func byteAt(text []byte, at int) byte {
	if uint(at) < uint(len(text)) { // one comparison, where the compiler would add that at is not negative
		return text[at]
	}
	return 0
}

func pastSpace(text []byte, at int) int {
	for isSpace(byteAt(text, at)) {
		at++
	}
	return at
}

func isSpace(c byte) bool { return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t') }

// pastValue passes a value that depth objects and arrays are round.
func pastValue(text []byte, at, depth int) int {
	switch byteAt(text, at) {
	case '{', '[':
		return pastNested(text, at, depth)
	case '"':
		return pastString(text, at)
	}
	return pastScalar(text, at)
}

// pastNested passes an object or array. It does not recurse: what is open is in a list.
func pastNested(text []byte, at, depth int) int {
	var room [64]byte
	open := room[:0] // what closes each of them, the innermost last
	for {
		// Here a value begins.
		switch c := byteAt(text, at); c {
		case '{', '[':
			if depth+len(open) == maxDepth {
				return nowhere
			}
			closes := c + 2 // of both the one is two behind the other
			open = append(open, closes)
			if at = pastSpace(text, at+1); byteAt(text, at) != closes {
				at = pastKeyOf(text, at, closes)
				continue
			}
		case '"':
			at = pastSpace(text, pastString(text, at))
		default:
			at = pastSpace(text, pastScalar(text, at))
		}
		// Here it has ended, or the one around it does.
		closes := open[len(open)-1]
		for byteAt(text, at) == closes {
			at++
			if open = open[:len(open)-1]; len(open) == 0 {
				return at
			}
			closes = open[len(open)-1]
			at = pastSpace(text, at)
		}
		if byteAt(text, at) != ',' {
			return nowhere
		}
		at = pastKeyOf(text, pastSpace(text, at+1), closes)
	}
}

// pastKeyOf passes what is before a value in what ends with closes: in an object its key, in an array nothing.
func pastKeyOf(text []byte, at int, closes byte) int {
	if closes == ']' {
		return at
	}
	return pastSpace(text, pastColon(text, pastString(text, at)))
}

// pastColon passes the colon behind a key.
func pastColon(text []byte, at int) int {
	if at = pastSpace(text, at); byteAt(text, at) == ':' {
		return at + 1
	}
	return nowhere
}

// pastString passes a string. Any bytes from the space on may be in it, but a quote and a backslash.
func pastString(text []byte, at int) int {
	if byteAt(text, at) != '"' {
		return nowhere
	}
	for at++; ; {
		for at+8 <= len(text) {
			special := specials(binary.LittleEndian.Uint64(text[at : at+8]))
			if special != 0 {
				at += bits.TrailingZeros64(special) / 8
				break
			}
			at += 8
		}
		switch c := byteAt(text, at); {
		case c == '"':
			return at + 1
		case c == '\\':
			if at = pastEscape(text, at); at == nowhere {
				return nowhere
			}
		case c < ' ':
			return nowhere
		default: // among the last seven bytes
			at++
		}
	}
}

// specials has the highest bit of a byte set where the first quote, backslash or control character of eight bytes is. The bits above that one
// mean nothing: a subtraction borrows from them. A byte whose highest bit was set before is none of these.
func specials(eight uint64) uint64 {
	const ones, highest = 0x0101010101010101, 0x8080808080808080
	quote, backslash := eight^('"'*ones), eight^('\\'*ones)
	return ((quote - ones) | (backslash - ones) | (eight - ' '*ones)) &^ eight & highest
}

// pastEscape passes a backslash and what it escapes.
func pastEscape(text []byte, at int) int {
	c := byteAt(text, at+1)
	if simple[c] != 0 {
		return at + 2
	}
	if c != 'u' || at+6 > len(text) {
		return nowhere
	}
	for _, digit := range text[at+2 : at+6] {
		if !isDigit(digit) && (digit|0x20 < 'a' || digit|0x20 > 'f') {
			return nowhere
		}
	}
	return at + 6
}

// pastScalar passes a number, true, false or null.
func pastScalar(text []byte, at int) int {
	switch c := byteAt(text, at); c {
	case 't':
		return pastWord(text, at, "true")
	case 'f':
		return pastWord(text, at, "false")
	case 'n':
		return pastWord(text, at, "null")
	}
	return pastNumber(text, at)
}

func pastWord(text []byte, at int, word string) int {
	if end := at + len(word); end <= len(text) && string(text[at:end]) == word {
		return end
	}
	return nowhere
}

func pastNumber(text []byte, at int) int {
	if byteAt(text, at) == '-' {
		at++
	}
	if byteAt(text, at) == '0' { // what follows it is no digit of this number
		at++
	} else {
		at = pastDigits(text, at)
	}
	if byteAt(text, at) == '.' {
		at = pastDigits(text, at+1)
	}
	if c := byteAt(text, at); c == 'e' || c == 'E' {
		at++
		if sign := byteAt(text, at); sign == '+' || sign == '-' {
			at++
		}
		at = pastDigits(text, at)
	}
	return at
}

// pastDigits passes digits, of which there must be one.
func pastDigits(text []byte, at int) int {
	if !isDigit(byteAt(text, at)) {
		return nowhere
	}
	for isDigit(byteAt(text, at)) {
		at++
	}
	return at
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

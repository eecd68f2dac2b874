package sandbox

import (
	"hash/fnv"
	"math/bits"
)

// dice is a splitmix64 generator. The population's bytes follow from it, so it is fixed here for ever, and small enough
// to be made anew for every user that is served.
type dice struct{ state uint64 }

const goldenRatio = 0x9E3779B97F4A7C15

// roll gives dice that depend on every part and on their order.
func roll(parts ...uint64) dice {
	var d dice
	for _, p := range parts {
		d.state = d.next() ^ p
	}
	return d
}

func (d *dice) next() uint64 {
	d.state += goldenRatio
	z := d.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// below is a number from 0 to n-1; n is at least 1.
func (d *dice) below(n int) int {
	hi, _ := bits.Mul64(d.next(), uint64(n))
	return int(hi)
}

// between is a number from lo to hi, both included.
func (d *dice) between(lo, hi int) int { return lo + d.below(hi-lo+1) }

// percent is true in p of a hundred rolls.
func (d *dice) percent(p int) bool { return d.below(100) < p }

// letters is text of n characters of an alphabet.
func (d *dice) letters(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[d.below(len(alphabet))]
	}
	return string(b)
}

func (d *dice) hex(n int) string { return d.letters(n, "0123456789abcdef") }

func pick[T any](d *dice, from []T) T { return from[d.below(len(from))] }

// sample is n of from in their order; all of them where n is more.
func sample[T any](d *dice, n int, from []T) []T {
	out := make([]T, 0, n)
	for i, v := range from {
		if n > 0 && d.below(len(from)-i) < n {
			out = append(out, v)
			n--
		}
	}
	return out
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // a hash never fails to be written to
	return h.Sum64()
}

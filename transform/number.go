package transform

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/decimal128"
)

// number is a JSON number's text and what types hold it exactly.
type number struct {
	text []byte
}

// few digits are those of which every number comes back from the double that is nearest to it.
const few = 15

// short tells whether the number is a few digits and nothing else, which integers, doubles and decimals hold.
func (n number) short() bool {
	for _, c := range n.text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(n.text) <= few
}

// int is the number as a 64-bit integer; ok is false where it is none, and for -0, which an integer cannot tell from 0.
func (n number) int() (v int64, ok bool) {
	if len(n.text) > 20 || bytes.ContainsAny(n.text, ".eE") || string(n.text) == "-0" {
		return 0, false
	}
	v, err := strconv.ParseInt(string(n.text), 10, 64)
	return v, err == nil
}

// double is the number as binary64; ok is false where the shortest text of that double is not this number.
func (n number) double() (v float64, ok bool) {
	v, err := strconv.ParseFloat(string(n.text), 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, false
	}
	if len(n.text) <= few && !bytes.ContainsAny(n.text, "eE") {
		return v, true
	}
	var buf [32]byte
	return v, canonicalDigits(n.text) == canonicalDigits(strconv.AppendFloat(buf[:0], v, 'e', -1, 64))
}

// decimalDigits is a number as ±0.d₁d₂… × 10^exp, without zeros at either end; zero keeps its sign.
type decimalDigits struct {
	negative bool
	digits   string
	exp      int
}

// Exponents that sums of an exponent and the digits of a text cannot overflow, and one that no such sum comes to.
const (
	maxExponent = 1 << 40
	beyond      = 1 << 60
)

func canonicalDigits(text []byte) decimalDigits {
	s := string(text)
	var d decimalDigits
	if strings.HasPrefix(s, "-") {
		d.negative, s = true, s[1:]
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(strings.TrimPrefix(s[i+1:], "+"))
		if err != nil || e > maxExponent || e < -maxExponent { // no type of ours holds it, and no double has such a text
			return decimalDigits{negative: d.negative, digits: s, exp: beyond}
		}
		d.exp, s = e, s[:i]
	}
	whole, frac, _ := strings.Cut(s, ".")
	digits := whole + frac
	d.exp += len(whole)
	trimmed := strings.TrimLeft(digits, "0")
	d.exp -= len(digits) - len(trimmed)
	d.digits = strings.TrimRight(trimmed, "0")
	if d.digits == "" {
		d.exp = 0
	}
	return d
}

// decimalSize is how many digits the number needs before and after the point; more than a decimal has for a negative zero, which none holds.
func (n number) decimalSize() (whole, scale int) {
	d := canonicalDigits(n.text)
	switch {
	case d.digits == "" && d.negative:
		return 39, 0
	case d.digits == "":
		return 1, 0
	}
	return max(d.exp, 0), max(len(d.digits)-d.exp, 0)
}

// decimal is the number as DECIMAL(38, scale); ok is false where it does not fit exactly, and for a negative zero.
func (n number) decimal(scale int32) (decimal128.Num, bool) {
	d := canonicalDigits(n.text)
	if d.digits == "" {
		return decimal128.Num{}, !d.negative
	}
	if d.exp > 38 || d.exp < -38 {
		return decimal128.Num{}, false
	}
	zeros := int(scale) - (len(d.digits) - d.exp)
	if zeros < 0 || len(d.digits)+zeros > 38 {
		return decimal128.Num{}, false
	}
	v, err := decimal128.FromString(sign(d.negative)+d.digits+strings.Repeat("0", zeros), 38, 0)
	return v, err == nil
}

func sign(negative bool) string {
	if negative {
		return "-"
	}
	return ""
}

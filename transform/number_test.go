package transform

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNumber(t *testing.T) {
	const no = -1 // decimalSize of what no decimal holds is not compared
	for _, tt := range []struct {
		text         string
		int, double  bool
		whole, scale int
	}{
		{"0", true, true, 1, 0},
		{"-0", false, true, 39, 0},
		{"-0.0", false, true, 39, 0},
		{"-0e5", false, true, 39, 0},
		{"0.000", false, true, 1, 0},
		{"0e0", false, true, 1, 0},
		{"1", true, true, 1, 0},
		{"1.0", false, true, 1, 0},
		{"1.10", false, true, 1, 1},
		{"1.0e1", false, true, 2, 0},
		{"1e2", false, true, 3, 0},
		{"9007199254740991", true, true, 16, 0},
		{"9007199254740992", true, true, 16, 0},
		{"9007199254740993", true, false, 16, 0},
		{"-9007199254740993", true, false, 16, 0},
		{"9223372036854775807", true, false, 19, 0},
		{"9223372036854775808", false, false, 19, 0}, // 2^63 is a double, but its shortest text is 9223372036854775807…e3
		{"-9223372036854775808", true, false, 19, 0},
		{"-9223372036854775809", false, false, 19, 0},
		{"9223372036854775807.0", false, false, 19, 0},
		{"18446744073709551616", false, false, 20, 0},
		{"100000000000000000000", false, true, 21, 0},
		{"0.30000000000000004", false, true, 0, 17},
		{"0.1", false, true, 0, 1},
		{"0.1000000000000000055511151231257827", false, false, 0, 34},
		{"123456789012345678901234567890", false, false, 30, 0},
		{"99999999999999999999999999999999999999", false, false, 38, 0},
		{"1e400", false, false, 401, 0},
		{"-1E-400", false, false, 0, 400},
		{"1e308", false, true, 309, 0},
		{"5e-324", false, true, 0, 324},
		{"4.9e-324", false, false, 0, 325},
		{"1e99999999999999999999", false, false, no, 0},
		{"1e-99999999999999999999", false, false, no, 0},
		{"1e9223372036854775807", false, false, no, 0},
		{"-1e-9223372036854775808", false, false, no, 0},
		{"0e99999999999999999999", false, false, no, 0},
	} {
		n := number{[]byte(tt.text)}
		if _, ok := n.int(); ok != tt.int {
			t.Errorf("%s is a BIGINT: %t", tt.text, ok)
		}
		if _, ok := n.double(); ok != tt.double {
			t.Errorf("%s is a DOUBLE: %t", tt.text, ok)
		}
		whole, scale := n.decimalSize()
		if tt.whole != no && (whole != tt.whole || scale != tt.scale) {
			t.Errorf("%s needs %d.%d digits, want %d.%d", tt.text, whole, scale, tt.whole, tt.scale)
		}
		if tt.whole == no && whole+scale <= 38 {
			t.Errorf("%s needs %d.%d digits", tt.text, whole, scale)
		}
		if _, ok := n.decimal(int32(min(max(scale, 0), 38))); ok != (whole+scale <= 38) {
			t.Errorf("%s is a DECIMAL(38,%d): %t", tt.text, scale, ok)
		}
	}
}

// numerals writes JSON numbers of every form.
func numerals() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		sign := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign")
		whole := rapid.OneOf(rapid.Just("0"), rapid.StringMatching(`[1-9][0-9]{0,24}`), rapid.SampledFrom([]string{
			"9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808", "99999999999999999999999999999999999999",
		})).Draw(t, "whole")
		frac := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`\.[0-9]{1,20}`), rapid.StringMatching(`\.0{1,20}[0-9]`)).Draw(t, "fraction")
		exp := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[eE][+-]?[0-9]{1,2}`), rapid.StringMatching(`[eE][+-]?[0-4]?[0-9]{2}`)).Draw(t, "exponent")
		return sign + whole + frac + exp
	})
}

var isInteger = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// The types say they hold a number if and only if arbitrary precision says that what they hold is that number.
func TestNumbersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := numerals().Draw(t, "number")
		n := number{[]byte(text)}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("the test writes %s", text)
		}
		negativeZero := exact.Sign() == 0 && strings.HasPrefix(text, "-")

		i, isInt := n.int()
		if want := isInteger.MatchString(text) && exact.Num().IsInt64(); isInt != want {
			t.Fatalf("%s is a BIGINT: %t", text, isInt)
		}
		if isInt && strconv.FormatInt(i, 10) != text {
			t.Fatalf("%s becomes %d", text, i)
		}

		f, isDouble := n.double()
		nearest, err := strconv.ParseFloat(text, 64)
		shortest, readable := new(big.Rat).SetString(strconv.FormatFloat(nearest, 'e', -1, 64))
		if want := err == nil && readable && shortest.Cmp(exact) == 0; isDouble != want {
			t.Fatalf("%s is a DOUBLE: %t", text, isDouble)
		}
		if isDouble && (f != nearest || math.Signbit(f) != strings.HasPrefix(text, "-")) {
			t.Fatalf("%s becomes %v", text, f)
		}

		scale := rapid.Int32Range(0, 38).Draw(t, "scale")
		unscaled := new(big.Rat).Mul(exact, new(big.Rat).SetInt(pow10(int64(scale))))
		fits := unscaled.IsInt() && new(big.Int).Abs(unscaled.Num()).Cmp(pow10(38)) < 0 && !negativeZero
		d, isDecimal := n.decimal(scale)
		if isDecimal != fits {
			t.Fatalf("%s is a DECIMAL(38,%d): %t", text, scale, isDecimal)
		}
		if isDecimal && d.BigInt().Cmp(unscaled.Num()) != 0 {
			t.Fatalf("%s becomes %s at scale %d", text, d.BigInt(), scale)
		}
		whole, need := n.decimalSize()
		if whole+need <= 38 {
			if _, ok := n.decimal(int32(need)); !ok {
				t.Fatalf("%s does not fit the %d.%d digits it needs", text, whole, need)
			}
			if need > 0 {
				if _, ok := n.decimal(int32(need - 1)); ok {
					t.Fatalf("%s fits fewer than the %d digits it needs behind the point", text, need)
				}
			}
		} else if !negativeZero && new(big.Int).Abs(exact.Num()).Cmp(pow10(38)) < 0 && exact.IsInt() {
			t.Fatalf("%s would fit DECIMAL(38,0)", text)
		}
	})
}

func pow10(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }

// strconv reads exponents of this size wrongly; the number is not taken for the double that comes out.
func TestAFiveMegabyteNumberIsRead(t *testing.T) {
	text := "1" + strings.Repeat("0", 5<<20) + "e-" + strconv.Itoa(5<<20)
	n := number{[]byte(text)}
	if v, ok := n.double(); ok && v != 1 {
		t.Errorf("as a double %v", v)
	}
	if v, ok := n.decimal(3); !ok || v.ToString(3) != "1.000" {
		t.Errorf("%v, %t", v, ok)
	}
}

// A short number is what it would be without the short way.
func TestShortNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := number{[]byte(rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,3})?(e[+-]?[0-9]{1,2})?`).Draw(t, "number"))}
		if !n.short() {
			return
		}
		_, isInt := n.int()
		_, isDouble := n.double()
		whole, scale := n.decimalSize()
		if !isInt || !isDouble || whole != len(n.text) || scale != 0 {
			t.Fatalf("%s: int %v, double %v, %d digits and %d", n.text, isInt, isDouble, whole, scale)
		}
	})
}

// Of a number without an exponent and of few bytes, the double's shortest text is the number.
func TestDoublesOfFewDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,14})?`).Draw(t, "number")
		if len(text) > few {
			return
		}
		v, ok := number{[]byte(text)}.double()
		if shortest := strconv.FormatFloat(v, 'e', -1, 64); !ok || canonicalDigits([]byte(shortest)) != canonicalDigits([]byte(text)) {
			t.Fatalf("%s: %v, %s", text, ok, shortest)
		}
	})
}

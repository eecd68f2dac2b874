package report

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Count writes 5000 as 5,000.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Plural writes a number of things.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(int64(n)) + " " + many
}

// Size writes bytes in units of 1000.
func Size(n int64) string {
	f := float64(n)
	for _, unit := range []string{"bytes", "kB", "MB", "GB"} {
		if f < 1000 && unit == "bytes" {
			return fmt.Sprintf("%d bytes", n)
		}
		if f < 1000 {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
		f /= 1000
	}
	return fmt.Sprintf("%.1f TB", f)
}

// Percent writes a share of 0 to 1; one that is neither is never shown as 0 % or 100 %. Nothing has no share.
func Percent(share *json.Number) string {
	if share == nil {
		return ""
	}
	f, err := strconv.ParseFloat(share.String(), 64)
	switch {
	case err != nil:
		return ""
	case f > 0 && f < 0.01:
		return "<1 %"
	case f > 0.99 && f < 1:
		return ">99 %"
	}
	return fmt.Sprintf("%.0f %%", f*100)
}

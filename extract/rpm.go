package extract

import (
	"fmt"
	"strconv"
)

// RPM is how many requests a minute each endpoint may be sent: a number of 1 or more, spread evenly over the minute; [RPMAuto]; or [RPMNone].
//
// Under any of them a 429 stops its endpoint until the server's Retry-After is over, and X-RateLimit-Remaining: 0 until
// X-RateLimit-Reset. RPMAuto alone also knows the documented limits ([Options.Limits]) and slows down where the server's headers say that
// others draw on the same budget.
type RPM int

// The rates that are no number.
const (
	RPMAuto RPM = 0  // the documented limits and the server's headers; the zero value
	RPMNone RPM = -1 // no schedule
)

// ParseRPM reads "auto", "none" or a number of requests a minute, 1 or more. The empty string is auto.
func ParseRPM(s string) (RPM, error) {
	switch s {
	case "", "auto":
		return RPMAuto, nil
	case "none":
		return RPMNone, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not auto, none or a number of requests a minute", s)
	}
	return RPM(n), nil
}

// String is the text that [ParseRPM] reads.
func (r RPM) String() string {
	switch r {
	case RPMAuto:
		return "auto"
	case RPMNone:
		return "none"
	}
	return strconv.Itoa(int(r))
}

// MarshalText is String, for configuration files.
func (r RPM) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRPM, for configuration files.
func (r *RPM) UnmarshalText(text []byte) error {
	v, err := ParseRPM(string(text))
	if err == nil {
		*r = v
	}
	return err
}

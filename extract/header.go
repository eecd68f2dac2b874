package extract

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serverNow is the server's clock, as its Date header has it where that differs from ours by more than its resolution and a little travel:
// absolute times in the server's headers are in its time.
func serverNow(h http.Header, now time.Time) time.Time {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return now
	}
	if skew := date.Sub(now); skew > -3*time.Second && skew < 2*time.Second {
		return now
	}
	return date
}

// retryAfter reads a Retry-After header: seconds, fractions allowed, or an HTTP date (api/amigo.md §4.2, §4.3). Past times and negative
// numbers are 0. False: there is none, or it makes no sense.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if math.IsNaN(s) {
			return 0, false
		}
		return seconds(s), true
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return max(0, t.Sub(serverNow(h, now))), true
}

// seconds is s as a duration, at least 0 and at most a hundred years, which no caller grants.
func seconds(s float64) time.Duration {
	const century = 100 * 365 * 24 * 3600
	return time.Duration(min(max(s, 0), century) * float64(time.Second))
}

// maxReset is how far away a reset may be for X-RateLimit-Reset to be believed. Windows are minutes (api/amigo.md §4.2); what lies
// further is another unit or another clock, and a 429 will say so if it was meant.
const maxReset = 15 * time.Minute

// rateLimit reads X-RateLimit-Remaining and X-RateLimit-Reset, the latter in UTC epoch seconds (api/amigo.md §4.2), as our clock has it.
// False: one of them is missing or makes no sense.
func rateLimit(h http.Header, now time.Time) (remaining int, reset time.Time, ok bool) {
	remaining, err := strconv.Atoi(strings.TrimSpace(h.Get("X-RateLimit-Remaining")))
	if err != nil {
		return 0, time.Time{}, false
	}
	at, err := strconv.ParseFloat(strings.TrimSpace(h.Get("X-RateLimit-Reset")), 64)
	if err != nil || math.IsNaN(at) || at <= 0 || at >= 1e11 {
		return 0, time.Time{}, false
	}
	whole, part := math.Modf(at)
	wait := time.Unix(int64(whole), int64(part*1e9)).Sub(serverNow(h, now))
	if wait > maxReset {
		return 0, time.Time{}, false
	}
	return max(0, remaining), now.Add(wait), true
}

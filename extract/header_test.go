package extract

import (
	"net/http"
	"testing"
	"time"
)

func header(pairs ...string) http.Header {
	h := make(http.Header)
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

var now = time.Date(2026, 11, 22, 10, 0, 0, 500_000_000, time.UTC) // epoch 1795341600.5

func TestRateLimitHeaders(t *testing.T) {
	tests := []struct {
		name             string
		remaining, reset string
		date             string
		want             int
		wantReset        time.Duration // from now
		ok               bool
	}{
		{"as documented", "59", "1795341630", "", 59, 29500 * time.Millisecond, true},
		{"none left", "0", "1795341605", "", 0, 4500 * time.Millisecond, true},
		{"spaces", " 3 ", " 1795341605 ", "", 3, 4500 * time.Millisecond, true},
		{"fractions", "3", "1795341605.25", "", 3, 4750 * time.Millisecond, true},
		{"gone by", "0", "1795341600", "", 0, -500 * time.Millisecond, true},
		{"overdrawn", "-2", "1795341605", "", 0, 4500 * time.Millisecond, true},
		{"the server's clock is an hour fast", "0", "1795345230", "Sun, 22 Nov 2026 11:00:00 GMT", 0, 30 * time.Second, true},
		{"the server's clock is right", "0", "1795341630", "Sun, 22 Nov 2026 10:00:00 GMT", 0, 29500 * time.Millisecond, true},
		{"too far", "0", "1795345230", "", 0, 0, false},
		{"milliseconds", "0", "1795341630000", "", 0, 0, false},
		{"no number", "many", "1795341630", "", 0, 0, false},
		{"no reset", "5", "", "", 0, 0, false},
		{"not a number", "5", "NaN", "", 0, 0, false},
		{"infinite", "5", "+Inf", "", 0, 0, false},
		{"nothing", "", "", "", 0, 0, false},
	}
	for _, tt := range tests {
		h := header("X-RateLimit-Remaining", tt.remaining, "X-RateLimit-Reset", tt.reset, "Date", tt.date)
		got, reset, ok := rateLimit(h, now)
		if ok != tt.ok || got != tt.want || ok && reset.Sub(now) != tt.wantReset {
			t.Errorf("%s: %d, %v, %v", tt.name, got, reset.Sub(now), ok)
		}
	}
}

// FuzzHeaders: whatever a server puts there, waits are not negative, and a reset that is believed is not far away.
func FuzzHeaders(f *testing.F) {
	f.Add("3", "0", "1795341605", "Sun, 22 Nov 2026 10:00:00 GMT")
	f.Add("Sun, 22 Nov 2026 10:00:05 GMT", "-1", "1e10", "Sun, 22 Nov 1970 10:00:00 GMT")
	f.Add("1e309", "9223372036854775807", "NaN", "")
	f.Fuzz(func(t *testing.T, after, remaining, reset, date string) {
		h := header("Retry-After", after, "X-RateLimit-Remaining", remaining, "X-RateLimit-Reset", reset, "Date", date)
		if d, ok := retryAfter(h, now); d < 0 || d > 0 && !ok {
			t.Errorf("Retry-After: %v, %v", d, ok)
		}
		if n, at, ok := rateLimit(h, now); n < 0 || ok && at.Sub(now) > maxReset {
			t.Errorf("X-RateLimit: %d, %v", n, at.Sub(now))
		}
	})
}

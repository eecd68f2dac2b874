package sandbox

import (
	"strconv"
	"sync"
	"time"
)

// rateLimits counts requests in fixed windows of a minute, an endpoint each (api/amigo.md §4.2).
type rateLimits struct {
	on  bool
	now func() time.Time

	mu      sync.Mutex
	windows map[string]window
}

type window struct {
	minute int64
	count  int
}

func newRateLimits(on bool, now func() time.Time) *rateLimits {
	return &rateLimits{on: on, now: now, windows: make(map[string]window)}
}

// hit counts a request and says whether it is within the limit, with the headers that go with the answer.
func (l *rateLimits) hit(endpoint string, perMinute int) (headers map[string]string, within bool) {
	if !l.on || perMinute == 0 {
		return nil, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	w := l.windows[endpoint]
	if minute := now.Unix() / 60; w.minute != minute {
		w = window{minute: minute}
	}
	w.count++
	l.windows[endpoint] = w
	reset := (w.minute + 1) * 60
	headers = map[string]string{
		"X-RateLimit-Limit":     strconv.Itoa(perMinute),
		"X-RateLimit-Remaining": strconv.Itoa(max(0, perMinute-w.count)),
		"X-RateLimit-Reset":     strconv.FormatInt(reset, 10),
	}
	if w.count > perMinute {
		headers["Retry-After"] = strconv.FormatInt(reset-now.Unix(), 10)
		return headers, false
	}
	return headers, true
}

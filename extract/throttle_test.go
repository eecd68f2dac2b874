package extract_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

// script is a server in memory that answers the n-th request, from 1, by what f returns; it notes when each came.
type script struct {
	mu   sync.Mutex
	sent []time.Time
	f    func(n int, r *http.Request) (*http.Response, error)
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.sent = append(s.sent, time.Now())
	n := len(s.sent)
	s.mu.Unlock()
	return s.f(n, r)
}

// times is when the requests so far came.
func (s *script) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// once answers every request but the first with an empty object.
func once(first func() *http.Response) func(int, *http.Request) (*http.Response, error) {
	return func(n int, _ *http.Request) (*http.Response, error) {
		if n == 1 {
			return first(), nil
		}
		return reply(200, "{}"), nil
	}
}

func TestRetryAfterIsWaitedOut(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	tests := []struct {
		name    string
		headers func() []string
		want    time.Duration
	}{
		{"seconds", func() []string { return []string{"Retry-After: 3"} }, 3 * time.Second},
		{"a whole minute", func() []string { return []string{"Retry-After: 60"} }, time.Minute},
		{"a fraction", func() []string { return []string{"Retry-After: 0.5"} }, 500 * time.Millisecond},
		{"zero", func() []string { return []string{"Retry-After: 0"} }, 0},
		{"negative", func() []string { return []string{"Retry-After: -7"} }, 0},
		{"a date", func() []string { return []string{"Retry-After: " + date(42*time.Second)} }, 42 * time.Second},
		{"a date gone by", func() []string { return []string{"Retry-After: " + date(-time.Hour)} }, 0},
		{"a date of a server whose clock is an hour fast", func() []string {
			return []string{"Retry-After: " + date(time.Hour+9*time.Second), "Date: " + date(time.Hour)}
		}, 9 * time.Second},
		{"none", func() []string { return nil }, 1250 * time.Millisecond},
		{"nonsense", func() []string { return []string{"Retry-After: soon"} }, 1250 * time.Millisecond},
		{"not a number", func() []string { return []string{"Retry-After: NaN"} }, 1250 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen events
				s := &script{f: once(func() *http.Response { return reply(429, "", tt.headers()...) })}
				c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s, Hooks: seen.hooks(), Retry: extract.Retry{Jitter: noJitter}})
				mustDo(t.Context(), t, c, listCall())
				if got := s.sent[1].Sub(s.sent[0]); got != tt.want {
					t.Errorf("sent again after %v, want %v", got, tt.want)
				}
				if len(seen.throttles) != 1 || seen.throttles[0] != tt.want || len(seen.retries) != 0 || seen.requests[extract.KindList] != 2 {
					t.Errorf("hooks told of throttles %v, retries %v, requests %v", seen.throttles, seen.retries, seen.requests)
				}
			})
		})
	}
}

// TestRetryAfterHoldsBackEverybody: of several requests to an endpoint one meets a 429; none of the others goes before its time, while
// another endpoint is not held up.
func TestRetryAfterHoldsBackEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{f: once(func() *http.Response { return reply(429, "", "Retry-After: 30") })}
		c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s})
		var all sync.WaitGroup
		all.Go(func() { mustDo(t.Context(), t, c, listCall()) })
		synctest.Wait()
		for range 3 {
			all.Go(func() { mustDo(t.Context(), t, c, listCall()) })
		}
		mustDo(t.Context(), t, c, modelCall())
		if sent := s.times(); len(sent) != 2 || sent[1] != sent[0] {
			t.Errorf("the model was held up with the list: %v", sent)
		}
		all.Wait()
		sent := s.times()
		for _, at := range sent[2:] {
			if at.Sub(sent[0]) < 30*time.Second {
				t.Errorf("a list request went %v after the 429", at.Sub(sent[0]))
			}
		}
		if len(sent) != 6 {
			t.Errorf("%d requests", len(sent))
		}
	})
}

// TestThrottledForMinutes: 429s do not use up attempts; a server that refuses for ten minutes, and says so, is waited out.
func TestThrottledForMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &script{f: func(int, *http.Request) (*http.Response, error) {
			if time.Since(start) < 7*time.Minute {
				return reply(429, "", "Retry-After: 60"), nil
			}
			return reply(200, "{}"), nil
		}}
		c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s})
		mustDo(t.Context(), t, c, listCall())
		if len(s.sent) != 8 {
			t.Errorf("%d requests, want one a minute", len(s.sent))
		}
	})
}

// TestThrottledForever: a limit that waiting does not lift ends in bounded time and few requests.
func TestThrottledForever(t *testing.T) {
	tests := []struct {
		name     string
		headers  []string
		requests int
		longest  time.Duration
	}{
		{"without Retry-After", nil, 10, 3 * time.Minute},
		{"with one that does not help", []string{"Retry-After: 1"}, 11, 3 * time.Minute},
		{"with one of zero", []string{"Retry-After: 0"}, 11, 3 * time.Minute},
		{"with one of a day", []string{"Retry-After: 86400"}, 1, 0},
		{"with one beyond all measure", []string{"Retry-After: 1e300"}, 1, 0},
		{"with one without end", []string{"Retry-After: +Inf"}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen events
				s := &script{f: func(int, *http.Request) (*http.Response, error) { return reply(429, "", tt.headers...), nil }}
				c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s, Hooks: seen.hooks()})
				start := time.Now()
				_, err := c.Do(t.Context(), listCall(), nil)
				var unavailable *extract.UnavailableError
				if !errors.As(err, &unavailable) || unavailable.Status != 429 || len(unavailable.Hints()) == 0 {
					t.Fatalf("error %v", err)
				}
				if took := time.Since(start); took > tt.longest || len(s.sent) > tt.requests || len(seen.throttles) != len(s.sent) {
					t.Errorf("gave up after %v and %d requests (%d throttles told)", took, len(s.sent), len(seen.throttles))
				}
			})
		})
	}
}

// TestRetryAfterOf503: the endpoint rests as asked, and a rest longer than the time a fault is given ends the call.
func TestRetryAfterOf503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{f: once(func() *http.Response { return reply(503, "", "Retry-After: 20") })}
		c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s})
		mustDo(t.Context(), t, c, listCall())
		if got := s.sent[1].Sub(s.sent[0]); got != 20*time.Second {
			t.Errorf("sent again after %v", got)
		}
		s.sent, s.f = nil, func(int, *http.Request) (*http.Response, error) { return reply(503, "", "Retry-After: 600"), nil }
		_, err := c.Do(t.Context(), listCall(), nil)
		var unavailable *extract.UnavailableError
		if !errors.As(err, &unavailable) || len(s.sent) != 1 || fmt.Sprint(unavailable.Hints()) != "[the API asks to come back in 10m0s]" {
			t.Errorf("%d requests, error %v", len(s.sent), err)
		}
	})
}

// TestBackOff: waits double up to the cap, are drawn from the whole range, and end with the attempts or the time.
func TestBackOff(t *testing.T) {
	s := time.Second
	tests := []struct {
		name  string
		retry extract.Retry
		slow  time.Duration // each attempt takes this long
		want  []time.Duration
	}{
		{"eight attempts", extract.Retry{Jitter: noJitter}, 0, []time.Duration{s / 4, s / 2, s, 2 * s, 4 * s, 8 * s, 16 * s}},
		{"capped", extract.Retry{Jitter: noJitter, Attempts: 10, Failing: time.Hour}, 0,
			[]time.Duration{s / 4, s / 2, s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s}},
		{"150 seconds of failing", extract.Retry{Jitter: noJitter}, 29 * s, []time.Duration{s / 4, s / 2, s, 2 * s}},
		{"no wait", extract.Retry{Jitter: instantly, Attempts: 3}, 0, []time.Duration{0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen events
				srv := &script{f: func(int, *http.Request) (*http.Response, error) {
					time.Sleep(tt.slow)
					return reply(500, "boom"), nil
				}}
				c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: srv, Hooks: seen.hooks(), Retry: tt.retry})
				_, err := c.Do(t.Context(), listCall(), nil)
				var unavailable *extract.UnavailableError
				if !errors.As(err, &unavailable) || unavailable.Status != 500 || unavailable.Attempts != len(srv.sent) {
					t.Errorf("error %v", err)
				}
				if fmt.Sprint(seen.waits) != fmt.Sprint(tt.want) || len(srv.sent) != len(tt.want)+1 {
					t.Errorf("%d requests, waits %v, want %v", len(srv.sent), seen.waits, tt.want)
				}
			})
		})
	}
}

// TestJitterIsFull: without a Jitter of the caller's, waits are spread over the whole range.
func TestJitterIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen events
		s := &script{f: func(n int, _ *http.Request) (*http.Response, error) { return reply(500+4*(n%2), ""), nil }}
		c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s, Hooks: seen.hooks(), Retry: extract.Retry{Attempts: 2}})
		for range 400 {
			if _, err := c.Do(t.Context(), listCall(), nil); err == nil {
				t.Fatal("no error")
			}
		}
		low, high := 0, 0
		for _, w := range seen.waits {
			switch {
			case w < 0 || w > 250*time.Millisecond:
				t.Fatalf("waited %v", w)
			case w < 50*time.Millisecond:
				low++
			case w > 200*time.Millisecond:
				high++
			}
		}
		if low < 40 || high < 40 {
			t.Errorf("of 400 waits %d are in the lowest and %d in the highest fifth", low, high)
		}
	})
}

// TestBackOffEndsWithTheContext: a run that is called off is not kept by a wait.
func TestBackOffEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{f: func(int, *http.Request) (*http.Response, error) { return reply(429, "", "Retry-After: 600"), nil }}
		c := newClient(t, extract.Options{Transport: s})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Do(ctx, listCall(), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("returned after %v", took)
		}
	})
}

package extract_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/freddy"
)

// window is a server's rate limit of one endpoint. take counts a request now and says whether it is allowed, how many remain and when
// that number is reset.
type window interface {
	take(now time.Time) (ok bool, remaining int, reset time.Time)
}

// fixed counts in windows aligned to the clock, shifted by phase.
type fixed struct {
	limit         int
	length, phase time.Duration
	slot          int64
	n             int
}

func (w *fixed) take(now time.Time) (bool, int, time.Time) {
	at := now.Add(-w.phase).UnixNano()
	if slot := at / int64(w.length); slot != w.slot {
		w.slot, w.n = slot, 0
	}
	w.n++
	return w.n <= w.limit, max(0, w.limit-w.n), time.Unix(0, (w.slot+1)*int64(w.length)).Add(w.phase)
}

// sliding counts the allowed requests of the last length.
type sliding struct {
	limit  int
	length time.Duration
	log    []time.Time
}

func (w *sliding) take(now time.Time) (bool, int, time.Time) {
	for len(w.log) > 0 && now.Sub(w.log[0]) >= w.length {
		w.log = w.log[1:]
	}
	ok := len(w.log) < w.limit
	if ok {
		w.log = append(w.log, now)
	}
	return ok, w.limit - len(w.log), w.log[0].Add(w.length)
}

// limited is a server in memory with a limit for each endpoint and latencies in both directions.
type limited struct {
	mu      sync.Mutex
	rng     *rand.Rand
	windows map[string]window
	headers bool
	latency time.Duration // of the whole way there and back, at most
	foreign int           // requests of somebody else before each of ours
	served  map[string]int
	refused int
	last    map[string]time.Time // when the last request came
}

func (s *limited) RoundTrip(r *http.Request) (*http.Response, error) {
	endpoint := "list"
	if strings.HasSuffix(r.URL.Path, "user_model") {
		endpoint = "model"
	}
	time.Sleep(s.draw())
	resp := s.answer(endpoint)
	time.Sleep(s.draw())
	return resp, nil
}

func (s *limited) draw() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.rng.Int64N(int64(s.latency/2) + 1))
}

func (s *limited) answer(endpoint string) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for range s.foreign {
		s.windows[endpoint].take(now)
	}
	ok, remaining, reset := s.windows[endpoint].take(now)
	s.last[endpoint] = now
	var headers []string
	if s.headers {
		headers = append(headers, "X-RateLimit-Limit: 60", fmt.Sprintf("X-RateLimit-Remaining: %d", remaining),
			fmt.Sprintf("X-RateLimit-Reset: %.0f", math.Ceil(float64(reset.UnixNano())/1e9)))
	}
	if !ok {
		s.refused++
		headers = append(headers, fmt.Sprintf("Retry-After: %d", int(math.Ceil(reset.Sub(now).Seconds()))))
		return reply(429, `{"detail":"Too Many Requests"}`, headers...)
	}
	s.served[endpoint]++
	return reply(200, "{}", headers...)
}

func newLimited(seed uint64, list, model window) *limited {
	return &limited{rng: rand.New(rand.NewPCG(seed, 0)), windows: map[string]window{"list": list, "model": model},
		served: make(map[string]int), last: make(map[string]time.Time)}
}

// TestRateIsUsedAndNothingRefused sends about 600 list requests, one after another, beside as many model requests, four at a time, against
// limits counted in every way a server may.
func TestRateIsUsedAndNothingRefused(t *testing.T) {
	const enough = 600
	tests := []struct {
		name    string
		limit   int
		length  time.Duration
		rpm     extract.RPM
		headers bool
		latency time.Duration // there and back, at most
	}{
		{"documented limits", 60, time.Minute, extract.RPMAuto, false, 300 * time.Millisecond},
		{"documented limits and headers", 60, time.Minute, extract.RPMAuto, true, 300 * time.Millisecond},
		{"slow server", 60, time.Minute, extract.RPMAuto, true, 800 * time.Millisecond},
		{"6 a minute", 6, time.Minute, extract.RPMAuto, false, 600 * time.Millisecond},
		{"40 a minute by flag", 40, time.Minute, 40, false, 300 * time.Millisecond},
		{"600 a minute by flag", 600, time.Minute, 600, true, 80 * time.Millisecond},
		{"30 a second by flag", 30, time.Second, 1800, false, 8 * time.Millisecond},
	}
	for _, tt := range tests {
		kinds := map[string]func() window{
			"fixed": func() window { return &fixed{limit: tt.limit, length: tt.length} },
			"fixed, phased": func() window {
				return &fixed{limit: tt.limit, length: tt.length, phase: 17*tt.length/60 + 123*time.Millisecond}
			},
			"sliding": func() window { return &sliding{limit: tt.limit, length: tt.length} },
		}
		span := time.Duration(enough/tt.limit) * tt.length
		for kind, makeWindow := range kinds {
			for seed := range uint64(2) {
				t.Run(fmt.Sprintf("%s/%s/%d", tt.name, kind, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newLimited(seed, makeWindow(), makeWindow())
						s.headers, s.latency = tt.headers, tt.latency
						limits := map[extract.Kind]int{extract.KindList: tt.limit, extract.KindModel: tt.limit}
						c := newClient(t, extract.Options{RPM: tt.rpm, Limits: limits, Transport: s})
						time.Sleep(7700 * time.Millisecond) // into the first window
						start := time.Now()
						var all sync.WaitGroup
						keepAsking(t, &all, c, listCall(), 1, start.Add(span))
						keepAsking(t, &all, c, modelCall(), 4, start.Add(span))
						all.Wait()
						if s.refused > 0 {
							t.Errorf("%d requests were refused", s.refused)
						}
						for _, endpoint := range []string{"list", "model"} {
							allowed := float64(tt.limit) * float64(s.last[endpoint].Sub(start)) / float64(tt.length)
							share := float64(s.served[endpoint]) / allowed
							t.Logf("%s: %d of %.0f, %.2f %%", endpoint, s.served[endpoint], allowed, 100*share)
							if share < 0.98 {
								t.Errorf("%s: %.2f %% of what is allowed was used", endpoint, 100*share)
							}
						}
					})
				})
			}
		}
	}
}

// keepAsking sends a call again and again till the end, n at a time.
func keepAsking(t *testing.T, all *sync.WaitGroup, c *extract.Client, call extract.Call, n int, end time.Time) {
	for range n {
		all.Go(func() {
			for time.Now().Before(end) {
				if _, err := c.Do(t.Context(), call, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
}

// TestRateOthersDrawOnTheBudget: somebody else uses two requests of the organization's for each of ours, and only the headers tell.
func TestRateOthersDrawOnTheBudget(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			s := newLimited(3, &fixed{limit: 60, length: time.Minute}, &fixed{limit: 60, length: time.Minute})
			s.headers, s.latency, s.foreign = true, 300*time.Millisecond, 2
			c := newClient(t, extract.Options{Limits: map[extract.Kind]int{extract.KindModel: 60}, Transport: s})
			start := time.Now()
			var all sync.WaitGroup
			keepAsking(t, &all, c, modelCall(), concurrency, start.Add(20*time.Minute))
			all.Wait()
			if s.refused > 0 {
				t.Errorf("%d at a time: %d requests were refused", concurrency, s.refused)
			}
			if got := s.served["model"]; got < 370 {
				t.Errorf("%d at a time: %d served of about 400 that were left to us", concurrency, got)
			}
		})
	}
}

// TestRateListAndLookupShare: look-ups are list requests to the server, and to its limit.
func TestRateListAndLookupShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLimited(1, &fixed{limit: 60, length: time.Minute}, nil)
		s.latency = 100 * time.Millisecond
		c := newClient(t, extract.Options{Limits: map[extract.Kind]int{extract.KindList: 60}, Transport: s})
		start := time.Now()
		lookup := listCall()
		lookup.Kind = extract.KindLookup
		var all sync.WaitGroup
		keepAsking(t, &all, c, listCall(), 1, start.Add(5*time.Minute))
		keepAsking(t, &all, c, lookup, 1, start.Add(5*time.Minute))
		all.Wait()
		if s.refused > 0 || s.served["list"] < 294 || s.served["list"] > 301 {
			t.Errorf("%d served and %d refused of 300 allowed", s.served["list"], s.refused)
		}
	})
}

// TestRateOrganizationsAreApart: a limit is an organization's.
// TestRateFreddyLimitsTheKey: whatever is asked of Freddy, and about whichever organization, draws on one budget.
func TestRateFreddyLimitsTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLimited(1, &fixed{limit: 100, length: time.Minute}, nil)
		s.latency = 100 * time.Millisecond
		c := newClient(t, extract.Options{Limits: freddy.Limits(), Transport: s})
		end := time.Now().Add(5 * time.Minute)
		var all sync.WaitGroup
		for _, k := range []extract.Kind{extract.KindFreddyList, extract.KindFreddyBatch, extract.KindFreddyGet} {
			call := listCall()
			call.Kind, call.Org = k, string(k)
			keepAsking(t, &all, c, call, 2, end)
		}
		all.Wait()
		if s.refused > 0 || s.served["list"] < 490 || s.served["list"] > 501 {
			t.Errorf("%d served and %d refused of 500 allowed", s.served["list"], s.refused)
		}
	})
}

func TestRateOrganizationsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		var seen events
		c := newClient(t, extract.Options{RPM: 6, Hooks: seen.hooks(), Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			requests++
			return reply(200, "{}"), nil
		})})
		start := time.Now()
		for _, org := range []string{"a", "b", "c"} {
			mustDo(t.Context(), t, c, extract.Call{Org: org, Kind: extract.KindList, Method: "GET", Path: "/"})
		}
		if took := time.Since(start); took != 0 || requests != 3 {
			t.Errorf("%d requests to three organizations took %v", requests, took)
		}
		mustDo(t.Context(), t, c, extract.Call{Org: "a", Kind: extract.KindList, Method: "GET", Path: "/"})
		if took := time.Since(start); took != 10100*time.Millisecond || seen.queued != took {
			t.Errorf("the second request to one of them came after %v, told as %v, want a sixth of a minute and 1 %%", took, seen.queued)
		}
	})
}

// TestRateRemainingZero: a server that has none left is not asked before its reset, under any RPM.
func TestRateRemainingZero(t *testing.T) {
	for _, rpm := range []extract.RPM{extract.RPMAuto, extract.RPMNone, 6000} {
		synctest.Test(t, func(t *testing.T) {
			var sent []time.Time
			var reset time.Time
			c := newClient(t, extract.Options{RPM: rpm, Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				sent = append(sent, time.Now())
				if len(sent) == 2 {
					reset = time.Now().Truncate(time.Second).Add(5 * time.Second)
					return reply(200, "{}", "X-RateLimit-Remaining: 0", fmt.Sprintf("X-RateLimit-Reset: %d", reset.Unix())), nil
				}
				return reply(200, "{}"), nil
			})})
			for range 4 {
				mustDo(t.Context(), t, c, listCall())
			}
			if sent[2].Before(reset) || sent[2].After(reset.Add(time.Second)) {
				t.Errorf("rpm %v: the third request went %v after the reset", rpm, sent[2].Sub(reset))
			}
			if gap := sent[3].Sub(sent[2]); gap > time.Second {
				t.Errorf("rpm %v: the fourth request went %v after the third", rpm, gap)
			}
		})
	}
}

// TestRateWaitsEndWithTheContext: whoever waits for a turn, a slot or a reset can be called off.
func TestRateWaitsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, extract.Options{RPM: 1, Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return reply(200, "{}"), nil
		})})
		mustDo(t.Context(), t, c, listCall())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := c.Do(ctx, listCall(), nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("returned after %v", took)
		}
		mustDo(t.Context(), t, c, listCall())
		if took := time.Since(start); took != 60600*time.Millisecond {
			t.Errorf("those who gave up cost a slot: the next request went after %v", took)
		}
	})
}

package amigo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// bank is a server that exchanges a key for tokens and wants them.
type bank struct {
	*server
	mu      sync.Mutex
	life    time.Duration
	expires func(issued time.Time) string // what expires_at says; nil: the truth
	latency time.Duration
	signIn  func() int // status of the sign-in; nil: 200
	tokens  map[string]time.Time
	issued  int
	refuse  bool // every list request
}

func newBank(life time.Duration) *bank {
	b := &bank{life: life, tokens: make(map[string]time.Time)}
	b.server = &server{answer: b.serve}
	return b
}

func (b *bank) serve(r *http.Request) (int, string) {
	time.Sleep(b.latency)
	b.mu.Lock()
	defer b.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/signin_with_api_key") {
		if b.signIn != nil {
			if status := b.signIn(); status != 200 {
				return status, ""
			}
		}
		if r.Method != "POST" || r.Header.Get("X-Api-Key") != "key" || r.Header.Get("X-Api-Key-Id") != "id" || r.Header.Get("X-User-Id") != "who" {
			return 401, `{"detail":"Invalid API key"}`
		}
		b.issued++
		token := fmt.Sprintf("token-%d", b.issued)
		b.tokens[token] = time.Now().Add(b.life)
		expires := time.Now().Add(b.life).UTC().Format("2006-01-02T15:04:05.999999Z07:00")
		if b.expires != nil {
			expires = b.expires(time.Now())
		}
		return 200, fmt.Sprintf(`{"expires_at":%q,"id_token":%q}`, expires, token)
	}
	end, ok := b.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !ok || b.refuse || !time.Now().Before(end) {
		return 401, ""
	}
	return 200, `{"users":[],"has_more":false,"continuation_token":null}`
}

// expire makes every token so far worthless.
func (b *bank) expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.tokens)
}

func (b *bank) source(t *testing.T, creds Credentials) *Source {
	return New(newClient(t, extract.Options{Transport: b, Auth: NewKeyAuth(creds)}), Options{Org: org})
}

var goodCreds = Credentials{Key: "key", KeyID: "id", UserID: "who"}

func page(t *testing.T, s *Source) error {
	t.Helper()
	_, err := s.Page(t.Context(), sweep.Query{Limit: 100})
	return err
}

func TestKeyExchange(t *testing.T) {
	b := newBank(time.Hour)
	s := b.source(t, goodCreds)
	for range 3 {
		if err := page(t, s); err != nil {
			t.Fatal(err)
		}
	}
	if b.count("POST /v1/acme-health/user/signin_with_api_key") != 1 || len(b.log) != 4 {
		t.Errorf("sent %q", b.log)
	}
}

// TestRefusedKey: one sign-in and nothing else, however many ask and however often.
func TestRefusedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(time.Hour)
		b.latency = time.Second
		s := b.source(t, Credentials{Key: "wrong", KeyID: "id", UserID: "who"})
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 2 {
					var refused *extract.RefusedError
					if err := page(t, s); !errors.As(err, &refused) || refused.Kind != extract.KindSignIn || strings.Contains(err.Error(), "wrong") {
						t.Errorf("error %v", err)
					}
				}
			})
		}
		all.Wait()
		if len(b.log) != 1 {
			t.Errorf("sent %q", b.log)
		}
	})
}

// TestSignInFailures: a passing fault is tried again, a lasting one ends the call, an unknown organization is told apart.
func TestSignInFailures(t *testing.T) {
	tests := []struct {
		name     string
		statuses []int // then 200
		requests int   // sign-ins
		target   any
	}{
		{"passing 503", []int{503, 503}, 3, nil},
		{"passing 429", []int{429}, 2, nil},
		{"lasting 500", []int{500, 500, 500, 500}, 3, new(*extract.UnavailableError)},
		{"404", []int{404}, 1, new(*extract.OrgNotFoundError)},
		{"403", []int{403}, 1, new(*extract.RefusedError)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBank(time.Hour)
				b.signIn = func() int {
					if len(tt.statuses) == 0 {
						return 200
					}
					status := tt.statuses[0]
					tt.statuses = tt.statuses[1:]
					return status
				}
				err := page(t, b.source(t, goodCreds))
				if (tt.target == nil) != (err == nil) || tt.target != nil && !errors.As(err, tt.target) || b.count("signin") != tt.requests {
					t.Errorf("error %v after %d sign-ins", err, b.count("signin"))
				}
			})
		})
	}
}

// TestShortTokens: tokens of two seconds are renewed about once a lifetime, before they are refused, whoever asks.
func TestShortTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(2 * time.Second)
		b.latency = 50 * time.Millisecond
		s := b.source(t, goodCreds)
		start := time.Now()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for time.Since(start) < time.Minute {
					if err := page(t, s); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		if n := b.count("signin"); n < 30 || n > 40 {
			t.Errorf("%d sign-ins in a minute", n)
		}
	})
}

// TestRenewal: five minutes or a fifth of its life before a token's end, whichever is shorter; never by a clock that makes no sense.
func TestRenewal(t *testing.T) {
	tests := []struct {
		name    string
		life    time.Duration
		expires func(time.Time) string
		renewed time.Duration // 0: not before it is refused
	}{
		{"an hour", time.Hour, nil, 55 * time.Minute},
		{"ten minutes", 10 * time.Minute, nil, 8 * time.Minute},
		{"an offset", time.Hour, func(at time.Time) string {
			return at.Add(time.Hour).In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339Nano)
		}, 55 * time.Minute},
		{"expired when issued, by a wrong clock", 2 * time.Hour, func(at time.Time) string { return at.Add(-time.Hour).UTC().Format(time.RFC3339) }, 0},
		{"no date", 2 * time.Hour, func(time.Time) string { return "tomorrow" }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBank(tt.life)
				b.expires = tt.expires
				s := b.source(t, goodCreds)
				start := time.Now()
				for b.count("signin") < 2 && time.Since(start) < 90*time.Minute {
					if err := page(t, s); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				if tt.renewed == 0 {
					if b.count("signin") != 1 {
						t.Errorf("renewed after %v", time.Since(start))
					}
					return
				}
				if got := time.Since(start) - time.Second; got != tt.renewed || b.issued != 2 {
					t.Errorf("renewed after %v, want %v", got, tt.renewed)
				}
			})
		})
	}
}

// TestExpiredEarly: tokens refused before their time, in the middle of four requests: one goroutine signs in, once, and all go on.
func TestExpiredEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(time.Hour)
		b.latency = time.Second
		s := b.source(t, goodCreds)
		if err := page(t, s); err != nil {
			t.Fatal(err)
		}
		b.expire()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := page(t, s); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if b.count("signin") != 2 || b.count("GET") != 9 {
			t.Errorf("%d sign-ins and %d list requests", b.count("signin"), b.count("GET"))
		}
	})
}

// TestAlways401: sign-in works and nothing else does.
func TestAlways401(t *testing.T) {
	b := newBank(time.Hour)
	b.refuse = true
	err := page(t, b.source(t, goodCreds))
	var refused *extract.RefusedError
	if !errors.As(err, &refused) || refused.Kind != extract.KindList || b.count("signin") > 3 || b.count("GET") > 4 {
		t.Errorf("error %v after %d sign-ins and %d list requests", err, b.count("signin"), b.count("GET"))
	}
}

// TestOrganizationsSignInApart: a token is an organization's.
func TestOrganizationsSignInApart(t *testing.T) {
	b := newBank(time.Hour)
	c := newClient(t, extract.Options{Transport: b, Auth: NewKeyAuth(goodCreds)})
	for _, org := range []string{"a", "b", "a"} {
		if err := page(t, New(c, Options{Org: org})); err != nil {
			t.Fatal(err)
		}
	}
	if b.count("/v1/a/user/signin") != 1 || b.count("/v1/b/user/signin") != 1 {
		t.Errorf("sent %q", b.log)
	}
}

// TestAbandonedSignIn: when whoever signs in is called off, the next in line does it.
func TestAbandonedSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(time.Hour)
		first := make(chan struct{})
		b.signIn = func() int {
			if b.count("signin") == 1 {
				close(first)
				b.mu.Unlock()
				time.Sleep(time.Minute)
				b.mu.Lock()
			}
			return 200
		}
		auth := NewKeyAuth(goodCreds)
		c := newClient(t, extract.Options{Transport: cancellable{b}, Auth: auth})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := auth.Authorize(ctx, c, org, http.Header{}); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
		<-first
		all.Go(func() {
			h := http.Header{}
			if _, err := auth.Authorize(t.Context(), c, org, h); err != nil || !strings.HasPrefix(h.Get("Authorization"), "Bearer token-") {
				t.Errorf("%v, %v", h, err)
			}
		})
		synctest.Wait()
		impatient, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := auth.Authorize(impatient, c, org, http.Header{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		cancel()
		all.Wait()
		time.Sleep(time.Minute) // till the server has done with the request that was called off
	})
}

// cancellable answers in a goroutine of its own, so that a request can be called off.
type cancellable struct{ next http.RoundTripper }

func (c cancellable) RoundTrip(r *http.Request) (*http.Response, error) {
	type result struct {
		resp *http.Response
		err  error
	}
	done := make(chan result, 1)
	go func() {
		resp, err := c.next.RoundTrip(r)
		done <- result{resp, err}
	}()
	select {
	case res := <-done:
		return res.resp, res.err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func TestDecodeToken(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for body, want := range map[string]string{
		"":                            "not a sign-in's answer",
		"[]":                          "not a sign-in's answer",
		`{"id_token":"canary","exp`:   "not a sign-in's answer",
		`{"id_token":7}`:              "not a sign-in's answer",
		`{}`:                          "without a token",
		`{"id_token":""}`:             "without a token",
		`{"id_token":"cana\r\nry"}`:   "no header can carry",
		`{"id_token":"cana ry"}`:      "no header can carry",
		`{"id_token":"canary\u00e9"}`: "no header can carry",
	} {
		if _, err := decodeToken([]byte(body), at); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "cana") {
			t.Errorf("%s: %v", body, err)
		}
	}
	got, err := decodeToken([]byte(`{"x":1,"id_token":"a.b.c","expires_at":"2026-11-22T10:10:00.5Z"}`), at)
	if err != nil || got.token.Reveal() != "a.b.c" || got.renewAt.Sub(at) != 480400*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
}

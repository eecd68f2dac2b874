package extract_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/extract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// roundTrip is a server in memory, for clocks that are not real.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// reply makes a response. headers are "Name: value".
func reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		h.Set(name, value)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

const loopback = "http://127.0.0.1:9"

// noJitter makes the waits between attempts as long as they can be; instantly makes them nothing.
func noJitter(limit time.Duration) time.Duration { return limit }
func instantly(time.Duration) time.Duration      { return 0 }

func newClient(t *testing.T, o extract.Options) *extract.Client {
	t.Helper()
	if o.BaseURL == "" {
		o.BaseURL = loopback
	}
	c, err := extract.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func listCall() extract.Call {
	return extract.Call{Org: "acme", Kind: extract.KindList, Method: "GET", Path: "/v1/acme/user/"}
}

func modelCall() extract.Call {
	return extract.Call{Org: "acme", Kind: extract.KindModel, Method: "GET", Path: "/v1/acme/user/u-1/user_model", Final: []int{403, 404}}
}

// events is a log of what hooks told, and its counts.
type events struct {
	mu        sync.Mutex
	requests  map[extract.Kind]int
	answers   map[int]int // by status
	replayed  int
	retries   []string
	waits     []time.Duration // of the retries
	throttles []time.Duration
	queued    time.Duration
	signIns   int
}

func (e *events) hooks() extract.Hooks {
	e.requests, e.answers = make(map[extract.Kind]int), make(map[int]int)
	return extract.Hooks{
		OnRequest: func(k extract.Kind, _ string) { e.do(func() { e.requests[k]++ }) },
		OnAnswer: func(_ extract.Kind, _ string, status, _ int, _ time.Duration, replayed bool) {
			e.do(func() {
				e.answers[status]++
				if replayed {
					e.replayed++
				}
			})
		},
		OnRetry: func(_ extract.Kind, _ string, reason string, wait time.Duration) {
			e.do(func() { e.retries, e.waits = append(e.retries, reason), append(e.waits, wait) })
		},
		OnThrottle: func(_ extract.Kind, _ string, wait time.Duration) {
			e.do(func() { e.throttles = append(e.throttles, wait) })
		},
		OnWait:   func(_ extract.Kind, _ string, wait time.Duration) { e.do(func() { e.queued += wait }) },
		OnSignIn: func(string) { e.do(func() { e.signIns++ }) },
	}
}

func (e *events) do(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func mustDo(ctx context.Context, t *testing.T, c *extract.Client, call extract.Call) extract.Answer {
	t.Helper()
	a, err := c.Do(ctx, call, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

package extract

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// authorizer puts credentials on requests. [Static] is one; so is the key exchange of package amigo.
type authorizer interface {
	// Authorize sets the headers of h that credentials for org need, signing in by c if it must. The generation tells these credentials
	// from later ones.
	Authorize(ctx context.Context, c *Client, org string, h http.Header) (generation int, err error)
	// Refused is told that credentials of that generation met a 401. It says whether Authorize can come by others.
	Refused(org string, generation int) (renewable bool)
}

// recorder is the journal's side: what was received before, and where what is received goes.
type recorder interface {
	// Recorded returns the next usable answer recorded for the same call, in the order they were recorded, each once. False: none is left.
	Recorded(c Call) (Answer, bool)
	// Record returns when a is durable. An error stops the run.
	Record(ctx context.Context, c Call, a Answer, usable bool) error
}

// Options say what a Client is to be. Only BaseURL is required.
type Options struct {
	BaseURL string       // as [ParseBaseURL] takes it
	Hosts   []string     // the hosts of the API's regions, for hints
	RPM     RPM          // how fast each endpoint may be asked
	Limits  map[Kind]int // documented requests a minute of each endpoint, for RPMAuto; one that is missing has none

	Auth     authorizer // nil: no credentials
	Recorder recorder   // nil: nothing is replayed and nothing kept
	Offline  bool       // answer from the Recorder only

	MaxBody     int64             // cap of a decoded body in bytes; 0: 256 MiB
	Concurrency int               // requests the caller has in flight at most, so many connections are kept; 0: 16
	UserAgent   string            // "": rollcall
	Transport   http.RoundTripper // nil: the client's own, see NewClient
	Retry       Retry             // zero fields have defaults
	Hooks       Hooks
}

// Client sends calls. It is safe for use by any number of goroutines. Make it with [NewClient], end it with [Client.Close].
type Client struct {
	o    Options
	base *url.URL
	http *http.Client

	mu        sync.Mutex
	endpoints map[endpointKey]*endpoint
}

type endpointKey struct {
	org  string
	kind Kind
}

const defaultMaxBody = 256 << 20

// NewClient checks o and makes a client. Without Options.Transport it verifies TLS, honours HTTPS_PROXY, HTTP_PROXY and NO_PROXY,
// takes gzip, speaks HTTP/2 where the server does, and keeps connections open for reuse.
func NewClient(o Options) (*Client, error) {
	base, err := ParseBaseURL(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("base URL: %w", err)
	}
	if o.Offline && o.Recorder == nil {
		return nil, errors.New("an offline client needs a recorder")
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 16
	}
	if o.UserAgent == "" {
		o.UserAgent = "rollcall"
	}
	o.Retry = o.Retry.withDefaults()
	if o.Transport == nil {
		o.Transport = newTransport(o.Concurrency)
	}
	return &Client{
		o:         o,
		base:      base,
		http:      &http.Client{Transport: o.Transport, CheckRedirect: checkRedirect},
		endpoints: make(map[endpointKey]*endpoint),
	}, nil
}

// Host is the host, with port if any, of the base URL.
func (c *Client) Host() string { return c.base.Host }

// Close closes idle connections. Calls in flight are not touched; end them by their contexts first.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do returns a usable answer to the call: a recorded one if there is one, else the server's, repeated as [Retry] says and recorded before
// Do returns. Calls that differ may be made concurrently; of equal calls the order of their recorded answers is the order of the calls.
//
// accept says whether an answer is usable; it is called with answers of status 2xx and of Call.Final, replayed ones too, and may keep what
// it decodes. It must be pure. Its error makes the answer a fault like any other; as its text is shown to people it must not quote the
// body. A nil accept takes everything.
//
// Errors: see the package comment; besides, the context's, and a recorder's, wrapped.
func (c *Client) Do(ctx context.Context, call Call, accept func(Answer) error) (Answer, error) {
	if accept == nil {
		accept = func(Answer) error { return nil }
	}
	if a, ok := c.recorded(call, accept); ok {
		return a, nil
	}
	if c.o.Offline {
		return Answer{}, fmt.Errorf("%s request to %s: %w", call.Kind, call.Org, ErrNotRecorded)
	}
	t := &trial{c: c, call: call, accept: accept, retry: c.o.Retry, auth: c.o.Auth, recorder: c.o.Recorder}
	return t.run(ctx)
}

// SignIn exchanges credentials for a token: it sends call with the headers h, unauthorized and never recorded, and gives the answer to
// accept, under the rules of [Client.Do]. A refusal (401, 403) is not repeated, another fault at most twice. For use by authorizers.
func (c *Client) SignIn(ctx context.Context, call Call, h http.Header, accept func(Answer) error) error {
	retry := c.o.Retry
	retry.Attempts = min(retry.Attempts, signInAttempts)
	t := &trial{c: c, call: call, accept: accept, retry: retry, header: h}
	_, err := t.run(ctx)
	if err == nil && c.o.Hooks.OnSignIn != nil {
		c.o.Hooks.OnSignIn(call.Org)
	}
	return err
}

// signInAttempts: sign-ins are limited to 5 a minute (api/amigo.md §1.3), and a lost one costs nothing but time.
const signInAttempts = 3

// recorded returns the next recorded answer that is still usable. One that is not, because this version of the program is stricter than
// the one that recorded it, is passed over.
func (c *Client) recorded(call Call, accept func(Answer) error) (Answer, bool) {
	if c.o.Recorder == nil {
		return Answer{}, false
	}
	for {
		a, ok := c.o.Recorder.Recorded(call)
		if !ok {
			return Answer{}, false
		}
		a.Replayed = true
		if accept(a) != nil {
			continue
		}
		c.o.Hooks.answer(call, a, 0)
		return a, true
	}
}

// endpoint returns the schedule under which requests of a kind to an organization go.
func (c *Client) endpoint(org string, k Kind) *endpoint {
	key := endpointKey{org, k.Endpoint()}
	if key.kind == KindFreddyList { // a limit of the key, whatever organization it asks about
		key.org = ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.endpoints[key]
	if e == nil {
		e = newEndpoint(key.kind, c.o.RPM, c.o.Limits[key.kind])
		c.endpoints[key] = e
	}
	return e
}

// Retry bounds the repetition of one call. Zero fields have the defaults.
//
// Between attempts the client waits a random time, uniform in [0, min(30 s, 0.25 s·2^(n-1))] after the n-th (api/amigo.md §4.3), or as long
// as a Retry-After says. A 429 is not counted as an attempt nor its wait as failing: the endpoint rests as long as Retry-After says, or, from
// the second 429 in one call on, for 1, 2, 4 … 30 seconds where that is longer (from the first on without a Retry-After). A call gives up
// when it has met as many 429s as it has attempts and has spent Failing on them: a limit that waiting does not lift is a fault.
type Retry struct {
	Attempts int           // requests a call, 8
	Failing  time.Duration // spent failing and waiting in one call, 150 s
	MaxWait  time.Duration // the longest Retry-After that is waited for, 15 min; a longer one ends the call

	// Jitter draws a wait from [0, limit]. Nil: uniformly.
	Jitter func(limit time.Duration) time.Duration
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 8
	}
	if r.Failing <= 0 {
		r.Failing = 150 * time.Second
	}
	if r.MaxWait <= 0 {
		r.MaxWait = 15 * time.Minute
	}
	if r.Jitter == nil {
		r.Jitter = func(limit time.Duration) time.Duration { return rand.N(limit + 1) }
	}
	return r
}

// Package sandbox is a local API that behaves as the published facts about the Amigo Classic API say (api/amigo.md,
// api/amigo_openapi.yml), and about Freddy's user endpoints (api/freddy.md), over a made-up population.
//
// It is what `rollcall sandbox` serves, what `--sandbox` syncs from, and what the project's tests run against. It shares
// no code with the client it is used to test: it imports nothing of this module, and a misreading of the facts on one
// side is not repeated on the other.
//
// # What it serves
//
// Every user endpoint of api/amigo_openapi.yml: sign-in with an API key, the list in both paging dialects, search, create,
// update, delete, variables, memories, user models, roles, role assignment, dimensions and the magic-link sign-in; the SQL
// endpoint for the queries an export needs; and, where [Options.Freddy] asks for it, Freddy's list, profile, batch and
// organization members. Writes change what is listed afterwards, its order included. Errors are shaped as FastAPI shapes
// them, and the documented rate limits hold where [Options.Limits] says so.
//
// # The population
//
// A user is computed from the seed, the organization and its number, each time it is served: the same options give the
// same bytes for ever, and a million users cost little more than their order. Some are awkward: names in many scripts,
// absent preferences and ones nobody declared, integers beyond 2^53, empty contexts, very long texts, models that answer
// 403. All of them are within what the specification allows, so that a sync from the sandbox ends with nothing in
// quarantine; what the specification does not describe (items and SQL rows with all twelve columns) shows the raw side of
// the table, `{"$oid":…}` and null preferences included.
//
// # Rehearsals
//
// A [Scenario] scripts faults and changes by endpoint and request: refusals, broken bodies, pages that loop, users who come
// and go behind the reader's back. What it does depends on the requests alone, so a rehearsal can be repeated.
//
// # How it fails
//
// [New] refuses options it cannot honour, naming field and value. [Sandbox.Start] fails where the address cannot be
// listened on. A request the sandbox does not understand is answered as the API would answer it; nothing is written to disk
// and nothing leaves the process.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Sandbox is the fake API: an [http.Handler] with a population and its state. It is safe for concurrent use.
type Sandbox struct {
	options Options
	secrets credentials
	tokens  *tokens
	limits  *rateLimits
	routes  []route

	population sync.RWMutex // guards the fields below
	people     *people
	freddy     *freddy
	script     script

	counting sync.Mutex
	served   map[string]int // requests so far by kind

	running sync.Mutex
	server  *http.Server
	stop    context.CancelFunc
	done    chan error
}

// New makes a sandbox. An error names the option at fault and its value.
func New(o Options) (*Sandbox, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Sandbox{
		options: o,
		secrets: makeCredentials(o.Seed, o.Org),
		tokens:  newTokens(o.TokenLifetime, o.Now),
		limits:  newRateLimits(o.Limits == LimitsDocumented, o.Now),
		people:  newPeople(o),
		freddy:  newFreddy(o),
		served:  make(map[string]int),
	}
	if o.Scenario != nil {
		s.script = script{steps: o.Scenario.Steps}
	}
	s.routes = s.table()
	return s, nil
}

// Requests says how many requests of a kind have come in so far, the refused ones included; [KindAny] counts them all.
func (s *Sandbox) Requests(kind string) int {
	s.counting.Lock()
	defer s.counting.Unlock()
	return s.served[kind]
}

// Start listens on addr ("HOST:PORT"; empty: a free port of the loopback interface) and serves until ctx is done or
// [Sandbox.Close] is called. It returns the base URL, without a trailing slash.
func (s *Sandbox) Start(ctx context.Context, addr string) (baseURL string, err error) {
	s.running.Lock()
	defer s.running.Unlock()
	if s.server != nil {
		return "", errors.New("sandbox: already started")
	}
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("sandbox: listen on addr %q: %w", addr, err)
	}
	serving, stop := context.WithCancel(ctx)
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // it would be about clients that hang up
		BaseContext:       func(net.Listener) context.Context { return serving },
	}
	done := make(chan error, 1)
	s.server, s.stop, s.done = server, stop, done
	context.AfterFunc(serving, func() { _ = server.Close() })
	go func() { done <- server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// Close stops serving: requests under way are cut off, and the sandbox may be started again. Closing one that does not
// serve does nothing.
func (s *Sandbox) Close() error {
	s.running.Lock()
	defer s.running.Unlock()
	if s.server == nil {
		return nil
	}
	server, stop, done := s.server, s.stop, s.done
	s.server = nil
	stop()
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("sandbox: serve: %w", err)
	}
	if err := server.Close(); err != nil {
		return fmt.Errorf("sandbox: close: %w", err)
	}
	return nil
}

// tally counts a request and returns its ordinals, from 1: among those of its kind, and among all.
func (s *Sandbox) tally(kind string) (ofKind, ofAll int) {
	s.counting.Lock()
	defer s.counting.Unlock()
	s.served[kind]++
	s.served[KindAny]++
	return s.served[kind], s.served[KindAny]
}

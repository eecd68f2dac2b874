package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

const (
	graceful    = 5 * time.Second // for answers under way when the server ends
	maxRequests = 64 << 10        // bytes of a request's header
)

// Server serves the daemon's pages.
type Server struct {
	server *http.Server
	ended  chan error
	addr   net.Addr
}

// Serve listens on the address (HOST:PORT; port 0: any) and serves until Close.
func Serve(ctx context.Context, address string, handler http.Handler, log zerolog.Logger) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	s := &Server{ended: make(chan error, 1), addr: listener.Addr(), server: &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: maxRequests, ErrorLog: stdlog.New(serverLog{log}, "", 0),
	}}
	go func() { s.ended <- s.server.Serve(listener) }()
	return s, nil
}

// Addr is what is listened on.
func (s *Server) Addr() net.Addr { return s.addr }

// Close lets answers that are under way end, for a little while.
func (s *Server) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceful)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// serverLog takes what net/http has to say, which is about clients.
type serverLog struct{ log zerolog.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	l.log.Debug().Msg(string(line))
	return len(line), nil
}

// Health is what /healthz answers with.
type Health struct {
	Healthy       bool      `json:"healthy"`
	Reason        string    `json:"reason,omitempty"` // why not
	NextRun       time.Time `json:"next_run"`
	Running       bool      `json:"running"`
	LastCertified *string   `json:"last_certified"` // RFC 3339, UTC: when the users of the last certified run were asked for; null where none is on record
	AgeSeconds    *float64  `json:"age_seconds"`    // since then
}

// HealthHandler answers with 200 while the loop lives and the last certified run is no older than within (0: however old it is), else with 503.
// certified tells when that was; the zero time: never.
func (d *Daemon) HealthHandler(within time.Duration, certified func() (time.Time, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := d.health(within, certified)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !h.Healthy {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if err := json.NewEncoder(w).Encode(h); err != nil {
			d.o.Log.Debug().Err(err).Msg("nobody waited for /healthz")
		}
	})
}

func (d *Daemon) health(within time.Duration, certified func() (time.Time, error)) Health {
	s := d.State()
	h := Health{Healthy: s.Alive, NextRun: s.Next.UTC(), Running: s.Running}
	if !s.Alive {
		h.Reason = "the loop that begins runs does not go round"
	}
	last, err := certified()
	if err != nil {
		h.Healthy, h.Reason = false, "the records of the warehouse cannot be read"
		d.o.Log.Error().Err(err).Msg("health")
		return h
	}
	var age time.Duration
	if !last.IsZero() {
		age = d.now().Sub(last)
		at, seconds := last.UTC().Format(time.RFC3339), age.Seconds()
		h.LastCertified, h.AgeSeconds = &at, &seconds
	}
	switch {
	case !h.Healthy || within == 0:
	case last.IsZero():
		h.Healthy, h.Reason = false, "no certified run is on record"
	case age > within:
		h.Healthy, h.Reason = false, fmt.Sprintf("the last certified run is %s old, and schedule.healthy_within is %s", age.Round(time.Second), within)
	}
	return h
}

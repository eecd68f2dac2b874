package extract_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

const goodBody = `{"users":[{"user_id":"u-1"}],"has_more":false,"continuation_token":null}`

// wantUsers accepts an object with users, as a source would.
func wantUsers(a extract.Answer) error {
	var v struct{ Users []json.RawMessage }
	if err := json.Unmarshal(a.Body, &v); err != nil {
		return errors.New("not JSON, or not all of it")
	}
	if v.Users == nil {
		return errors.New("no users")
	}
	return nil
}

// faulty is a real server that does to the first n requests what fault says and answers the others well.
func faulty(t *testing.T, n int64, fault http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var count atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) <= n {
			fault(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, goodBody)
	}))
	t.Cleanup(srv.Close)
	return srv, &count
}

// raw answers with these bytes on the wire and closes the connection; with reset, by a TCP reset.
func raw(text string, reset bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text)
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"detail":"scripted"}`, code) }
}

func body(contentType, text string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		_, _ = io.WriteString(w, text)
	}
}

func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

// TestFaultsAreRepeated: each fault twice, and then the answer. The hooks count what the server saw.
func TestFaultsAreRepeated(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(goodBody)) + "\r\n\r\n"
	tests := []struct {
		name   string
		fault  http.HandlerFunc
		reason string
	}{
		{"408", status(408), "status 408"},
		{"500", status(500), "status 500"},
		{"502", status(502), "status 502"},
		{"503", status(503), "status 503"},
		{"504", status(504), "status 504"},
		{"closed before the answer", raw("", false), "cut short"},
		{"reset before the answer", raw("", true), "connection reset"},
		{"reset in the middle", raw(head+goodBody[:20], true), "connection reset"},
		{"shorter than its length", raw(head+goodBody[:20], false), "cut short"},
		{"chunks that break off", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"use\r\n", false), "cut short"},
		{"no HTTP", raw("SSH-2.0-OpenSSH_9.9\r\n", false), "connection failed"},
		{"JSON cut in the middle", body("application/json", goodBody[:40]), "content"},
		{"HTML", body("text/html; charset=utf-8", "<!DOCTYPE html><h1>Maintenance</h1>"), "content type"},
		{"HTML that calls itself JSON", body("application/json", "<!DOCTYPE html>"), "content"},
		{"XML", body("application/xml", "<users/>"), "content type"},
		{"nothing", body("application/json", ""), "content"},
		{"null", body("application/json", "null"), "content"},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "content"},
		{"gzip that is none", body("application/json", goodBody, "Content-Encoding", "gzip"), "corrupt encoding"},
		{"gzip cut in the middle", body("application/json", gzipped(goodBody)[:30], "Content-Encoding", "gzip"), "cut short"},
		{"gzip with a flipped bit", body("application/json", flipped(gzipped(goodBody)), "Content-Encoding", "gzip"), "corrupt encoding"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, count := faulty(t, 2, tt.fault)
			var seen events
			c := newClient(t, extract.Options{BaseURL: srv.URL, RPM: extract.RPMNone, Hooks: seen.hooks(), Retry: extract.Retry{Jitter: instantly}})
			a, err := c.Do(t.Context(), listCall(), wantUsers)
			if err != nil {
				t.Fatal(err)
			}
			if string(a.Body) != goodBody || a.Status != 200 || a.Replayed || a.At.IsZero() || a.At.Location() != time.UTC {
				t.Errorf("answer %+v", a)
			}
			if want := fmt.Sprint([]string{tt.reason, tt.reason}); fmt.Sprint(seen.retries) != want {
				t.Errorf("retried because of %q, want %q", seen.retries, want)
			}
			if got := int64(seen.requests[extract.KindList]); got != count.Load() || got != 3 {
				t.Errorf("the hooks counted %d requests, the server %d", got, count.Load())
			}
		})
	}
}

func flipped(s string) string {
	b := []byte(s)
	b[len(b)-6] ^= 1 // of the checksum
	return string(b)
}

// TestFaultsThatPersist end as UnavailableError, bounded, with a hint, and without a word of the body.
func TestFaultsThatPersist(t *testing.T) {
	tests := []struct {
		name     string
		fault    http.HandlerFunc
		attempts int
		status   int
		text     string
	}{
		{"500", status(500), 8, 500, "status 500"},
		{"HTML", body("text/html", "<h1>secret-body</h1>"), 8, 200, "content type"},
		{"cut JSON", body("application/json", `{"users":["secret-body"`), 8, 200, "content: not JSON, or not all of it"},
		{"reset", raw("", true), 8, 0, "connection reset"},
		{"garbage", raw("secret-body\r\n\r\n", false), 8, 0, "connection failed"},
		{"501", status(501), 1, 501, "status 501"},
		{"400", status(400), 1, 400, "status 400"},
		{"409", status(409), 1, 409, "status 409"},
		{"422", status(422), 1, 422, "status 422"},
		{"304", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, 1, 304, "status 304"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, count := faulty(t, 1<<30, tt.fault)
			c := newClient(t, extract.Options{BaseURL: srv.URL, RPM: extract.RPMNone, Retry: extract.Retry{Jitter: instantly}})
			_, err := c.Do(t.Context(), listCall(), wantUsers)
			var e *extract.UnavailableError
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			if e.Attempts != tt.attempts || e.Status != tt.status || e.Reason != tt.text || count.Load() != int64(tt.attempts) {
				t.Errorf("%+v after %d requests", e, count.Load())
			}
			if len(e.Hints()) == 0 || !strings.Contains(e.Error(), "list request to acme") || !strings.HasSuffix(e.Error(), tt.text) {
				t.Errorf("error %q, hints %q", e, e.Hints())
			}
			if strings.Contains(fmt.Sprintf("%v %+v %v", e, e, e.Hints()), "secret-body") {
				t.Error("the error quotes the body")
			}
		})
	}
}

// TestNoServer: the hint names the regions' hosts.
func TestNoServer(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	srv.Close()
	var seen events
	c := newClient(t, extract.Options{BaseURL: url, Hosts: []string{"https://eu.example.com"}, Hooks: seen.hooks(), Retry: extract.Retry{Jitter: instantly}})
	_, err := c.Do(t.Context(), listCall(), nil)
	var e *extract.UnavailableError
	if !errors.As(err, &e) || e.Reason != "connection refused" || !strings.Contains(fmt.Sprint(e.Hints()), "https://eu.example.com") {
		t.Errorf("error %v, hints %q", err, e.Hints())
	}
	if len(seen.requests) != 0 {
		t.Errorf("%v requests are counted that nobody received", seen.requests)
	}
}

// TestEncodings: what a server may do with a body without changing what it says.
func TestEncodings(t *testing.T) {
	padded := goodBody[:1] + strings.Repeat(" ", 30_000_000) + goodBody[1:]
	tests := map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"gzip": {func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				t.Error("gzip is not asked for")
			}
			body("application/json", gzipped(goodBody), "Content-Encoding", "gzip")(w, r)
		}, goodBody},
		"chunked": {func(w http.ResponseWriter, _ *http.Request) {
			for _, part := range strings.SplitAfter(goodBody, ",") {
				_, _ = io.WriteString(w, part)
				w.(http.Flusher).Flush()
			}
		}, goodBody},
		"30 MB":         {body("application/json", padded), padded},
		"gzip of 30 MB": {body("application/json", gzipped(padded), "Content-Encoding", "gzip"), padded},
		"no content type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, goodBody)
		}, goodBody},
		"problem json": {body("application/vnd.amigo+json; charset=utf-8", goodBody), goodBody},
		"plain text":   {body("text/plain", goodBody), goodBody},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv, count := faulty(t, 1, tt.handler)
			c := newClient(t, extract.Options{BaseURL: srv.URL})
			a, err := c.Do(t.Context(), listCall(), nil)
			if err != nil || string(a.Body) != tt.want || count.Load() != 1 {
				t.Errorf("%d bytes, want %d, after %d requests; %v", len(a.Body), len(tt.want), count.Load(), err)
			}
		})
	}
}

// TestTooLarge: the cap is of decoded bytes, and what is over it is not asked for again.
func TestTooLarge(t *testing.T) {
	const limit = 1000
	exactly, over := strings.Repeat("x", limit), strings.Repeat("x", limit+1)
	tests := map[string]struct {
		handler http.HandlerFunc
		fits    bool
	}{
		"exactly the cap": {body("application/json", exactly), true},
		"one byte more":   {body("application/json", over), false},
		"gzip, exactly":   {body("application/json", gzipped(exactly), "Content-Encoding", "gzip"), true},
		"gzip, more":      {body("application/json", gzipped(over), "Content-Encoding", "gzip"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv, count := faulty(t, 1, tt.handler)
			c := newClient(t, extract.Options{BaseURL: srv.URL, MaxBody: limit})
			a, err := c.Do(t.Context(), listCall(), nil)
			var e *extract.TooLargeError
			if errors.As(err, &e) == tt.fits || tt.fits != (len(a.Body) == limit) || count.Load() != 1 {
				t.Errorf("%d bytes, error %v, %d requests", len(a.Body), err, count.Load())
			}
			if e != nil && (e.Max != limit || len(e.Hints()) == 0) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestDeadConnection: net/http by itself sends a request again when a kept connection dies under it. That is a request too.
func TestDeadConnection(t *testing.T) {
	var count atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) == 2 {
			raw("", true)(w, r)
			return
		}
		_, _ = io.WriteString(w, goodBody)
	}))
	defer srv.Close()
	var seen events
	c := newClient(t, extract.Options{BaseURL: srv.URL, RPM: extract.RPMNone, Hooks: seen.hooks(), Retry: extract.Retry{Jitter: instantly}})
	for range 3 {
		mustDo(t.Context(), t, c, listCall())
	}
	if got := int64(seen.requests[extract.KindList]); got != 4 || count.Load() != 4 {
		t.Errorf("the hooks counted %d requests, the server %d", got, count.Load())
	}
}

// dripping is a body that gives a byte each interval, until ctx ends.
type dripping struct {
	ctx      context.Context
	text     string
	interval time.Duration
}

func (d *dripping) Read(b []byte) (int, error) {
	select {
	case <-time.After(d.interval):
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	if d.text == "" {
		return 0, io.EOF
	}
	n := copy(b, d.text[:1])
	d.text = d.text[n:]
	return n, nil
}

func (d *dripping) Close() error { return nil }

// TestSlowness: bytes that come are waited for, silence and endlessness are not.
func TestSlowness(t *testing.T) {
	tests := []struct {
		name     string
		delay    time.Duration // before the headers
		interval time.Duration // between bytes
		text     string
		kind     extract.Kind
		reason   string        // "" : it is waited for
		after    time.Duration // when the fault is told
	}{
		{"a drip of three seconds", 0, 150 * time.Millisecond, goodBody[:20], extract.KindList, "", 0},
		{"late first byte", 29 * time.Second, 0, "{}", extract.KindList, "", 0},
		{"a byte every 29 seconds", 0, 29 * time.Second, "{       }", extract.KindList, "", 0},
		{"no headers", time.Hour, 0, "{}", extract.KindList, "silence", 30 * time.Second},
		{"no body", 0, time.Hour, "{}", extract.KindList, "silence", 30 * time.Second},
		{"a drip without end", 0, time.Second, strings.Repeat(" ", 1000), extract.KindList, "too slow", 5 * time.Minute},
		{"SQL takes its time", 59 * time.Second, 0, "{}", extract.KindSQL, "", 0},
		{"SQL that takes more", 61 * time.Second, 0, "{}", extract.KindSQL, "silence", time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen events
				s := &script{f: func(_ int, r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(tt.delay):
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
					resp := reply(200, "")
					resp.ContentLength = -1
					resp.Body = &dripping{r.Context(), tt.text, tt.interval}
					return resp, nil
				}}
				c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s, Hooks: seen.hooks(), Retry: extract.Retry{Attempts: 1}})
				start := time.Now()
				a, err := c.Do(t.Context(), extract.Call{Org: "acme", Kind: tt.kind, Method: "GET", Path: "/"}, nil)
				if tt.reason == "" {
					if err != nil || string(a.Body) != tt.text {
						t.Errorf("%d bytes, error %v", len(a.Body), err)
					}
					return
				}
				var e *extract.UnavailableError
				if !errors.As(err, &e) || e.Reason != tt.reason || time.Since(start) != tt.after {
					t.Errorf("error %v after %v", err, time.Since(start))
				}
				if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
					t.Error("the fault passes for the end of the run's own time")
				}
			})
		})
	}
}

// TestCalledOff: the end of the caller's context ends a request in flight, as the context's error.
func TestCalledOff(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	defer srv.Close()
	defer close(release)
	c := newClient(t, extract.Options{BaseURL: srv.URL})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := c.Do(ctx, listCall(), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	<-arrived
	cancel()
	all.Wait()
}

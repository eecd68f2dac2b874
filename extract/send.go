package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	idleTimeout   = 30 * time.Second // silence before the first byte and between bytes
	sqlTimeout    = 60 * time.Second // the same for SQL, which the server itself gives 30 s (api/amigo.md §3.11)
	answerTimeout = 5 * time.Minute  // from sending to the last byte
	maxErrorBody  = 1 << 20          // bytes kept of an answer that is not 2xx
	maxRedirects  = 5
)

// newTransport is the client's own transport.
func newTransport(concurrency int) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        4 * concurrency,
		MaxIdleConnsPerHost: concurrency,
		IdleConnTimeout:     90 * time.Second,
		ReadBufferSize:      64 << 10,
	}
}

// checkRedirect lets a request follow a redirect within its own scheme and host only: Go would send a key in a header of its own anywhere.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if first := via[0].URL; req.URL.Scheme != first.Scheme || req.URL.Host != first.Host || len(via) > maxRedirects {
		return errRedirect
	}
	return nil
}

// send sends the call once and reads the answer to its end. The error is a *fault or a *TooLargeError.
func (c *Client) send(ctx context.Context, call Call, h http.Header) (Answer, http.Header, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errSlow)
	defer cancel()
	ctx, silence := context.WithCancelCause(ctx)
	defer silence(nil)
	idle := idleTimeout
	if call.Kind == KindSQL {
		idle = sqlTimeout
	}
	watchdog := time.AfterFunc(idle, func() { silence(errIdle) })
	defer watchdog.Stop()

	sent := &tally{count: func() { c.o.Hooks.request(call) }}
	req, err := c.request(httptrace.WithClientTrace(ctx, sent.trace()), call, h)
	if err != nil {
		return Answer{}, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, nil, networkFault(because(ctx, err))
	}
	defer func() { _ = resp.Body.Close() }()
	sent.answered()
	c.o.Hooks.header(call, resp.Header)
	watchdog.Reset(idle)
	body, err := c.read(call, resp, func() { watchdog.Reset(idle) })
	if err != nil {
		var large *TooLargeError
		if !errors.As(err, &large) {
			err = networkFault(because(ctx, err))
		}
		return Answer{}, resp.Header, err
	}
	return Answer{
		Status:      resp.StatusCode,
		ContentType: resp.Header.Get("Content-Type"),
		Body:        body,
		At:          time.Now().UTC().Truncate(time.Microsecond),
	}, resp.Header, nil
}

func (c *Client) request(ctx context.Context, call Call, h http.Header) (*http.Request, error) {
	u, err := resolve(c.base, call)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if len(call.Body) > 0 {
		body = bytes.NewReader(call.Body)
		h.Set("Content-Type", "application/json")
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, c.o.BaseURL, body)
	if err != nil {
		return nil, errors.New("a call's method is not valid")
	}
	h.Set("Accept", "application/json")
	h.Set("User-Agent", c.o.UserAgent)
	for name := range h {
		if strings.ContainsFunc(h.Get(name), unicode.IsControl) {
			return nil, fmt.Errorf("the value of the header %s holds a control character, perhaps a line break", name)
		}
	}
	req.URL, req.Header = u, h
	return req, nil
}

// because replaces the bare "context canceled" of a request that our own clocks ended by what ended it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// believed is the length of a body, in bytes, up to which there is room made for it before it has come.
const believed = 16 << 20

// read reads a body whole, calling progress as bytes come. Of an answer that is not 2xx nor final, only the status matters: a body that
// is too long or breaks off is kept as far as it came.
func (c *Client) read(call Call, resp *http.Response, progress func()) ([]byte, error) {
	r := &progressReader{r: resp.Body, progress: progress}
	if !call.answeredBy(resp.StatusCode) {
		body, _ := io.ReadAll(io.LimitReader(r, min(c.o.MaxBody, maxErrorBody)))
		return body, nil
	}
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 {
		buf.Grow(int(min(n, c.o.MaxBody, believed)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r, c.o.MaxBody+1))
	if n > c.o.MaxBody {
		return nil, &TooLargeError{Org: call.Org, Kind: call.Kind, Max: c.o.MaxBody}
	}
	return buf.Bytes(), err
}

// progressReader tells of every byte that arrives.
type progressReader struct {
	r        io.Reader
	progress func()
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.progress()
	}
	return n, err
}

// tally counts the requests one attempt puts on the wire. net/http itself sends a GET again when a kept connection turns out dead, and
// follows redirects, so that only the trace knows. A transport without a trace is known by its answer.
type tally struct {
	count func()

	mu               sync.Mutex
	written, counted int
}

func (t *tally) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil {
			t.note(1)
		}
	}}
}

// answered notes that an answer came, and so a request went: the trace may yet be about to say so.
func (t *tally) answered() { t.note(0) }

func (t *tally) note(written int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written += written
	if t.written > t.counted || t.counted == 0 {
		t.counted++
		t.count()
	}
}

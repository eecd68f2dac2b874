package sandbox

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// faults are the steps that happen at one request, in the order of the scenario.
type faults []*Step

func (f faults) has(do string) bool { return f.one(do) != nil }

// one is the first step that does something.
func (f faults) one(do string) *Step {
	for _, s := range f {
		if s.Do == do {
			return s
		}
	}
	return nil
}

// wait holds the request up.
func (f faults) wait(ctx context.Context) {
	for _, s := range f {
		if s.Do == DoDelay {
			pause(ctx, s.Takes)
		}
	}
}

// pause waits. Where the client goes or the sandbox is closed meanwhile, the request ends without an answer.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	}
}

// instead is the answer that the first deciding step gives in place of the endpoint's.
func (f faults) instead(now time.Time) (answer, bool) {
	for _, s := range f {
		switch s.Do {
		case DoStatus:
			a := *refuse(s.Status, http.StatusText(s.Status))
			if s.Body != nil {
				a.body = []byte(*s.Body)
			}
			a.header = make(http.Header)
			s.stamp(a.header, now)
			return a, true
		case DoHTML:
			return answer{http.StatusOK, http.Header{"Content-Type": {"text/html; charset=utf-8"}},
				[]byte("<!DOCTYPE html><html><body><h1>Scheduled maintenance</h1></body></html>")}, true
		case DoEmptyBody:
			return success(nil), true
		case DoNullBody:
			return success([]byte("null")), true
		case DoReset:
			return answer{}, true // send breaks the connection
		}
	}
	return answer{}, false
}

// stamp sets the headers of a status or headers step.
func (s *Step) stamp(h http.Header, now time.Time) {
	for name, value := range s.Headers {
		h.Set(name, value)
	}
	if s.RetryAfter != nil {
		wait := strconv.FormatFloat(s.RetryAfter.Seconds(), 'f', -1, 64)
		if s.RetryAfterAs == AsDate {
			wait = now.Add(*s.RetryAfter).UTC().Format(http.TimeFormat)
		}
		h.Set("Retry-After", wait)
	}
	if s.ResetIn != nil {
		h.Set("X-RateLimit-Reset", strconv.FormatInt(int64(math.Ceil(float64(now.Add(*s.ResetIn).UnixMilli())/1000)), 10))
	}
}

// shape alters a page of rows on its way out. before is the rows of the page before.
func (f faults) shape(p *page, rows, before []handle) {
	for _, s := range f {
		switch s.Do {
		case DoLoop:
			p.more, p.next = true, p.skip
		case DoEmptyPage:
			p.rows, p.more, p.next = nil, true, p.skip+p.limit
		case DoDuplicatePage:
			p.rows = before
		case DoClamp:
			if len(p.rows) > s.Rows {
				p.rows = p.rows[:s.Rows]
				p.next = p.skip + s.Rows
				p.more = p.next < len(rows)
			}
		}
	}
}

// dripPieces is how many pieces a dripped body comes in.
const dripPieces = 20

// send writes the answer, or what the steps leave of it.
func (f faults) send(w http.ResponseWriter, r *http.Request, a answer, now time.Time) {
	if f.has(DoReset) {
		cutOff(w, nil, true)
		return
	}
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if a.status != http.StatusNoContent && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	for _, s := range f {
		if s.Do == DoHeaders {
			s.stamp(h, now)
		}
	}
	if f.has(DoCutJSON) {
		a.body = a.body[:len(a.body)*2/3]
	}
	if f.has(DoTruncate) || f.has(DoResetMid) {
		head := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", a.status, http.StatusText(a.status), len(a.body))
		for name, values := range h {
			head = fmt.Appendf(head, "%s: %s\r\n", name, values[0])
		}
		cutOff(w, append(append(head, "\r\n"...), a.body[:len(a.body)/2]...), f.has(DoResetMid))
		return
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	pieces, every := 1, time.Duration(0)
	if s := f.one(DoDrip); s != nil {
		pieces, every = dripPieces, s.Takes/dripPieces
	}
	step := max(1, (len(a.body)+pieces-1)/pieces)
	for piece := range slices.Chunk(a.body, step) {
		if _, err := w.Write(piece); err != nil {
			return // whoever asked is gone; there is nobody left to tell
		}
		if every > 0 {
			_ = http.NewResponseController(w).Flush() // without a flusher it comes in one piece
			pause(r.Context(), every)
		}
	}
}

// cutOff writes bytes as they are and then closes the connection, with a reset where that is asked for. Where the connection
// cannot be had, the answer is aborted by the server's own means.
func cutOff(w http.ResponseWriter, raw []byte, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = conn.Write(raw) // the connection is to break in any case
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

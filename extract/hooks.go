package extract

import (
	"net/http"
	"time"
)

// Hooks are told what the client does, as it does it: to count, to show progress, to log. Any of them may be nil. They are called from
// several goroutines at once and must return quickly. No value ever holds a body, a URL, a credential or anything of a user.
type Hooks struct {
	// OnRequest: a request went out on a connection, repetitions included. Its count is what the server saw.
	OnRequest func(kind Kind, org string)

	// OnAnswer: a whole answer came, of any status. bytes is the size of its decoded body, took the time from sending to the last byte
	// (0 for a replayed one). A replayed answer had no OnRequest.
	OnAnswer func(kind Kind, org string, status, bytes int, took time.Duration, replayed bool)

	// OnHeader: the header of an answer of any status, before its body is read. It is the server's, and not to be modified.
	OnHeader func(kind Kind, org string, header http.Header)

	// OnRetry: a request failed and will be sent again after wait. reason is one of a few constant phrases, such as "status 503". Neither
	// a 429 nor a 401 is told here, nor what net/http itself sends again at once when a kept connection turns out dead.
	OnRetry func(kind Kind, org string, reason string, wait time.Duration)

	// OnThrottle: the server answered 429; its endpoint rests for wait (0 where the wait asked for is more than we grant and the call fails).
	OnThrottle func(kind Kind, org string, wait time.Duration)

	// OnWait: an endpoint's next request has begun to wait, about this long: for its slot, a reset or the end of a Retry-After.
	OnWait func(kind Kind, org string, wait time.Duration)

	// OnSignIn: a token was obtained for org.
	OnSignIn func(org string)
}

func (h *Hooks) request(c Call) {
	if h.OnRequest != nil {
		h.OnRequest(c.Kind, c.Org)
	}
}

func (h *Hooks) answer(c Call, a Answer, took time.Duration) {
	if h.OnAnswer != nil {
		h.OnAnswer(c.Kind, c.Org, a.Status, len(a.Body), took, a.Replayed)
	}
}

func (h *Hooks) header(c Call, header http.Header) {
	if h.OnHeader != nil {
		h.OnHeader(c.Kind, c.Org, header)
	}
}

func (h *Hooks) retry(c Call, reason string, wait time.Duration) {
	if h.OnRetry != nil {
		h.OnRetry(c.Kind, c.Org, reason, wait)
	}
}

func (h *Hooks) throttle(c Call, wait time.Duration) {
	if h.OnThrottle != nil {
		h.OnThrottle(c.Kind, c.Org, wait)
	}
}

func (h *Hooks) wait(c Call, wait time.Duration) {
	if h.OnWait != nil {
		h.OnWait(c.Kind, c.Org, wait)
	}
}

package extract

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fault is an attempt that brought no usable answer. Its text is made of constant phrases and of what accept said; what the network said
// stays in err, for it may quote the server.
type fault struct {
	label    string        // constant: for hooks
	status   int           // 0: no whole answer came
	again    bool          // worth trying again
	after    time.Duration // what Retry-After asks for
	hasAfter bool
	took     time.Duration
	hint     string
	err      error
}

func (f *fault) Error() string {
	if f.status != 0 && f.err != nil {
		return f.label + ": " + f.err.Error()
	}
	return f.label
}

func (f *fault) Unwrap() error { return f.err }

const (
	// hintAddress is replaced by one that names the regions' hosts.
	hintAddress = "address"
	hintForeign = "what answers is perhaps not the API: a proxy, a login page, a maintenance page; check the base URL"
	hintLater   = "the API is failing; run again later, what was received is kept"
	hintLimit   = "the organization's limit is used up by others, or lower than documented; lower --rpm, or run at another hour"
	hintRequest = "the API does not take the request as it was sent; check --page-size and --paging"
)

var (
	errIdle     = errors.New("nothing was received for too long")
	errSlow     = errors.New("the answer took too long")
	errRedirect = errors.New("redirect refused")
)

// statusFault is the fault of a status that is neither usable nor one of refusal. Repeated are the statuses of api/amigo.md §4.3.
func statusFault(status int, h http.Header) *fault {
	f := &fault{label: "status " + strconv.Itoa(status), status: status, hint: hintLater}
	switch status {
	case http.StatusTooManyRequests:
		f.again, f.hint = true, hintLimit
		f.after, f.hasAfter = retryAfter(h, time.Now())
	case http.StatusServiceUnavailable:
		f.again = true
		f.after, f.hasAfter = retryAfter(h, time.Now())
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		f.again = true
	default:
		if status < 500 {
			f.hint = hintRequest
		}
	}
	return f
}

// networkFault names what went wrong below HTTP.
func networkFault(err error) *fault {
	f := &fault{err: err, again: true, hint: hintAddress}
	var (
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		timeout net.Error
		corrupt flate.CorruptInputError
	)
	switch {
	case errors.Is(err, errRedirect):
		f.label, f.again = "redirect to another host or scheme, refused", false
	case errors.As(err, &cert):
		f.label, f.again = "the server's certificate is not trusted", false
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		f.label, f.again = "the server does not speak TLS", false
	case errors.Is(err, errIdle):
		f.label, f.hint = "silence", hintLater
	case errors.Is(err, errSlow):
		f.label, f.hint = "too slow", hintLater
	case errors.As(err, &dns):
		f.label = "host name not resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		f.label = "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		f.label = "connection reset"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		f.label = "cut short"
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		f.label, f.hint = "corrupt encoding", hintForeign
	case errors.As(err, &timeout) && timeout.Timeout():
		f.label = "timeout"
	default:
		f.label = "connection failed"
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		// A dial's timeout calls itself a deadline exceeded; above, that would read as the end of the run's own time.
		f.err = nil
	}
	return f
}

// plausibleType reports whether a content type may be of JSON. Servers are lax about it; HTML, XML and images never are.
func plausibleType(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && media == "" {
		media = contentType
	}
	media = strings.ToLower(media)
	return strings.Contains(media, "json") || media == "text/plain" || media == "application/octet-stream"
}

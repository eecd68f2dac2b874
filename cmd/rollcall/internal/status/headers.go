package status

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// harden sets the headers of every answer: a browser loads the page's own style and icon and nothing else, shows the page in no frame, keeps nothing of it and
// tells nobody where it was.
func harden(h http.Header) {
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// hostAllowed tells whether the request names a host that it can have come to. On a loopback address only loopback names are: any other is a name that somebody
// lets point here, for a page of theirs to read this one.
func hostAllowed(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true
	}
	address, ok := local.(*net.TCPAddr)
	if !ok || !address.IP.IsLoopback() {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ".")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// handler makes the view that answers a request. An error is this program's fault, or the disk's.
type handler func(*http.Request) (*view, error)

// handle answers these methods with what h makes, and no other ones.
func (p *Page) handle(h handler, methods ...string) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			p.show(w, r, failure(http.StatusMethodNotAllowed, "This page does not do that", "It answers "+strings.Join(methods, ", ")+"."))
			return
		}
		if err := cross.Check(r); err != nil {
			p.show(w, r, failure(http.StatusForbidden, "The request came from another page", "Open this page itself, and try again."))
			return
		}
		if r.Method == http.MethodPost {
			allowTime(w, patience+queryTime+time.Minute)
		}
		v, err := h(r)
		switch {
		case r.Context().Err() != nil: // nobody is there to read it
			if v != nil {
				v.close()
			}
			return
		case err != nil:
			p.o.Log.Error().Err(err).Str("path", r.URL.EscapedPath()).Msg("the status page cannot be shown")
			v = failure(http.StatusInternalServerError, "The page cannot be shown", "The log says why.")
		}
		p.show(w, r, v)
	})
}

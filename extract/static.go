package extract

import (
	"context"
	"net/http"
)

// Static is a credential used as it is, in one header; there is none to replace it when it is refused. Make it with [Bearer] or [HeaderKey].
type Static struct {
	header, prefix string
	value          Secret
}

// Bearer authorizes by "Authorization: Bearer token" (api/amigo.md §1.2).
func Bearer(token Secret) *Static {
	return &Static{header: "Authorization", prefix: "Bearer ", value: token}
}

// HeaderKey authorizes by a key in a header of its own, as X-API-Key.
func HeaderKey(header string, key Secret) *Static {
	return &Static{header: header, value: key}
}

// Authorize sets the header. It never fails.
func (s *Static) Authorize(_ context.Context, _ *Client, _ string, h http.Header) (int, error) {
	h.Set(s.header, s.prefix+s.value.Reveal())
	return 0, nil
}

// Refused says that there are no others: a refused static credential stays refused.
func (s *Static) Refused(string, int) bool { return false }

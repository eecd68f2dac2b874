package freddy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/rollcall-data/rollcall/extract"
)

// do is the client's, with what a refusal for the number of requests means here.
func (s *Source) do(ctx context.Context, call extract.Call, accept func(extract.Answer) error) (extract.Answer, error) {
	a, err := s.c.Do(ctx, call, accept)
	var unavailable *extract.UnavailableError
	if errors.As(err, &unavailable) && unavailable.Status == http.StatusTooManyRequests {
		err = &QuotaError{Org: s.Org(), err: unavailable}
	}
	return a, err
}

// QuotaError: the key has used up its requests, and the wait that Freddy asks for is longer than a run waits, or did not help. Beside the requests a
// minute, which waiting mends, a plan limits those a day (api/freddy.md §7).
type QuotaError struct {
	Org string

	err *extract.UnavailableError
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("the key has used up its requests to %s (HTTP 429)", e.Org)
}

// Unwrap gives the client's error.
func (e *QuotaError) Unwrap() error { return e.err }

// Hints says when and how to go on.
func (e *QuotaError) Hints() []string {
	return append(slices.Clone(e.err.Hints()),
		"the standard plan has 10,000 requests a day; run it again when there are new ones: it goes on from here, and asks for nothing twice")
}

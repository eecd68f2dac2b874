package freddy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestDailyLimit: a day's requests are used up. Nobody waits for tomorrow, nor asks again.
func TestDailyLimit(t *testing.T) {
	for name, ask := range map[string]func(*Source) error{
		"list":    func(s *Source) error { _, err := s.Page(t.Context(), sweep.Query{Limit: 100}); return err },
		"batch":   func(s *Source) error { _, err := s.Profiles(t.Context(), []string{"usr_a", "usr_b"}); return err },
		"members": func(s *Source) error { _, err := s.findMembers(t.Context(), []string{"usr_a"}); return err },
	} {
		requests := 0
		c := newClient(t, extract.Options{BaseURL: "https://freddy.example", Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			requests++
			return &http.Response{
				StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30000"}, "Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(`{"error":{"code":"RATE_LIMIT_EXCEEDED"}}`)),
			}, nil
		})})
		err := ask(New(c, Options{Org: "org_1"}))
		var quota *QuotaError
		var unavailable *extract.UnavailableError
		if !errors.As(err, &quota) || !errors.As(err, &unavailable) || requests != 1 {
			t.Errorf("%s: %v after %d requests", name, err, requests)
			continue
		}
		if hints := strings.Join(quota.Hints(), "\n"); !strings.Contains(hints, "8h20m") || !strings.Contains(hints, "10,000 requests a day") {
			t.Errorf("%s: hints %q", name, hints)
		}
	}
}

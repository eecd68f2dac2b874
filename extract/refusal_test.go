package extract_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
)

// renewable is credentials that come in generations; each Authorize after a refusal gives the next.
type renewable struct {
	generation int
	authorized int
	fail       error
}

func (r *renewable) Authorize(_ context.Context, _ *extract.Client, _ string, h http.Header) (int, error) {
	r.authorized++
	h.Set("Authorization", fmt.Sprintf("Bearer %d", r.generation))
	return r.generation, r.fail
}

func (r *renewable) Refused(_ string, generation int) bool {
	if generation == r.generation {
		r.generation++
	}
	return true
}

// accepting is a server in memory that knows one token.
func accepting(token string) *script {
	return &script{f: func(_ int, r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			return reply(401, `{"detail":"Could not validate credentials"}`), nil
		}
		return reply(200, "{}"), nil
	}}
}

// TestUnauthorized: a 401 is mended by other credentials, at once, twice in a call, and is no retry.
func TestUnauthorized(t *testing.T) {
	var seen events
	s := accepting("1")
	c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s, Auth: &renewable{}, Hooks: seen.hooks()})
	mustDo(t.Context(), t, c, listCall())
	if len(s.sent) != 2 || len(seen.retries) != 0 {
		t.Errorf("%d requests, retries %v", len(s.sent), seen.retries)
	}

	s = accepting("2")
	c = newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s, Auth: &renewable{}})
	mustDo(t.Context(), t, c, listCall())
	if len(s.sent) != 3 {
		t.Errorf("%d requests of a call that met the end of two tokens", len(s.sent))
	}

	s = accepting("never")
	c = newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s, Auth: &renewable{}})
	wantRefused(t, c, 401)
	if len(s.sent) != 3 {
		t.Errorf("%d requests with credentials that are always refused", len(s.sent))
	}

	s = accepting("never")
	c = newClient(t, extract.Options{Transport: s, Auth: extract.Bearer("tok")})
	wantRefused(t, c, 401)
	if len(s.sent) != 1 {
		t.Errorf("%d requests with a refused token", len(s.sent))
	}

	s = accepting("never")
	wantRefused(t, newClient(t, extract.Options{Transport: s}), 401)
	if len(s.sent) != 1 {
		t.Errorf("%d requests without credentials", len(s.sent))
	}
}

func wantRefused(t *testing.T, c *extract.Client, status int) {
	t.Helper()
	_, err := c.Do(t.Context(), listCall(), nil)
	var e *extract.RefusedError
	if !errors.As(err, &e) || e.Org != "acme" || e.Kind != extract.KindList || e.Status != status || len(e.Hints()) == 0 ||
		!strings.Contains(e.Error(), "acme") {
		t.Errorf("error %v", err)
	}
}

// TestAuthorizeFails: what keeps the credentials from coming ends the call, and nothing is sent.
func TestAuthorizeFails(t *testing.T) {
	broken := errors.New("broken")
	s := accepting("0")
	c := newClient(t, extract.Options{Transport: s, Auth: &renewable{fail: broken}})
	if _, err := c.Do(t.Context(), listCall(), nil); !errors.Is(err, broken) || len(s.sent) != 0 {
		t.Errorf("error %v after %d requests", err, len(s.sent))
	}
}

// TestFinalStatuses: 403 and 404 are answers where the call says so, and the caller's or the organization's fault where not.
func TestFinalStatuses(t *testing.T) {
	for _, status := range []int{403, 404} {
		s := &script{f: func(int, *http.Request) (*http.Response, error) { return reply(status, `{"detail":"no"}`), nil }}
		c := newClient(t, extract.Options{Transport: s, RPM: extract.RPMNone, Hosts: []string{"https://api-eu.example.com"}})
		asked := 0
		a, err := c.Do(t.Context(), modelCall(), func(a extract.Answer) error { asked = a.Status; return nil })
		if err != nil || a.Status != status || string(a.Body) != `{"detail":"no"}` || asked != status {
			t.Errorf("%d of a model: %+v, %v", status, a, err)
		}
		if status == 403 {
			wantRefused(t, c, 403)
			continue
		}
		_, err = c.Do(t.Context(), listCall(), nil)
		var e *extract.OrgNotFoundError
		if !errors.As(err, &e) || e.Org != "acme" || e.Host != "127.0.0.1:9" || !strings.Contains(fmt.Sprint(e.Hints()), "https://api-eu.example.com") ||
			!strings.Contains(e.Error(), "acme is not known at 127.0.0.1:9") {
			t.Errorf("404 of the list: %v", err)
		}
		if len(s.sent) != 2 {
			t.Errorf("%d requests, want one a call", len(s.sent))
		}
	}
}

// TestSignInBounds: a refusal is not repeated, another fault at most twice, and nothing of it reaches the recorder.
func TestSignInBounds(t *testing.T) {
	tests := []struct {
		name     string
		status   int
		body     string
		requests int
		target   any
	}{
		{"good", 200, "{}", 1, nil},
		{"401", 401, "{}", 1, new(*extract.RefusedError)},
		{"403", 403, "{}", 1, new(*extract.RefusedError)},
		{"404", 404, "{}", 1, new(*extract.OrgNotFoundError)},
		{"422", 422, "{}", 1, new(*extract.UnavailableError)},
		{"500", 500, "{}", 3, new(*extract.UnavailableError)},
		{"not usable", 200, "", 3, new(*extract.UnavailableError)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var seen events
			s := &script{f: func(_ int, r *http.Request) (*http.Response, error) {
				if r.Header.Get("X-Api-Key") != "k" || r.Header.Get("Authorization") != "" {
					t.Errorf("headers %v", r.Header)
				}
				return reply(tt.status, tt.body), nil
			}}
			c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s, Hooks: seen.hooks(), Auth: extract.Bearer("not for this"),
				Recorder: &tape{}, Retry: extract.Retry{Jitter: instantly}})
			call := extract.Call{Org: "acme", Kind: extract.KindSignIn, Method: "POST", Path: "/v1/acme/user/signin_with_api_key"}
			err := c.SignIn(t.Context(), call, http.Header{"X-Api-Key": {"k"}}, func(a extract.Answer) error {
				if len(a.Body) == 0 {
					return errors.New("empty")
				}
				return nil
			})
			if (tt.target == nil) != (err == nil) || tt.target != nil && !errors.As(err, tt.target) {
				t.Errorf("error %v", err)
			}
			if len(s.sent) != tt.requests || seen.requests[extract.KindSignIn] != tt.requests || (seen.signIns == 1) != (err == nil) {
				t.Errorf("%d requests, %d told, %d sign-ins", len(s.sent), seen.requests[extract.KindSignIn], seen.signIns)
			}
		})
	}
}

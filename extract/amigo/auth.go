package amigo

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	json "github.com/goccy/go-json"

	"github.com/rollcall-data/rollcall/extract"
)

// Credentials are an API key and whom it signs in (api/amigo.md §1.3). The same are used for every organization.
type Credentials struct {
	Key    extract.Secret // AMIGO_API_KEY
	KeyID  string         // AMIGO_API_KEY_ID
	UserID string         // AMIGO_USER_ID
}

// KeyAuth authorizes by exchanging an API key for tokens, one for each organization. It is for extract.Options.Auth; for a token as it is
// there is extract.Bearer.
//
// A token is renewed when less than five minutes or a fifth of its life is left, whichever is shorter; one whose expires_at is missing
// or lies in the past, as a wrong clock has it, is used until it is refused. At most one sign-in for an organization is under way at a time, and
// who needs its token waits for it and shares its failure. A refused key is not tried again.
type KeyAuth struct {
	creds Credentials

	mu   sync.Mutex
	orgs map[string]*session
}

// session is what is known of one organization's sign-in.
type session struct {
	token      extract.Secret // "" : none
	generation int
	renewAt    time.Time // zero: when it is refused
	expires    time.Time // as the API says it; zero where it does not
	refused    error     // the key is, for good
	flight     *flight   // the sign-in under way
}

// flight is a sign-in under way; the rest is set before done is closed.
type flight struct {
	done      chan struct{}
	err       error
	abandoned bool // whoever signed in gave up for reasons of their own
}

// NewKeyAuth makes a KeyAuth that has not signed in yet.
func NewKeyAuth(c Credentials) *KeyAuth {
	return &KeyAuth{creds: c, orgs: make(map[string]*session)}
}

// Authorize sets the Authorization header for org, signing in first where there is no token or its time is up.
func (k *KeyAuth) Authorize(ctx context.Context, c *extract.Client, org string, h http.Header) (int, error) {
	for {
		k.mu.Lock()
		s := k.orgs[org]
		if s == nil {
			s = &session{}
			k.orgs[org] = s
		}
		if s.refused != nil {
			k.mu.Unlock()
			return 0, s.refused
		}
		if s.token != "" && (s.renewAt.IsZero() || time.Now().Before(s.renewAt)) {
			h.Set("Authorization", "Bearer "+s.token.Reveal())
			generation := s.generation
			k.mu.Unlock()
			return generation, nil
		}
		f, mine := s.flight, false
		if f == nil {
			f, mine = &flight{done: make(chan struct{})}, true
			s.flight = f
		}
		k.mu.Unlock()

		if mine {
			k.fly(ctx, c, org, s, f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if f.err != nil && (mine || !f.abandoned) {
			return 0, f.err
		}
	}
}

// Expires is when the token for org expires, as the API says it; false where there is none, or where it does not say. Tokens are renewed before.
func (k *KeyAuth) Expires(org string) (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.orgs[org]
	if s == nil || s.token == "" {
		return time.Time{}, false
	}
	return s.expires, !s.expires.IsZero()
}

// fly signs in and ends the flight.
func (k *KeyAuth) fly(ctx context.Context, c *extract.Client, org string, s *session, f *flight) {
	t, err := k.signIn(ctx, c, org)
	k.mu.Lock()
	defer k.mu.Unlock()
	s.flight = nil
	f.err, f.abandoned = err, ctx.Err() != nil
	var refused *extract.RefusedError
	switch {
	case err == nil:
		s.token, s.renewAt, s.expires = t.token, t.renewAt, t.expires
		s.generation++
	case errors.As(err, &refused):
		s.refused = err
	}
	close(f.done)
}

// Refused drops the token of that generation, so that the next Authorize signs in again.
func (k *KeyAuth) Refused(org string, generation int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.orgs[org]; s != nil && s.generation == generation {
		s.token = ""
	}
	return true
}

type token struct {
	token   extract.Secret
	renewAt time.Time
	expires time.Time
}

// signIn exchanges the key (api/amigo.md §1.3).
func (k *KeyAuth) signIn(ctx context.Context, c *extract.Client, org string) (token, error) {
	call := extract.Call{Org: org, Kind: extract.KindSignIn, Method: http.MethodPost, Path: orgPath(org, "user", "signin_with_api_key")}
	h := make(http.Header)
	h.Set("X-Api-Key", k.creds.Key.Reveal())
	h.Set("X-Api-Key-Id", k.creds.KeyID)
	h.Set("X-User-Id", k.creds.UserID)
	var t token
	err := c.SignIn(ctx, call, h, func(a extract.Answer) (err error) {
		t, err = decodeToken(a.Body, time.Now())
		return err
	})
	return t, err
}

// decodeToken reads {"id_token": string, "expires_at": date-time}.
func decodeToken(body []byte, now time.Time) (token, error) {
	var answer struct {
		IDToken   extract.Secret `json:"id_token"`
		ExpiresAt string         `json:"expires_at"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return token{}, errors.New("not a sign-in's answer")
	}
	if answer.IDToken == "" {
		return token{}, errors.New("a sign-in's answer without a token")
	}
	for _, c := range []byte(answer.IDToken) {
		if c <= ' ' || c > '~' {
			return token{}, errors.New("a token that no header can carry")
		}
	}
	t := token{token: answer.IDToken}
	if expires, err := time.Parse(time.RFC3339, answer.ExpiresAt); err == nil {
		t.expires = expires.UTC()
		if life := expires.Sub(now); life > 0 {
			t.renewAt = now.Add(life - min(5*time.Minute, life/5))
		}
	}
	return t, nil
}

package sandbox

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// credentials are made up from the seed and the organization: good for this sandbox and nothing else.
type credentials struct{ apiKey, apiKeyID, userID, freddyKey string }

func makeCredentials(seed uint64, org string) credentials {
	d := roll(seed, hashOf(org), hashOf("credentials"))
	return credentials{
		apiKey:    "sandbox-" + d.letters(32, idAlphabet),
		apiKeyID:  d.hex(8) + "-" + d.hex(4) + "-4" + d.hex(3) + "-8" + d.hex(3) + "-" + d.hex(12),
		userID:    "sandbox" + d.letters(idLength-7, idAlphabet),
		freddyKey: "ak_sandbox_" + d.letters(31, idAlphabet),
	}
}

// tokens are the bearer tokens given out and not expired.
type tokens struct {
	lifetime time.Duration
	now      func() time.Time

	mu     sync.Mutex
	issued int
	until  map[string]time.Time
	used   map[string]bool
}

func newTokens(lifetime time.Duration, now func() time.Time) *tokens {
	return &tokens{lifetime: lifetime, now: now, until: make(map[string]time.Time), used: make(map[string]bool)}
}

// issue gives out a token shaped as a JWT, unsigned.
func (t *tokens) issue(userID string) (token string, expires time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for old, until := range t.until {
		if !now.Before(until) {
			t.forget(old)
		}
	}
	t.issued++
	expires = now.Add(t.lifetime)
	claims := fmt.Sprintf(`{"sub":%s,"exp":%d,"jti":"%d"}`, quoted(userID), expires.Unix(), t.issued)
	encode := base64.RawURLEncoding.EncodeToString
	d := roll(hashOf(claims))
	token = encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode([]byte(claims)) + "." + d.letters(22, idAlphabet)
	t.until[token] = expires
	return token, expires
}

// holds says whether an Authorization header brings a token that was given out and has not expired.
func (t *tokens) holds(authorization string) bool {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	until, known := t.until[token]
	if !known || !t.now().Before(until) {
		return false
	}
	t.used[token] = true
	return true
}

// expire ends every token that has been used. One that was given out and not shown yet stays good, or a client that renews
// its token before each request would never get through.
func (t *tokens) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for token := range t.used {
		t.forget(token)
	}
}

func (t *tokens) forget(token string) {
	delete(t.until, token)
	delete(t.used, token)
}

// signIn exchanges the API key for a token (api/amigo.md §1.3).
func (s *Sandbox) signIn(c *call) answer {
	var missing problems
	given := make(map[string]string)
	for _, name := range []string{"x-api-key", "x-api-key-id", "x-user-id"} {
		if given[name] = c.request.Header.Get(name); given[name] == "" {
			missing.add("missing", "Field required", "header", name)
		}
	}
	if missing.any() {
		return missing.answer()
	}
	if given["x-api-key"] != s.secrets.apiKey || given["x-api-key-id"] != s.secrets.apiKeyID || given["x-user-id"] != s.secrets.userID {
		return *refuse(http.StatusUnauthorized, "Invalid API key")
	}
	token, expires := s.tokens.issue(s.secrets.userID)
	b := appendString([]byte(`{"id_token":`), token)
	b = appendString(append(b, `,"expires_at":`...), expires.UTC().Format("2006-01-02T15:04:05.000000Z"))
	return success(append(b, '}'))
}

// magicLink pretends to send a mail: unknown addresses succeed just the same (api/amigo.md §3.8).
func (s *Sandbox) magicLink(c *call) answer {
	body, bad := readBody(c)
	body.link("redirect_link", required)
	body.email("email", required)
	if bad.any() {
		return bad.answer()
	}
	return success([]byte(`{}`))
}

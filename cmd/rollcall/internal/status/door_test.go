package status

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

// clock is one that stands until it is moved.
type clockAt struct{ t time.Time }

func (c *clockAt) now() time.Time { return c.t }

func newClock() *clockAt { return &clockAt{firstNight.AddDate(0, 0, nights)} }

func session(t *testing.T, s *site) *http.Cookie {
	t.Helper()
	a := s.do(t, http.MethodPost, "/sql/login", url.Values{"token": {token}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sql" || len(a.Cookies()) != 1 {
		t.Fatalf("signing in: %d, %v", a.StatusCode, a.Header)
	}
	return a.Cookies()[0]
}

func carrying(c *http.Cookie) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value}) }
}

func TestWithoutATokenThereIsNoBox(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t)})
	for _, a := range []reply{s.get(t, "/sql"), s.ask(t, "SELECT 1", "table"), s.do(t, http.MethodPost, "/sql/login", url.Values{"token": {""}}),
		s.do(t, http.MethodPost, "/sql", url.Values{"sql": {"SELECT 1"}}, bearing(""))} {
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.Body, "sql_token") || strings.Contains(a.Body, "<form") || len(a.Cookies()) > 0 {
			t.Errorf("%d: %s", a.StatusCode, a.Body)
		}
	}
}

func TestASession(t *testing.T) {
	clock := newClock()
	s := serve(t, Options{Warehouse: history(t), SQLToken: token, Now: clock.now})
	if a := s.get(t, "/sql"); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Body, `type="password"`) || strings.Contains(a.Body, "<textarea") {
		t.Errorf("before: %d, %s", a.StatusCode, a.Body)
	}
	c := session(t, s)
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/sql" || c.MaxAge != int(sessionTime/time.Second) || strings.Contains(c.Value, token) || len(c.Value) < 32 {
		t.Errorf("cookie: %+v", c)
	}
	open := func() bool { return s.do(t, http.MethodGet, "/sql", nil, carrying(c)).StatusCode == http.StatusOK }
	if !open() {
		t.Error("the session does not open the box")
	}
	clock.t = clock.t.Add(sessionTime - time.Second)
	if !open() {
		t.Error("the session ends too early")
	}
	clock.t = clock.t.Add(time.Second)
	if open() {
		t.Error("the session does not end")
	}
	c = session(t, s)
	if a := s.do(t, http.MethodPost, "/sql/logout", url.Values{}, carrying(c)); a.StatusCode != http.StatusSeeOther || a.Cookies()[0].MaxAge >= 0 {
		t.Errorf("signing out: %d, %v", a.StatusCode, a.Cookies())
	}
	if open() {
		t.Error("the session outlives signing out")
	}
	over := s.do(t, http.MethodPost, "/sql/login", url.Values{"token": {token}}, header("X-Forwarded-Proto", "https"))
	if !over.Cookies()[0].Secure {
		t.Error("over TLS the cookie is not secure")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	clock := newClock()
	s := serve(t, Options{Warehouse: history(t), SQLToken: token, Now: clock.now})
	first := session(t, s)
	for range mostSessions {
		clock.t = clock.t.Add(time.Second)
		session(t, s)
	}
	if n := len(s.page.door.sessions); n != mostSessions {
		t.Errorf("%d sessions", n)
	}
	if a := s.do(t, http.MethodGet, "/sql", nil, carrying(first)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the oldest one: %d", a.StatusCode)
	}
}

func TestBearers(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"the token": {bearing(token), 200}, "in small letters": {header("Authorization", "bearer "+token), 200}, "another": {bearing("wrong"), 401}, "a part": {bearing(token[:10]), 401},
		"basic": {header("Authorization", "Basic "+token), 401}, "a cookie of one's own": {carrying(&http.Cookie{Name: cookieName, Value: token}), 401},
	} {
		if a := s.do(t, http.MethodGet, "/sql", nil, tt.change); a.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", name, a.StatusCode, tt.want)
		}
	}
}

// TestGuessingIsSlow: past so many wrong tokens nobody signs in, by neither way, until time has made good for some.
func TestGuessingIsSlow(t *testing.T) {
	clock := newClock()
	s := serve(t, Options{Warehouse: history(t), SQLToken: token, Now: clock.now})
	open := session(t, s)
	login := func(with string) reply { return s.do(t, http.MethodPost, "/sql/login", url.Values{"token": {with}}) }
	for i := range freeTries {
		if a := login("guess"); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Body, "not the token") {
			t.Fatalf("guess %d: %d", i, a.StatusCode)
		}
	}
	if a := login(token); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("the token after the guesses: %d", a.StatusCode)
	}
	if a := s.ask(t, "SELECT 1", "table"); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("as a bearer: %d", a.StatusCode)
	}
	if a := s.do(t, http.MethodGet, "/sql", nil, carrying(open)); a.StatusCode != http.StatusOK {
		t.Errorf("a session that is open: %d", a.StatusCode)
	}
	clock.t = clock.t.Add(tryRecovers)
	if a := login("guess"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a guess when one is free again: %d", a.StatusCode)
	}
	if a := login(token); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the token right after: %d", a.StatusCode)
	}
	clock.t = clock.t.Add(tryRecovers)
	if a := login(token); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the token when one is free again: %d", a.StatusCode)
	}
	if strings.Contains(s.log.String(), "guess") || !strings.Contains(s.log.String(), "wrong token") {
		t.Errorf("logged: %s", s.log)
	}
}

// TestOtherPagesCannotAsk: a browser says where a request comes from, by one header or the other.
func TestOtherPagesCannotAsk(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	c := session(t, s)
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"this page": {header("Sec-Fetch-Site", "same-origin"), 200}, "this page, by origin": {header("Origin", s.URL), 200}, "another site": {header("Sec-Fetch-Site", "cross-site"), 403},
		"another port": {header("Sec-Fetch-Site", "same-site"), 403}, "another origin": {header("Origin", "http://evil.example"), 403}, "no origin": {header("Origin", "null"), 403},
	} {
		a := s.do(t, http.MethodPost, "/sql", url.Values{"sql": {"SELECT 42 AS answer"}, "format": {"table"}}, carrying(c), tt.change)
		if a.StatusCode != tt.want || (tt.want != 200) == strings.Contains(a.Body, "<td class=\"num\">42</td>") {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
}

func TestFormsAreBounded(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	if a := s.do(t, http.MethodPost, "/sql/login", url.Values{"token": {strings.Repeat("x", maxForm)}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a long token: %d", a.StatusCode)
	}
	if a := s.ask(t, "SELECT '"+strings.Repeat("x", maxSQL)+"'", "table"); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a long statement: %d", a.StatusCode)
	}
	if a := s.ask(t, "SELECT 1", "xlsx"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown format: %d", a.StatusCode)
	}
}

func TestOptions(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a page of no warehouse")
	}
	if d := newDoor(extract.Secret(""), time.Now); d.try("") == admitted {
		t.Error("no token is a token")
	}
}

package status

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

const (
	cookieName   = "rollcall_sql"
	sessionTime  = 8 * time.Hour
	mostSessions = 64 // that are open; the oldest goes first

	freeTries   = 10              // wrong tokens before the door closes
	tryRecovers = 6 * time.Second // one more try is free after so long
)

// door lets into the SQL box who knows the token, or has a session of someone who did.
type door struct {
	token [sha256.Size]byte // of the token, so that comparing tells not even its length
	there bool              // there is a token
	now   func() time.Time

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]time.Time // by the hash of the cookie's value: when it ends
	spent    int                             // tries that were wrong and are not made good by time yet
	counted  time.Time                       // until when time made good
}

func newDoor(token extract.Secret, now func() time.Time) *door {
	return &door{token: sha256.Sum256([]byte(token.Reveal())), there: token != "", now: now, sessions: map[[sha256.Size]byte]time.Time{}}
}

// entry is what became of somebody at the door.
type entry uint8

const (
	refused entry = iota // a wrong token, or none
	closed               // too many wrong ones came
	admitted
)

// try is a token at the door.
func (d *door) try(token string) entry {
	given := sha256.Sum256([]byte(token))
	right := subtle.ConstantTimeCompare(given[:], d.token[:]) == 1
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recover()
	switch {
	case d.spent >= freeTries:
		return closed
	case d.there && right:
		return admitted
	}
	d.spent++
	return refused
}

// recover takes off what time has made good. The lock is held.
func (d *door) recover() {
	now := d.now()
	if d.spent == 0 {
		d.counted = now
		return
	}
	n := min(int(now.Sub(d.counted)/tryRecovers), d.spent)
	if n > 0 {
		d.spent -= n
		d.counted = d.counted.Add(time.Duration(n) * tryRecovers)
	}
}

// open begins a session and returns the cookie that carries it. It is marked for TLS where the browser speaks that, to here or to a proxy before.
func (d *door) open(r *http.Request) *http.Cookie {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	value := base64.RawURLEncoding.EncodeToString(raw)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweep()
	d.sessions[sha256.Sum256([]byte(value))] = d.now().Add(sessionTime)
	return cookie(r, value, int(sessionTime/time.Second))
}

// sweep makes room for a session. The lock is held.
func (d *door) sweep() {
	for key, end := range d.sessions {
		if !d.now().Before(end) {
			delete(d.sessions, key)
		}
	}
	for len(d.sessions) >= mostSessions {
		var oldest [sha256.Size]byte
		first := time.Time{}
		for key, end := range d.sessions {
			if first.IsZero() || end.Before(first) {
				oldest, first = key, end
			}
		}
		delete(d.sessions, oldest)
	}
}

func cookie(r *http.Request, value string, seconds int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/sql", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteStrictMode, //nolint:gosec // loopback has no TLS
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")}
}

// leave ends the request's session.
func (d *door) leave(r *http.Request) *http.Cookie {
	if c, err := r.Cookie(cookieName); err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.sessions, sha256.Sum256([]byte(c.Value)))
	}
	return cookie(r, "", -1)
}

// admits tells whether the request may use the box: it has a session, or bears the token.
func (d *door) admits(r *http.Request) entry {
	if !d.there {
		return refused
	}
	if c, err := r.Cookie(cookieName); err == nil {
		d.mu.Lock()
		end, ok := d.sessions[sha256.Sum256([]byte(c.Value))]
		d.mu.Unlock()
		if ok && d.now().Before(end) {
			return admitted
		}
	}
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return d.try(strings.TrimSpace(token))
	}
	return refused
}

// loginPage asks for the token.
type loginPage struct {
	Wrong bool
	Wait  string
}

func (p *Page) login(r *http.Request) (*view, error) {
	if !p.door.there {
		return p.off(), nil
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	if bad := readForm(r); bad {
		return failure(http.StatusBadRequest, "The form cannot be read", "It may be too large."), nil
	}
	e := p.door.try(r.PostForm.Get("token"))
	if e == admitted {
		return &view{to: "/sql", cookie: p.door.open(r)}, nil
	}
	p.o.Log.Warn().Bool("closed", e == closed).Msg("SQL box: a wrong token")
	return ask4token(e, true), nil
}

// readForm reads the request's form and tells whether that is not possible: what a client sends is no fault of ours.
func readForm(r *http.Request) (bad bool) { return r.ParseForm() != nil }

func (p *Page) logout(r *http.Request) (*view, error) {
	return &view{to: "/sql", cookie: p.door.leave(r)}, nil
}

// ask4token is the login form, which says what was wrong with the last try.
func ask4token(e entry, tried bool) *view {
	v := &view{status: http.StatusUnauthorized, page: "login", title: "SQL: sign in", section: "sql", body: loginPage{Wrong: tried},
		headers: map[string]string{"WWW-Authenticate": `Bearer realm="rollcall"`}}
	if e == closed {
		v.status, v.body = http.StatusTooManyRequests, loginPage{Wait: span(tryRecovers)}
		v.headers["Retry-After"] = strconv.Itoa(int(tryRecovers / time.Second))
	}
	return v
}

func (p *Page) off() *view {
	return &view{status: http.StatusForbidden, page: "off", title: "SQL: switched off", section: "sql"}
}

package sandbox

import (
	"bytes"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a fake one, for what counts minutes and stamps writes.
type clock struct{ at time.Time }

func newClock() *clock                    { return &clock{time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)} }
func (c *clock) now() time.Time           { return c.at }
func (c *clock) advance(by time.Duration) { c.at = c.at.Add(by) }
func headers(pairs ...string) http.Header { return withHeaders(make(http.Header), pairs...) }
func withHeaders(h http.Header, pairs ...string) http.Header {
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// caller asks a sandbox without a network between, as the organization's administrator.
type caller struct {
	*testing.T
	*Sandbox
	token string
}

// visit makes a sandbox and signs in.
func visit(t *testing.T, o Options) *caller {
	t.Helper()
	if o.Now == nil {
		o.Now = newClock().now
	}
	s, err := New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	c := &caller{T: t, Sandbox: s}
	c.renew()
	return c
}

func (c *caller) signInHeaders() http.Header {
	return headers("x-api-key", c.APIKey(), "x-api-key-id", c.APIKeyID(), "x-user-id", c.UserID())
}

// renew signs in again.
func (c *caller) renew() {
	c.Helper()
	answer := c.do(http.MethodPost, "user/signin_with_api_key", "", c.signInHeaders())
	var body struct {
		Token   string    `json:"id_token"`
		Expires time.Time `json:"expires_at"`
	}
	c.decode(answer, &body)
	if answer.Code != http.StatusOK || body.Token == "" || !body.Expires.After(c.options.Now()) {
		c.Fatalf("sign-in: %d %s", answer.Code, answer.Body)
	}
	c.token = body.Token
}

// do sends a request to a path of the organization; body may be empty.
func (c *caller) do(method, path, body string, h http.Header) *httptest.ResponseRecorder {
	c.Helper()
	r := httptest.NewRequest(method, "/v1/"+c.Org()+"/"+path, strings.NewReader(body))
	if h == nil {
		h = headers("Authorization", "Bearer "+c.token)
	}
	r.Header = h
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func (c *caller) get(path string) *httptest.ResponseRecorder {
	c.Helper()
	return c.do(http.MethodGet, path, "", nil)
}

// want sends a request and fails unless the answer has the status.
func (c *caller) want(status int, method, path, body string) *httptest.ResponseRecorder {
	c.Helper()
	answer := c.do(method, path, body, nil)
	if answer.Code != status {
		c.Fatalf("%s %s: %d %s, want %d", method, path, answer.Code, answer.Body, status)
	}
	return answer
}

func (c *caller) decode(answer *httptest.ResponseRecorder, into any) {
	c.Helper()
	if err := json.Unmarshal(answer.Body.Bytes(), into); err != nil {
		c.Fatalf("decode %.200q: %v", answer.Body, err)
	}
}

// listed is a page of the list, as far as the tests look at it.
type listed struct {
	Users []listedUser `json:"users"`
	More  *bool        `json:"has_more"`
	Token *int         `json:"continuation_token"`
}

type listedUser struct {
	ID    string `json:"user_id"`
	Email string `json:"email"`
	First string `json:"first_name"`
	Role  string `json:"role"`
	Stats struct {
		Conversations int64   `json:"num_conversations"`
		Messages      int64   `json:"num_messages"`
		Last          *string `json:"last_message_time"`
	} `json:"user_stats"`
	Preferences map[string]json.RawMessage `json:"preferences"`
	Variables   map[string]string          `json:"nonsensitive_variables"`
	Secrets     []string                   `json:"sensitive_variables"`
	MongoID     string                     `json:"_id"`
	Updated     string                     `json:"updated_at"`
}

func (p listed) ids() []string {
	out := make([]string, len(p.Users))
	for i, u := range p.Users {
		out[i] = u.ID
	}
	return out
}

// page reads a page; query is as in a URL.
func (c *caller) page(query string) listed {
	c.Helper()
	var p listed
	c.decode(c.want(http.StatusOK, http.MethodGet, "user/?"+query, ""), &p)
	return p
}

// all reads the whole list in the sandbox's dialect, by pages of 100.
func (c *caller) all(query string) []listedUser {
	c.Helper()
	cursor := "continuation_token"
	if c.options.Dialect == DialectOffset {
		cursor = "offset"
	}
	var users []listedUser
	for {
		p := c.page(query + "&limit=100&" + cursor + "=" + url.QueryEscape(itoa(len(users))))
		users = append(users, p.Users...)
		if p.More != nil && !*p.More || len(p.Users) == 0 {
			return users
		}
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// golden compares with a file under testdata, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (make it with -update)", err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs (-want +got):\n%s", path, cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")))
	}
}

// dial opens a connection to a served sandbox.
func dial(base string) (net.Conn, error) {
	return net.Dial("tcp", strings.TrimPrefix(base, "http://"))
}

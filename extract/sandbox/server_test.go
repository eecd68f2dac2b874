package sandbox

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		options Options
		want    string // what the error says; "": none
	}{
		{Options{}, ""},
		{Options{Users: NoUsers, Freddy: 3, Dialect: DialectOffset, Items: ItemsFull, Limits: LimitsDocumented, SQL: SQLNested}, ""},
		{Options{Users: -2}, "users: -2"},
		{Options{Users: MaxUsers + 1}, "users: 10000001"},
		{Options{Freddy: -1}, "freddy: -1"},
		{Options{Org: "a/b"}, `org: "a/b"`},
		{Options{Org: "user"}, `org: "user"`},
		{Options{Dialect: "cursor"}, `dialect: "cursor"`},
		{Options{Items: "all"}, `items: "all"`},
		{Options{Limits: "off"}, `limits: "off"`},
		{Options{SQL: "on"}, `sql: "on"`},
		{Options{TokenLifetime: -time.Second}, "token lifetime: -1s"},
		{Options{Scenario: &Scenario{}}, "steps"},
		{Options{Scenario: &Scenario{Steps: []Step{{Endpoint: KindList, Do: "explode"}}}}, `steps[0].do: "explode"`},
	} {
		_, err := New(tt.options)
		if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %v, want %q", tt.options, err, tt.want)
		}
	}
}

func TestExports(t *testing.T) {
	s, err := New(Options{Users: 1, Freddy: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"export AMIGO_BASE_URL=http://127.0.0.1:8080", "export AMIGO_ORGANIZATION_ID=acme-health", "export AMIGO_API_KEY=" + s.APIKey(),
		"export AMIGO_API_KEY_ID=" + s.APIKeyID(), "export AMIGO_USER_ID=" + s.UserID(),
		"export FREDDY_BASE_URL=http://127.0.0.1:8080", "export FREDDY_API_KEY=" + s.FreddyKey(),
	}
	if diff := cmp.Diff(want, s.Exports("http://127.0.0.1:8080")); diff != "" {
		t.Error(diff)
	}
	other, err := New(Options{Users: 1, Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	if other.APIKey() == s.APIKey() || len(other.Exports("x")) != 5 {
		t.Errorf("another seed: %v", other.Exports("x"))
	}
}

// TestServing starts, serves, refuses what cannot be, and stops; goleak sees that nothing is left.
func TestServing(t *testing.T) {
	s, err := New(Options{Users: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close before start: %v", err)
	}
	for range 2 {
		base, err := s.Start(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Start(t.Context(), ""); err == nil {
			t.Error("started twice")
		}
		answer, err := http.Get(base + "/v1/acme-health/user/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusUnauthorized || string(body) != `{"detail":"Could not validate credentials"}` {
			t.Errorf("%d %s %v", answer.StatusCode, body, err)
		}
		answer.Body.Close()
		other, err := New(Options{Users: 3})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Start(t.Context(), strings.TrimPrefix(base, "http://")); err == nil || !strings.Contains(err.Error(), "addr") {
			t.Errorf("an address in use: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if _, err := http.Get(base); err == nil {
			t.Error("still serves after Close")
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestServingEndsWithItsContext holds that a request under way does not outlive the context either.
func TestServingEndsWithItsContext(t *testing.T) {
	s, err := New(Options{Users: 3, Scenario: &Scenario{Steps: []Step{{Endpoint: KindAny, Do: DoDelay, Takes: time.Hour}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	base, err := s.Start(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		answer, err := http.Get(base + "/v1/acme-health/user/")
		if err == nil {
			answer.Body.Close()
		}
		failed <- err
	}()
	for s.Requests(KindAny) == 0 {
	}
	cancel()
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestPaths is about what no endpoint answers.
func TestPaths(t *testing.T) {
	c := visit(t, Options{Users: 5})
	id := c.page("").Users[0].ID
	for _, tt := range []struct {
		method, path string
		status       int
		header       string // of the answer, "Name: value"
	}{
		{"GET", "/", 404, ""},
		{"GET", "/v1", 404, ""},
		{"GET", "/v2/acme-health/user/", 404, ""},
		{"GET", "/v1/acme-health/nothing", 404, ""},
		{"GET", "/v1/another-org/user/", 404, ""},
		{"POST", "/v1/another-org/user/signin_with_api_key", 404, ""},
		{"GET", "/v1/acme-health/user?limit=3", 307, "Location: /v1/acme-health/user/?limit=3"},
		{"GET", "/v1/acme-health/role", 307, "Location: /v1/acme-health/role/"},
		{"GET", "/v1/acme-health/user/" + id + "/user_model/", 307, "Location: /v1/acme-health/user/" + id + "/user_model"},
		{"GET", "/v1/acme-health/user/" + id, 405, "Allow: POST, DELETE"},
		{"PUT", "/v1/acme-health/user/", 405, "Allow: GET, POST"},
		{"GET", "/v1/acme-health/user/a%2Fb/user_model", 404, ""},
		{"GET", "/v1/user/", 404, ""}, // Freddy's, and Freddy is not served
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		r.Header.Set("Authorization", "Bearer "+c.token)
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		name, value, _ := strings.Cut(tt.header, ": ")
		if w.Code != tt.status || name != "" && w.Header().Get(name) != value {
			t.Errorf("%s %s: %d %v, want %d %s", tt.method, tt.path, w.Code, w.Header(), tt.status, tt.header)
		}
	}
	if got := c.want(http.StatusNotFound, http.MethodGet, "nothing", "").Body.String(); got != `{"detail":"Not Found"}` {
		t.Errorf("404: %s", got)
	}
	c.want(http.StatusRequestEntityTooLarge, http.MethodPost, "user/", strings.Repeat(" ", maxRequestBody+1))
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/acme-health/user/", iotest.ErrReader(io.ErrUnexpectedEOF)))
	if w.Code != http.StatusBadRequest {
		t.Errorf("a body that breaks off: %d", w.Code)
	}
}

func TestProblemsAreShapedAsFastAPIShapesThem(t *testing.T) {
	c := visit(t, Options{Users: 5})
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "user/?limit=101&continuation_token=x", "",
			`{"detail":[{"loc":["query","limit"],"msg":"Input should be less than or equal to 100","type":"less_than_equal"},` +
				`{"loc":["query","continuation_token"],"msg":"Input should be a valid integer, unable to parse string as an integer","type":"int_parsing"}]}`},
		{"POST", "user/u/variable", `{"upserts":[{"name":"n_1","value":1}]}`,
			`{"detail":[{"loc":["body","upserts",0,"value"],"msg":"Input should be a valid string","type":"string_type"},` +
				`{"loc":["body","upserts",0,"is_secret"],"msg":"Field required","type":"missing"}]}`},
		{"POST", "user/u", `{"first_name":`, `{"detail":[{"loc":["body",14],"msg":"JSON decode error","type":"json_invalid"}]}`},
		{"POST", "user/u", ``, `{"detail":[{"loc":["body"],"msg":"Field required","type":"missing"}]}`},
	} {
		if got := c.want(http.StatusUnprocessableEntity, tt.method, tt.path, tt.body).Body.String(); got != tt.want {
			t.Errorf("%s %s %s:\n got %s\nwant %s", tt.method, tt.path, tt.body, got, tt.want)
		}
	}
}

// TestRepeatedParameters is apart from the conformance tests: the validator does not look into formats and patterns of what is
// given more than once.
func TestRepeatedParameters(t *testing.T) {
	c := visit(t, Options{Users: 5})
	id := c.page("").Users[0].ID
	good := strings.Repeat("a", 24)
	for path, want := range map[string]string{
		"user/?email=a@example.com&email=nobody":               `["query","email",1]`,
		"user/?email=Nobody%20%3Ca@example.com%3E":             `["query","email",0]`,
		"user/?sort_by=%2Bemail&sort_by=email":                 `["query","sort_by",1]`,
		"user/" + id + "/memory?id=" + good + "&id=xyz":        `["query","id",1]`,
		"user/" + id + "/memory?conversation_id=" + good + "A": `["query","conversation_id",0]`,
		"user/" + id + "/memory?sort_by=%2Bemail":              `["query","sort_by",0]`,
		"role/?id=xyz": `["query","id",0]`,
	} {
		if got := c.want(http.StatusUnprocessableEntity, http.MethodGet, path, "").Body.String(); !strings.HasPrefix(got, `{"detail":[{"loc":`+want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestTokens follows a token from the key exchange to its end.
func TestTokens(t *testing.T) {
	now := newClock()
	c := visit(t, Options{Users: 3, TokenLifetime: 10 * time.Minute, Now: now.now})
	c.want(http.StatusOK, http.MethodGet, "user/", "")
	first := c.token
	c.renew()
	if c.token == first {
		t.Error("two exchanges give the same token")
	}
	c.want(http.StatusOK, http.MethodGet, "user/", "")
	now.advance(10*time.Minute - 1)
	c.want(http.StatusOK, http.MethodGet, "user/", "")
	now.advance(1)
	answer := c.want(http.StatusUnauthorized, http.MethodGet, "user/", "")
	if got := answer.Header().Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate: %q", got)
	}
	c.renew()
	if got := len(c.tokens.until); got != 1 {
		t.Errorf("%d tokens are remembered, want the one that holds", got)
	}
	for _, authorization := range []string{"", "Bearer", "Bearer " + c.APIKey(), "Basic " + c.token, c.token} {
		if w := c.do(http.MethodGet, "user/", "", headers("Authorization", authorization)); w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d", authorization, w.Code)
		}
	}
	for _, name := range []string{"x-api-key", "x-api-key-id", "x-user-id"} {
		if w := c.do(http.MethodPost, "user/signin_with_api_key", "", withHeaders(c.signInHeaders(), name, "wrong")); w.Code != http.StatusUnauthorized {
			t.Errorf("a wrong %s: %d", name, w.Code)
		}
	}
}

// TestRateLimits spends each endpoint's minute: the documented number gets through, the next one is told when to come again.
func TestRateLimits(t *testing.T) {
	for _, tt := range []struct {
		kind, method, path, body string
		perMinute                int
	}{
		{KindList, "GET", "user/", "", 60},
		{KindLookup, "GET", "user/?user_id=x", "", 60},
		{KindModel, "GET", "user/x/user_model", "", 60},
		{KindMemory, "GET", "user/x/memory", "", 40},
		{KindSearch, "GET", "user/search/?query=x", "", 50},
		{KindCreate, "POST", "user/", "{}", 50},
		{KindUpdate, "POST", "user/x", "{}", 50},
		{KindVariables, "POST", "user/x/variable", "{}", 50},
		{KindDelete, "DELETE", "user/x", "", 500},
		{KindRole, "GET", "role/", "", 20},
		{KindDimensions, "GET", "organization/user_dimensions/", "", 20},
		{KindAssign, "POST", "role/x/assign", "{}", 1000},
		{KindSQL, "POST", "admin/sql_query", "{}", 6},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			now := newClock()
			c := visit(t, Options{Users: 3, Limits: LimitsDocumented, Now: now.now})
			for i := range tt.perMinute {
				w := c.do(tt.method, tt.path, tt.body, nil)
				if w.Code == http.StatusTooManyRequests || w.Header().Get("X-RateLimit-Limit") != strconv.Itoa(tt.perMinute) ||
					w.Header().Get("X-RateLimit-Remaining") != strconv.Itoa(tt.perMinute-i-1) ||
					w.Header().Get("X-RateLimit-Reset") != strconv.FormatInt(now.at.Add(30*time.Second).Unix(), 10) {
					t.Fatalf("request %d: %d %v", i+1, w.Code, w.Header())
				}
			}
			w := c.want(http.StatusTooManyRequests, tt.method, tt.path, tt.body)
			if w.Header().Get("Retry-After") != "30" || w.Header().Get("X-RateLimit-Remaining") != "0" {
				t.Errorf("refused with %v", w.Header())
			}
			now.advance(30 * time.Second)
			if w := c.do(tt.method, tt.path, tt.body, nil); w.Code == http.StatusTooManyRequests {
				t.Error("refused in the next minute")
			}
		})
	}
}

func TestRateLimitsElsewhere(t *testing.T) {
	c := visit(t, Options{Users: 3, Limits: LimitsDocumented})
	for range 30 { // list and look-up are one endpoint, and another one's minute is its own
		c.want(http.StatusOK, http.MethodGet, "user/", "")
		c.want(http.StatusOK, http.MethodGet, "user/?user_id=x", "")
	}
	c.want(http.StatusTooManyRequests, http.MethodGet, "user/", "")
	c.want(http.StatusOK, http.MethodGet, "role/", "")
	for range 4 {
		c.renew()
	}
	if w := c.do(http.MethodPost, "user/signin_with_api_key", "", c.signInHeaders()); w.Code != http.StatusTooManyRequests {
		t.Errorf("the sixth sign-in of a minute: %d", w.Code)
	}
	free := visit(t, Options{Users: 3})
	for range 200 {
		if w := free.get("role/"); w.Code != http.StatusOK || w.Header().Get("X-RateLimit-Limit") != "" {
			t.Fatalf("without limits: %d %v", w.Code, w.Header())
		}
	}
	for range 10 {
		if w := c.do(http.MethodPost, "user/signin", `{"redirect_link":"https://example.com/","email":"a@example.com"}`, nil); w.Code != http.StatusOK {
			t.Errorf("the magic link, which has no limit: %d", w.Code)
		}
	}
}

package extract_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
)

func TestParseBaseURL(t *testing.T) {
	good := map[string]string{
		"https://api.example.com":           "https://api.example.com",
		"https://api.example.com/":          "https://api.example.com",
		"https://api.example.com:8443/a/b/": "https://api.example.com:8443/a/b",
		"http://127.0.0.1:8080":             "http://127.0.0.1:8080",
		"http://127.9.9.9":                  "http://127.9.9.9",
		"http://[::1]:8080/":                "http://[::1]:8080",
		"http://localhost:1":                "http://localhost:1",
	}
	for in, want := range good {
		if u, err := extract.ParseBaseURL(in); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v", in, u, err)
		}
	}
	bad := map[string]string{
		"":                                    "scheme and a host",
		"api.example.com":                     "scheme and a host",
		"https://":                            "scheme and a host",
		"https://:443":                        "scheme and a host",
		"http://api.example.com":              "use https",
		"http://10.0.0.1":                     "use https",
		"http://0.0.0.0":                      "use https",
		"http://localhost.example.com":        "use https",
		"http://127.0.0.1.example.com":        "use https",
		"ftp://api.example.com":               "https://",
		"https://me:hunter2@api.example.com":  "no user name",
		"https://api.example.com?key=hunter2": "no query",
		"https://api.example.com#hunter2":     "no fragment",
		"https://hunter2\x00":                 "not a URL",
	}
	for in, want := range bad {
		_, err := extract.ParseBaseURL(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v quotes what may be a password", err)
		}
	}
	if _, err := extract.NewClient(extract.Options{BaseURL: "http://api.example.com"}); err == nil {
		t.Error("NewClient takes a base URL that ParseBaseURL refuses")
	}
}

// TestRedirects: a key in a header of its own would be sent along anywhere; so a redirect is followed within its host only.
func TestRedirects(t *testing.T) {
	var stolen, followed atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer other.Close()
	srv := httptest.NewServer(nil)
	defer srv.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/acme/user", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/v1/acme/user/?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/v1/acme/user/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") == "k" && r.URL.Query().Get("limit") == "7" {
			followed.Add(1)
		}
		_, _ = io.WriteString(w, "{}")
	})
	mux.Handle("/elsewhere", http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	mux.Handle("/https", http.RedirectHandler(strings.Replace(srv.URL, "http:", "https:", 1), http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	srv.Config.Handler = mux

	var seen events
	c := newClient(t, extract.Options{BaseURL: srv.URL, RPM: extract.RPMNone, Auth: extract.HeaderKey("X-Api-Key", "k"), Hooks: seen.hooks()})
	call := listCall()
	call.Path, call.Query = "/v1/acme/user", url.Values{"limit": {"7"}}
	mustDo(t.Context(), t, c, call)
	if followed.Load() != 1 || seen.requests[extract.KindList] != 2 {
		t.Errorf("a redirect within the host was followed %d times, in %d requests", followed.Load(), seen.requests[extract.KindList])
	}
	for _, path := range []string{"/elsewhere", "/https", "/round"} {
		call.Path = path
		_, err := c.Do(t.Context(), call, nil)
		var e *extract.UnavailableError
		if !errors.As(err, &e) || e.Attempts != 1 || !strings.Contains(e.Reason, "redirect") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if stolen.Load() != 0 {
		t.Error("the other host was asked")
	}
}

// TestTLS: a certificate nobody vouches for ends the call before anything is sent.
func TestTLS(t *testing.T) {
	var count atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		count.Add(1)
		_, _ = io.WriteString(w, "{}")
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()

	c := newClient(t, extract.Options{BaseURL: srv.URL})
	_, err := c.Do(t.Context(), listCall(), nil)
	var e *extract.UnavailableError
	if !errors.As(err, &e) || e.Attempts != 1 || !strings.Contains(e.Reason, "certificate") || count.Load() != 0 {
		t.Errorf("error %v after %d requests", err, count.Load())
	}
	c = newClient(t, extract.Options{BaseURL: srv.URL, Transport: srv.Client().Transport})
	mustDo(t.Context(), t, c, listCall())

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	c = newClient(t, extract.Options{BaseURL: strings.Replace(plain.URL, "http:", "https:", 1)})
	if _, err := c.Do(t.Context(), listCall(), nil); !errors.As(err, &e) || e.Attempts != 1 || !strings.Contains(e.Reason, "TLS") {
		t.Errorf("a server without TLS: %v", err)
	}
}

// TestWire: what a call looks like to the server. The path is as escaped as it was given, under the path of the base URL.
func TestWire(t *testing.T) {
	type request struct{ method, uri, body, auth, accept, agent, contentType string }
	got := make(chan request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- request{r.Method, r.RequestURI, string(b), r.Header.Get("Authorization"), r.Header.Get("Accept"), r.UserAgent(), r.Header.Get("Content-Type")}
		_, _ = io.WriteString(w, "{}")
	}))
	defer srv.Close()
	c := newClient(t, extract.Options{BaseURL: srv.URL + "/pre%2Ffix/", Auth: extract.Bearer("tok"), UserAgent: "rollcall/1"})
	tests := []struct {
		call extract.Call
		want request
	}{
		{extract.Call{Method: "GET", Path: "/v1/a/user/slash%2F..%2Fid%3Fx=%252F%23%C3%A9/user_model"},
			request{"GET", "/pre%2Ffix/v1/a/user/slash%2F..%2Fid%3Fx=%252F%23%C3%A9/user_model", "", "Bearer tok", "application/json", "rollcall/1", ""}},
		{extract.Call{Method: "GET", Path: "/v1/a/user/%2E%2E/memory", Query: url.Values{"sort_by": {"+email"}, "a": {"1", "2"}}},
			request{"GET", "/pre%2Ffix/v1/a/user/%2E%2E/memory?a=1&a=2&sort_by=%2Bemail", "", "Bearer tok", "application/json", "rollcall/1", ""}},
		{extract.Call{Method: "POST", Path: "/v1/a/admin/sql_query", Body: []byte(`{"q":1}`)},
			request{"POST", "/pre%2Ffix/v1/a/admin/sql_query", `{"q":1}`, "Bearer tok", "application/json", "rollcall/1", "application/json"}},
	}
	for _, tt := range tests {
		mustDo(t.Context(), t, c, tt.call)
		if r := <-got; r != tt.want {
			t.Errorf("the server saw %+v, want %+v", r, tt.want)
		}
	}
}

// TestBadCalls are the caller's mistakes: an error at once, nothing sent, nothing quoted.
func TestBadCalls(t *testing.T) {
	refuse := roundTrip(func(*http.Request) (*http.Response, error) { t.Error("sent"); return reply(200, ""), nil })
	tests := map[string]struct {
		call extract.Call
		auth *extract.Static
	}{
		"relative path":         {extract.Call{Method: "GET", Path: "v1"}, extract.Bearer("x")},
		"unescaped path":        {extract.Call{Method: "GET", Path: "/100%/u"}, extract.Bearer("x")},
		"no method":             {extract.Call{Method: "G T", Path: "/"}, extract.Bearer("x")},
		"line break in a token": {extract.Call{Method: "GET", Path: "/"}, extract.Bearer("hunter2\n")},
	}
	for name, tt := range tests {
		c := newClient(t, extract.Options{Transport: refuse, Auth: tt.auth})
		_, err := c.Do(t.Context(), tt.call, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

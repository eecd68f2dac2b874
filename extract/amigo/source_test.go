package amigo

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// TestPageDialects: what is sent for a walk of three requests, by what the server answers. The first request never has a paging
// parameter, none has both.
func TestPageDialects(t *testing.T) {
	const (
		token  = `{"users":[{"user_id":"a"}],"has_more":true,"continuation_token":7}`
		last   = `{"users":[],"has_more":false,"continuation_token":null}`
		offset = `{"users":[{"user_id":"a"}]}`
		both   = `{"users":[{"user_id":"a"}],"has_more":true}`
	)
	tests := []struct {
		name    string
		paging  sweep.Dialect
		body    string
		want    sweep.Dialect
		param   string
		more    sweep.Tri
		hasNext bool
	}{
		{"auto, tokens", sweep.Auto, token, sweep.Token, "continuation_token", sweep.Yes, true},
		{"auto, tokens, one page", sweep.Auto, last, sweep.Token, "continuation_token", sweep.No, false},
		{"auto, offsets", sweep.Auto, offset, sweep.Offset, "offset", sweep.Unknown, false},
		{"auto, offsets and has_more", sweep.Auto, both, sweep.Offset, "offset", sweep.Yes, false},
		{"token by flag", sweep.Token, offset, sweep.Token, "continuation_token", sweep.Unknown, false},
		{"offset by flag", sweep.Offset, token, sweep.Offset, "offset", sweep.Yes, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := always(200, tt.body)
			s := newSource(t, srv, Options{Paging: tt.paging})
			for _, q := range []sweep.Query{{Limit: 10, Sort: sweep.Ascending}, {Limit: 500, Cursor: 1<<53 + 1, Sort: sweep.Descending}, {Limit: 2}} {
				p, err := s.Page(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if p.Dialect != tt.want || p.More != tt.more || p.HasNext != tt.hasNext || tt.hasNext && p.Next != 7 {
					t.Errorf("page %+v", p)
				}
			}
			most := "100"
			if tt.want == sweep.Offset { // no bound is documented
				most = "500"
			}
			want := []string{
				"GET /v1/acme-health/user/?limit=10&sort_by=%2Bemail",
				"GET /v1/acme-health/user/?" + url.Values{"limit": {most}, "sort_by": {"-email"}, tt.param: {"9007199254740993"}}.Encode(),
				"GET /v1/acme-health/user/?limit=2",
			}
			if !slices.Equal(srv.log, want) {
				t.Errorf("sent %q\nwant %q", srv.log, want)
			}
		})
	}
}

// TestPageFaults: an envelope that is none is asked for again, and ends as an error if it stays one.
func TestPageFaults(t *testing.T) {
	n := 0
	srv := &server{answer: func(*http.Request) (int, string) {
		if n++; n < 3 {
			return 200, `{"users":[{"user_id":"a"}`
		}
		return 200, string(read(t, "list_first.json"))
	}}
	s := newSource(t, srv, Options{})
	p, err := s.Page(t.Context(), sweep.Query{Limit: 100})
	if err != nil || len(p.Items) != 1 || p.Items[0].Key != "pQ3vX0b7tFf2mN9sK1aZcR8yLw42" || p.Next != 100 || len(srv.log) != 3 {
		t.Errorf("%+v, %v after %d requests", p, err, len(srv.log))
	}
	for status, target := range map[int]any{200: new(*extract.UnavailableError), 403: new(*extract.RefusedError), 404: new(*extract.OrgNotFoundError), 422: new(*extract.UnavailableError)} {
		s := newSource(t, always(status, `{"detail":"canary"}`), Options{})
		if _, err := s.Page(t.Context(), sweep.Query{Limit: 100}); !errors.As(err, target) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// directory is a server that finds users by id, in pages of at most size rows, in either dialect.
func directory(t *testing.T, dialect sweep.Dialect, size int, known ...string) *server {
	return &server{answer: func(r *http.Request) (int, string) {
		q := r.URL.Query()
		if len(q["user_id"]) > 100 || len(r.URL.RawQuery) > 8<<10 {
			t.Errorf("%d ids in %d bytes of query", len(q["user_id"]), len(r.URL.RawQuery))
		}
		var hits []string
		for _, id := range known {
			if slices.Contains(q["user_id"], id) {
				hits = append(hits, fmt.Sprintf(`{"user_id":%q}`, id))
			}
		}
		param := map[sweep.Dialect]string{sweep.Token: "continuation_token", sweep.Offset: "offset"}[dialect]
		skip, _ := strconv.Atoi(q.Get(param))
		limit, _ := strconv.Atoi(q.Get("limit"))
		skip = min(skip, len(hits))
		end := min(skip+min(limit, size), len(hits))
		body := `{"users":[` + strings.Join(hits[skip:end], ",") + `]`
		if dialect == sweep.Token {
			next := "null"
			if end < len(hits) {
				next = strconv.Itoa(end)
			}
			body += fmt.Sprintf(`,"has_more":%v,"continuation_token":%s`, end < len(hits), next)
		}
		return 200, body + "}"
	}}
}

func TestLookup(t *testing.T) {
	var many, half []string
	for i := range 250 {
		id := fmt.Sprintf("user-%03d", i)
		many = append(many, id)
		if i%2 == 0 {
			half = append(half, id)
		}
	}
	long := make([]string, 40)
	for i := range long {
		long[i] = strings.Repeat("é", 300) + strconv.Itoa(i)
	}
	tests := []struct {
		name     string
		size     int
		known    []string
		ask      []string
		requests map[sweep.Dialect]int
	}{
		{"nobody", 100, many, nil, map[sweep.Dialect]int{sweep.Token: 0, sweep.Offset: 0}},
		{"all there", 100, many, many, map[sweep.Dialect]int{sweep.Token: 3, sweep.Offset: 3}},
		{"half of them", 100, half, many, map[sweep.Dialect]int{sweep.Token: 3, sweep.Offset: 6}},
		{"none there", 100, nil, many[:5], map[sweep.Dialect]int{sweep.Token: 1, sweep.Offset: 1}},
		{"short pages", 10, half, many[:100], map[sweep.Dialect]int{sweep.Token: 5, sweep.Offset: 6}},
		{"asked twice", 100, many, []string{"user-001", "user-001", "user-002"}, map[sweep.Dialect]int{sweep.Token: 1, sweep.Offset: 1}},
		{"long ids", 100, long, long, map[sweep.Dialect]int{sweep.Token: 14, sweep.Offset: 14}},
	}
	for _, tt := range tests {
		for dialect, requests := range tt.requests {
			t.Run(fmt.Sprint(tt.name, "/", dialect), func(t *testing.T) {
				srv := directory(t, dialect, tt.size, tt.known...)
				s := newSource(t, srv, Options{Paging: dialect})
				items, err := s.Lookup(t.Context(), tt.ask)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, it := range items {
					got = append(got, it.Key)
				}
				slices.Sort(got)
				var want []string
				for _, id := range tt.known {
					if slices.Contains(tt.ask, id) {
						want = append(want, id)
					}
				}
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("found %d of %d", len(got), len(want))
				}
				if len(srv.log) != requests {
					t.Errorf("%d requests, want %d", len(srv.log), requests)
				}
			})
		}
	}
}

// TestLookupDistrust: rows that were not asked for prove nothing, the last of equal rows counts, and claims of more without end are an error.
func TestLookupDistrust(t *testing.T) {
	s := newSource(t, always(200, `{"users":[{"user_id":"x"},{"user_id":"a","v":1},{},{"user_id":"a","v":2}],"has_more":false,"continuation_token":null}`), Options{})
	items, err := s.Lookup(t.Context(), []string{"a", "b"})
	if err != nil || len(items) != 1 || string(items[0].Raw) != `{"user_id":"a","v":2}` {
		t.Errorf("%q, %v", items, err)
	}
	srv := always(200, `{"users":[],"has_more":true,"continuation_token":5}`)
	if _, err := newSource(t, srv, Options{}).Lookup(t.Context(), []string{"a", "b"}); err == nil || len(srv.log) > 3 {
		t.Errorf("error %v after %d requests", err, len(srv.log))
	}
	srv = always(500, "")
	if _, err := newSource(t, srv, Options{}).Lookup(t.Context(), []string{"a"}); !errors.As(err, new(*extract.UnavailableError)) {
		t.Errorf("error %v", err)
	}
}

// TestPathIsOneSegment: the server sees an identifier escaped, whatever it holds.
func TestPathIsOneSegment(t *testing.T) {
	uris := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uris <- r.RequestURI
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"user_models":[],"additional_context":[],"memories":[]}`)
	}))
	defer srv.Close()
	s := New(newClient(t, extract.Options{BaseURL: srv.URL}), Options{Org: "a/b"})
	tests := map[string]string{
		"slash/../id?x=%2F#é": "slash%2F..%2Fid%3Fx=%252F%23%C3%A9",
		"..":                  "%2E%2E",
		".":                   "%2E",
		"u 1+1;a":             "u%201+1%3Ba",
		"\xff\x00":            "%FF%00",
	}
	for id, want := range tests {
		if _, err := s.Model(t.Context(), id); err != nil {
			t.Error(err)
		}
		if got := <-uris; got != "/v1/a%2Fb/user/"+want+"/user_model" {
			t.Errorf("%q is asked for as %s", id, got)
		}
		if _, err := s.Memories(t.Context(), id); err != nil {
			t.Error(err)
		}
		if got := <-uris; got != "/v1/a%2Fb/user/"+want+"/memory?limit=50" {
			t.Errorf("the memories of %q are asked for as %s", id, got)
		}
	}
}

func TestModel(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		state  ModelState
		fault  string
	}{
		{"fetched", 200, string(read(t, "model.json")), Fetched, ""},
		{"empty", 200, `{"user_models":[],"additional_context":[]}`, Fetched, ""},
		{"without context", 200, ` {"x":1,"user_models" : []} `, Fetched, ""},
		{"forbidden", 403, `{"detail":"Missing permission User:GetUserModel"}`, Forbidden, ""},
		{"gone", 404, "", Gone, ""},
		{"cut", 200, `{"user_models":[],"additional_context":["cana`, 0, "not JSON"},
		{"null", 200, "null", 0, "not an object"},
		{"array", 200, "[]", 0, "not an object"},
		{"something else", 200, `{"detail":"canary"}`, 0, "without user_models"},
		{"failing", 500, "", 0, "status 500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSource(t, always(tt.status, tt.body), Options{})
			m, err := s.Model(t.Context(), "u-1")
			if tt.fault != "" {
				if !errors.As(err, new(*extract.UnavailableError)) || !strings.Contains(err.Error(), tt.fault) || strings.Contains(err.Error(), "cana") {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || m.State != tt.state || m.At.IsZero() || (m.Raw != nil) != (tt.state == Fetched) || m.Raw != nil && string(m.Raw) != tt.body {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

func TestMemories(t *testing.T) {
	pages := map[string]string{
		"":  `{"memories":[{"id":"1", "content":"a"},{"id":"2"}],"has_more":true,"continuation_token":2}`,
		"2": `{"memories":[],"has_more":true,"continuation_token":3}`,
		"3": `{"memories":[{"id":"3"}],"has_more":false,"continuation_token":null}`,
	}
	srv := &server{answer: func(r *http.Request) (int, string) { return 200, pages[r.URL.Query().Get("continuation_token")] }}
	got, err := newSource(t, srv, Options{}).Memories(t.Context(), "u")
	if want := `[{"id":"1", "content":"a"} {"id":"2"} {"id":"3"}]`; err != nil || fmt.Sprintf("%s", got) != want || len(srv.log) != 3 {
		t.Errorf("%s, %v", got, err)
	}
	for _, line := range srv.log {
		if !strings.Contains(line, "limit=50") {
			t.Errorf("sent %s", line)
		}
	}
	srv = always(200, `{"memories":[{"id":"1"}],"has_more":true,"continuation_token":1}`)
	if _, err := newSource(t, srv, Options{}).Memories(t.Context(), "u"); err == nil || len(srv.log) != 2 {
		t.Errorf("error %v after %d requests of a token that repeats", err, len(srv.log))
	}
	for status, want := range map[int]error{403: ErrForbidden, 404: ErrGone} {
		if _, err := newSource(t, always(status, ""), Options{}).Memories(t.Context(), "u"); !errors.Is(err, want) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestRoles(t *testing.T) {
	srv := always(200, `{"roles":[{"id":"67a1f0c2e4b0a1b2c3d4e5f6","name":"Care Coach"} , {"id":"b"}]}`)
	got, err := newSource(t, srv, Options{}).Roles(t.Context())
	if want := `[{"id":"67a1f0c2e4b0a1b2c3d4e5f6","name":"Care Coach"} {"id":"b"}]`; err != nil || fmt.Sprintf("%s", got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if !reflect.DeepEqual(srv.log, []string{"GET /v1/acme-health/role/"}) {
		t.Errorf("sent %q", srv.log)
	}
	if _, err := newSource(t, always(403, ""), Options{}).Roles(t.Context()); !errors.Is(err, ErrForbidden) {
		t.Errorf("403: %v", err)
	}
	if _, err := newSource(t, always(404, ""), Options{}).Roles(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("404: %v", err)
	}
	if _, err := newSource(t, always(200, "{}"), Options{}).Roles(t.Context()); !errors.As(err, new(*extract.UnavailableError)) {
		t.Errorf("no roles: %v", err)
	}
}

func TestRegions(t *testing.T) {
	for _, h := range Hosts() {
		if u, err := extract.ParseBaseURL(h); err != nil || Region(u.String()) == "" {
			t.Errorf("%s: %v", h, err)
		}
	}
	for in, want := range map[string]string{DefaultBaseURL: "us-east-1", "https://API-EU-Central-1.amigo.ai:443/x": "eu-central-1", "http://127.0.0.1": "", "https://internal-api.amigo.ai": "", "://": ""} {
		if got := Region(in); got != want {
			t.Errorf("%s is in %q, want %q", in, got, want)
		}
	}
	if l := Limits(); l[extract.KindList] != 60 || l[extract.KindModel] != 60 || l[extract.KindSignIn] != 5 {
		t.Errorf("limits %v", l)
	}
}

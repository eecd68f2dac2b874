package freddy

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

func TestPage(t *testing.T) {
	const rows = `[ {"id":"usr_a", "n":1e400} , {"email":"x"},{"id":""},7 ]`
	members := func(wrapper, total string) string {
		return `{"total_pages":9,"` + wrapper + `":[{"id":"orgusr_1","user_id":"usr_a"},{"id":"orgusr_2","user_id":"usr_b"}]` + total + `,"skip":4}`
	}
	tests := []struct {
		name, org, body string
		query           sweep.Query
		sent            string
		keys            []string // "" for a row without a usable one
		more            sweep.Tri
	}{
		{"list", "", rows, sweep.Query{Limit: 250, Cursor: 1<<53 + 1, Sort: sweep.Ascending}, "GET /v1/user/?limit=250&skip=9007199254740993",
			[]string{"usr_a", "", "", ""}, sweep.Unknown},
		{"end of the list", "", " []\n", sweep.Query{Limit: 2, Sort: sweep.Descending}, "GET /v1/user/?limit=2&skip=0", nil, sweep.Unknown},
		{"members", "org/1", members("users", `,"total_users_count":7`), sweep.Query{Limit: 50, Cursor: 4},
			`POST /v1/organizations/org%2F1/users {"skip":4,"take":50}`, []string{"usr_a", "usr_b"}, sweep.Yes},
		{"last of the members", "..", members("members", `,"total":6`), sweep.Query{Limit: 500, Cursor: 4},
			`POST /v1/organizations/%2E%2E/users {"skip":4,"take":100}`, []string{"usr_a", "usr_b"}, sweep.No},
		{"members without a total", "o", members("users", ""), sweep.Query{Limit: 2}, `POST /v1/organizations/o/users {"skip":0,"take":2}`,
			[]string{"usr_a", "usr_b"}, sweep.Unknown},
		{"members with a null total", "o", members("users", `,"total":null`), sweep.Query{Limit: 2}, `POST /v1/organizations/o/users {"skip":0,"take":2}`,
			[]string{"usr_a", "usr_b"}, sweep.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := always(200, tt.body)
			p, err := newSource(t, srv, Options{Org: tt.org}).Page(t.Context(), tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if got := srv.requests(); !slices.Equal(got, []string{tt.sent}) {
				t.Errorf("sent %q, want %q", got, tt.sent)
			}
			if p.More != tt.more || p.Dialect != sweep.Offset || p.HasNext || len(p.Items) != len(tt.keys) {
				t.Fatalf("%+v", p)
			}
			for i, item := range p.Items {
				if item.Keyed() != (tt.keys[i] != "") || item.Keyed() && item.Key != tt.keys[i] {
					t.Errorf("row %d has the key %q", i, item.Key)
				}
				if !strings.Contains(tt.body, string(item.Raw)) {
					t.Errorf("row %d came out as %s", i, item.Raw)
				}
			}
		})
	}
}

// TestPageFaults: what is no page is asked for again, and ends as an error if it stays none.
func TestPageFaults(t *testing.T) {
	for _, org := range []string{"", "org_1"} {
		good := map[string]string{"": `[{"id":"usr_a"}]`, "org_1": `{"users":[{"user_id":"usr_a"}],"total":1}`}[org]
		for _, bad := range []string{``, `null`, `<html>`, good[:len(good)-1], `{"detail":"x"}`, `{"users":{"a":1}}`, `{"users":[],"total":-1}`, `{"users":[],"total":"x"}`} {
			n := 0
			srv := &server{}
			srv.answer = func(*http.Request, string) (int, string) {
				if n++; n == 1 {
					return 200, bad
				}
				return 200, good
			}
			p, err := newSource(t, srv, Options{Org: org}).Page(t.Context(), sweep.Query{Limit: 2})
			if err != nil || len(p.Items) != 1 || n != 2 {
				t.Errorf("%q of %q: %d rows, %v after %d requests", bad, org, len(p.Items), err, n)
			}
		}
	}
	tests := []struct {
		status int
		org    string
		want   any
	}{
		{200, "", new(*extract.UnavailableError)},
		{401, "", new(*extract.RefusedError)},
		{403, "org_1", new(*extract.RefusedError)},
		{404, "", new(*NotServedError)},
		{404, "org_1", new(*extract.OrgNotFoundError)},
		{422, "", new(*extract.UnavailableError)},
		{503, "org_1", new(*extract.UnavailableError)},
	}
	for _, tt := range tests {
		_, err := newSource(t, always(tt.status, `{"error":{"code":"canary"}}`), Options{Org: tt.org}).Page(t.Context(), sweep.Query{Limit: 100})
		if !errors.As(err, tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d for %q: %v", tt.status, tt.org, err)
		}
		var advice interface{ Hints() []string }
		if !errors.As(err, &advice) || len(advice.Hints()) == 0 {
			t.Errorf("%d for %q has no hint", tt.status, tt.org)
		}
	}
}

func TestAuth(t *testing.T) {
	srv := &server{answer: func(r *http.Request, _ string) (int, string) {
		if r.Header.Get("X-API-Key") != "ak_x" || r.Header.Get("Authorization") != "" {
			return 401, ""
		}
		return 200, "[]"
	}}
	s := newSource(t, srv, Options{})
	if _, err := s.Page(t.Context(), sweep.Query{Limit: 2}); !errors.As(err, new(*extract.RefusedError)) {
		t.Errorf("without a key: %v", err)
	}
	s.c = newClient(t, extract.Options{BaseURL: "http://" + s.c.Host(), Auth: Auth("ak_x"), Limits: Limits()})
	if _, err := s.Page(t.Context(), sweep.Query{Limit: 2}); err != nil {
		t.Error(err)
	}
}

package pipeline

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// lastSeen is the run that saw each user last.
func lastSeen(t *testing.T, v publish.Version) map[identity]string {
	t.Helper()
	out := map[identity]string{}
	columns := []string{"_scope", "user_id", "_last_seen_run", "_run_id"}
	err := eachBatch(t.Context(), v, memory.DefaultAllocator, schema.NameUsersFlat, columns, func(b transform.Columns) error {
		for i := range b.Rows() {
			text := func(name string) string { return strings.Clone(b.Text(name, i).String) }
			out[identity{text("_scope"), text("user_id")}] = text("_last_seen_run")
			if text("_run_id") != v.Run {
				t.Errorf("%s of version %s was made by %s", text("user_id"), v.Run, text("_run_id"))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTheHeldWereNotSeen: of users who are kept though they were not seen an amended version says which run saw them last.
func TestTheHeldWereNotSeen(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 100, Limits: "none"})
	c.Models, c.MaxDeletePercent = config.ModelsNone, 1
	wh := publish.Open(c.Warehouse)
	first := current(t, wh, night(t, c))
	gone := map[string]bool{}
	for row := range 3 {
		id, _ := userAt(t, c, 20*row)
		gone[id] = true
		write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
	}
	changed, _ := userAt(t, c, 50)
	write(t, s, c, http.MethodPost, "user/"+url.PathEscape(changed), `{"last_name":"Other"}`)
	held := night(t, c)
	second := current(t, wh, held)
	if held.Status != Held || held.DeletesHeld != 3 || second.Manifest.Compact != first.Manifest.Compact {
		t.Fatalf("status %s, %d deletions held", held.Status, held.DeletesHeld)
	}
	for id, run := range lastSeen(t, second) {
		if want := map[bool]string{true: first.Run, false: second.Run}[gone[id.user]]; run != want {
			t.Errorf("%s was seen by %s, want %s", id.user, run, want)
		}
	}
}

// TestOrganizationsThatWereNotAsked: nor were their users seen.
func TestOrganizationsThatWereNotAsked(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 60, Limits: "none"})
	origin, err := url.Parse(c.BaseURL)
	if err != nil {
		t.Fatal(err)
	}
	const other = "it's another"
	srv := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { // both organizations have the same users
		r.SetURL(origin)
		r.Out.URL.Path = strings.Replace(r.Out.URL.Path, "/v1/"+other+"/", "/v1/"+s.Org()+"/", 1)
		r.Out.URL.RawPath = ""
	}})
	t.Cleanup(srv.Close)
	c.BaseURL, c.Models, c.Orgs = srv.URL, config.ModelsNone, []string{s.Org(), other}
	wh := publish.Open(c.Warehouse)
	first := current(t, wh, night(t, c))
	c.Orgs = c.Orgs[:1]
	id, _ := userAt(t, c, 50)
	write(t, s, c, http.MethodPost, "user/"+url.PathEscape(id), `{"last_name":"Other"}`)
	second := current(t, wh, night(t, c))
	if second.Manifest.Compact != first.Manifest.Compact {
		t.Fatal("the version was built whole")
	}
	seen := lastSeen(t, second)
	if len(seen) != 120 {
		t.Errorf("%d users", len(seen))
	}
	for id, run := range seen {
		if want := map[bool]string{true: first.Run, false: second.Run}[id.scope == other]; run != want {
			t.Errorf("%v was seen by %s, want %s", id, run, want)
		}
	}
}

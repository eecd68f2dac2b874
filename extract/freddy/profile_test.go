package freddy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/internal/recordertest"
)

const (
	ownNotFound       = `{"success":false,"error":{"code":"RESOURCE_NOT_FOUND","message":"User not found"}}`
	frameworkNotFound = `{"detail":"Not Found"}`
)

// directory knows some users, and answers about them as its fields say.
type directory struct {
	known       []string
	batchStatus int             // 0: 200
	most        int             // ids that a batch takes; 0: any number
	refuse      bool            // a batch of more is a 422; else the rest is left out without a word
	silent      bool            // no requested_ids
	poison      string          // an id that is a 422, in a batch and alone
	foreign     map[string]bool // ids whose profile is somebody else's
	notFound    string          // body of a 404 for one user
}

func (d *directory) server(t *testing.T) *server {
	return &server{answer: func(r *http.Request, body string) (int, string) {
		if r.Method == http.MethodPost {
			return d.batch(t, body)
		}
		id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		switch {
		case id == d.poison:
			return 422, `{"detail":[{"loc":["path","user_id"],"msg":"bad","type":"x"}]}`
		case d.foreign[id]:
			return 200, `{"id":"usr_somebody_else"}`
		case slices.Contains(d.known, id):
			return 200, fmt.Sprintf(`{"id":%q,"user_id":%q}`, id, id)
		}
		return 404, d.notFound
	}}
}

func (d *directory) batch(t *testing.T, body string) (int, string) {
	if d.batchStatus != 0 {
		return d.batchStatus, frameworkNotFound
	}
	var ask struct {
		IDs []string `json:"user_ids"`
	}
	if err := json.Unmarshal([]byte(body), &ask); err != nil || len(ask.IDs) == 0 || len(ask.IDs) > 100 {
		t.Errorf("a batch of %d: %v", len(ask.IDs), err)
	}
	ids := ask.IDs
	if d.most > 0 && len(ids) > d.most {
		if d.refuse {
			return 422, `{"detail":[]}`
		}
		ids = ids[:d.most]
	}
	if d.poison != "" && slices.Contains(ids, d.poison) {
		return 422, `{"detail":[]}`
	}
	var rows []string
	for _, id := range ids {
		if slices.Contains(d.known, id) {
			rows = append(rows, fmt.Sprintf(`{"id":%q}`, id))
		}
	}
	asked, err := json.Marshal(ids)
	if err != nil {
		t.Error(err)
	}
	if d.silent {
		return 200, `{"users":[` + strings.Join(rows, ",") + `]}`
	}
	return 200, fmt.Sprintf(`{"requested_ids":%s,"total":%d,"users":[%s]}`, asked, len(rows), strings.Join(rows, ","))
}

func someone(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("usr_%03d", i)
	}
	return ids
}

// TestProfiles: who is found, and by how many requests.
func TestProfiles(t *testing.T) {
	all := someone(250)
	tests := []struct {
		name           string
		d              directory
		ask            []string
		missing        []string
		batches, alone int
	}{
		{"nobody", directory{}, nil, nil, 0, 0},
		{"everybody", directory{known: all}, all, nil, 3, 0},
		{"repeats and the empty id", directory{known: all}, append([]string{"", "usr_000"}, all[:100]...), nil, 1, 0},
		{"some have left", directory{known: all[:240]}, all, all[240:], 3, 0},
		{"no batch endpoint", directory{known: all, batchStatus: 404, notFound: ownNotFound}, append(slices.Clone(all), "usr_gone"), []string{"usr_gone"}, 1, 251},
		{"no such method", directory{known: all, batchStatus: 405}, all[:101], nil, 1, 101},
		{"batches cut short", directory{known: all, most: 30}, all[:100], nil, 4, 0},
		{"batches cut short, and nothing said", directory{known: all, most: 30, silent: true}, all[:100], nil, 4, 0},
		{"nothing said of who has left", directory{known: all[:98], silent: true, notFound: ownNotFound}, all[:100], all[98:100], 2, 2},
		{"batches too large", directory{known: all, most: 30, refuse: true}, all[:100], nil, 7, 0},
		{"batches larger than a body may be", directory{known: all, batchStatus: 413}, all[:4], nil, 7, 4},
		{"an id of another make", directory{known: all, poison: "usr_002"}, all[:8], []string{"usr_002"}, 7, 1},
		{"somebody else's profile", directory{known: all, batchStatus: 404, foreign: map[string]bool{"usr_001": true}}, all[:3], []string{"usr_001"}, 1, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := tt.d.server(t)
			got, err := newSource(t, srv, Options{}).Profiles(t.Context(), tt.ask)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range distinct(tt.ask) {
				if (got[id] == nil) != slices.Contains(tt.missing, id) {
					t.Errorf("%s: %s", id, got[id])
				}
				if got[id] != nil && string(object(t, got[id])["id"]) != `"`+id+`"` {
					t.Errorf("%s has the profile %s", id, got[id])
				}
			}
			if len(got) != len(distinct(tt.ask))-len(tt.missing) {
				t.Errorf("%d profiles", len(got))
			}
			if b, g := srv.count("POST /v1/user/batch"), srv.count("GET /v1/user/usr_"); b != tt.batches || g != tt.alone || b+g != len(srv.requests()) {
				t.Errorf("%d batches and %d alone, want %d and %d; %d requests in all", b, g, tt.batches, tt.alone, len(srv.requests()))
			}
		})
	}
}

// TestOneByOneIsForGood: a source that has no batch endpoint is not asked for it again.
func TestOneByOneIsForGood(t *testing.T) {
	d := directory{known: someone(5), batchStatus: 404}
	srv := d.server(t)
	s := newSource(t, srv, Options{})
	for range 3 {
		if _, err := s.Profiles(t.Context(), d.known); err != nil {
			t.Fatal(err)
		}
	}
	if n := srv.count("POST"); n != 1 {
		t.Errorf("%d batches", n)
	}
}

func TestPathsAreEscaped(t *testing.T) {
	ids := []string{"a/b?c#d é%", "..", "."}
	srv := always(404, ownNotFound)
	s := newSource(t, srv, Options{})
	s.goOneByOne()
	if _, err := s.Profiles(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /v1/user/a%2Fb%3Fc%23d%20%C3%A9%25", "GET /v1/user/%2E%2E", "GET /v1/user/%2E"}
	if got := srv.requests(); !slices.Equal(got, want) {
		t.Errorf("sent %q", got)
	}
}

// TestProfileFaults: what is no answer is asked for again; a refusal is one.
func TestProfileFaults(t *testing.T) {
	for _, bad := range []string{``, `null`, `[]`, `{"total":1}`, `{"users":null}`, `{"users":[{"id":"usr_000"}`, `<html>`} {
		d := directory{known: someone(2)}
		inner, n := d.server(t), 0
		srv := &server{answer: func(r *http.Request, body string) (int, string) {
			if n++; n == 1 {
				return 200, bad
			}
			return inner.answer(r, body)
		}}
		got, err := newSource(t, srv, Options{}).Profiles(t.Context(), d.known)
		if err != nil || len(got) != 2 || n != 2 {
			t.Errorf("%q: %d profiles, %v after %d requests", bad, len(got), err, n)
		}
	}
	for _, status := range []int{401, 403, 500, 400} {
		for _, oneByOne := range []bool{false, true} {
			s := newSource(t, always(status, `{"error":{"code":"canary"}}`), Options{})
			s.oneByOne = oneByOne
			if got, err := s.Profiles(t.Context(), someone(2)); err == nil || got != nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "usr_") {
				t.Errorf("%d: %v, %v", status, got, err)
			}
		}
	}
}

// TestLookup: only who is certainly gone is missing.
func TestLookup(t *testing.T) {
	known := someone(3)
	tests := []struct {
		name string
		org  string
		d    directory
		ask  []string
		want map[string]string // id: raw
	}{
		{"found and gone", "", directory{known: known}, []string{"usr_001", "usr_gone", "usr_000"},
			map[string]string{"usr_001": `{"id":"usr_001"}`, "usr_000": `{"id":"usr_000"}`}},
		{"gone, by a 404 of Freddy's", "", directory{known: known, batchStatus: 404, notFound: ownNotFound}, []string{"usr_gone"}, nil},
		{"not served", "", directory{known: known, batchStatus: 404, notFound: frameworkNotFound}, []string{"usr_gone"}, map[string]string{"usr_gone": `{"id":"usr_gone"}`}},
		{"an empty 404", "", directory{batchStatus: 405}, []string{"usr_gone"}, map[string]string{"usr_gone": `{"id":"usr_gone"}`}},
		{"a 404 with an error that is none", "", directory{batchStatus: 405, notFound: `{"error":{"code":""},"code":"X"}`}, []string{"usr_gone"}, map[string]string{"usr_gone": `{"id":"usr_gone"}`}},
		{"a batch that says nothing", "", directory{silent: true, notFound: ownNotFound}, []string{"usr_gone"}, nil},
		{"an id of another make", "", directory{known: known, poison: `uid_"1`}, []string{`uid_"1`, "usr_gone"}, map[string]string{`uid_"1`: `{"id":"uid_\"1"}`}},
		{"somebody else's profile", "", directory{batchStatus: 404, foreign: map[string]bool{"me": true}}, []string{"me"}, map[string]string{"me": `{"id":"me"}`}},
		{"members", "org_1", directory{known: known, notFound: ownNotFound}, []string{"usr_002", "usr_gone", "usr_002"},
			map[string]string{"usr_002": `{"id":"usr_002","user_id":"usr_002"}`}},
		{"members not served", "org_1", directory{notFound: frameworkNotFound}, []string{"usr_gone"}, map[string]string{"usr_gone": `{"user_id":"usr_gone"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := tt.d.server(t)
			s := newSource(t, srv, Options{Org: tt.org})
			items, err := s.Lookup(t.Context(), tt.ask)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, i := range items {
				got[i.Key] = string(i.Raw)
				merged, err := s.Merge(i.Raw, nil)
				if m := object(t, merged); err != nil || m["role"] != nil || m["additional_context"] != nil || m["preferences"] != nil {
					t.Errorf("%s becomes %s, %v", i.Raw, merged, err)
				}
			}
			if len(items) != len(tt.want) || len(got) != len(tt.want) {
				t.Errorf("%d items: %v", len(items), got)
			}
			for id, raw := range tt.want {
				if got[id] != raw {
					t.Errorf("%s: %s, want %s", id, got[id], raw)
				}
			}
			if tt.org != "" && srv.count("GET /v1/organizations/org_1/users/") != len(srv.requests()) {
				t.Errorf("sent %q", srv.requests())
			}
		})
	}
	if _, err := newSource(t, always(503, ""), Options{Org: "o"}).Lookup(t.Context(), known); err == nil {
		t.Error("a fault that persists is no answer")
	}
}

// TestReplay: with the journal of a run an offline client comes to the same, the refused batch included.
func TestReplay(t *testing.T) {
	for _, d := range []directory{{known: someone(150)}, {known: someone(7), batchStatus: 405}, {known: someone(150), most: 40, refuse: true}} {
		srv := d.server(t)
		s := newSource(t, srv, Options{})
		var tape recordertest.Tape
		base := "http://" + s.c.Host()
		s.c = newClient(t, extract.Options{BaseURL: base, Recorder: &tape})
		want, err := s.Profiles(t.Context(), d.known)
		if err != nil {
			t.Fatal(err)
		}
		asked := len(srv.requests())
		tape.Rewind()
		again := New(newClient(t, extract.Options{BaseURL: base, Recorder: &tape, Offline: true}), Options{})
		got, err := again.Profiles(t.Context(), d.known)
		if err != nil || len(got) != len(want) || len(srv.requests()) != asked {
			t.Errorf("%d profiles of %d, %v; %d requests more", len(got), len(want), err, len(srv.requests())-asked)
		}
	}
}

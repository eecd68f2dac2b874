package extract_test

import (
	"net/url"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract"
)

func TestCallID(t *testing.T) {
	tests := []struct {
		call extract.Call
		want string
	}{
		{extract.Call{Org: "acme", Kind: "list", Method: "GET", Path: "/v1/acme/user/", Query: url.Values{"limit": {"100"}, "continuation_token": {"7"}, "sort_by": {"+email"}}},
			"acme list GET /v1/acme/user/?continuation_token=7&limit=100&sort_by=%2Bemail"},
		{extract.Call{Org: "acme", Kind: "lookup", Method: "GET", Path: "/v1/acme/user/", Query: url.Values{"user_id": {"b", "a"}}},
			"acme lookup GET /v1/acme/user/?user_id=b&user_id=a"},
		{extract.Call{Org: "a b/ü", Kind: "model", Method: "GET", Path: "/v1/a%20b%2F%C3%BC/user/x/user_model", Final: []int{403}},
			"a%20b%2F%C3%BC model GET /v1/a%20b%2F%C3%BC/user/x/user_model"},
		{extract.Call{Org: "acme", Kind: "sql", Method: "POST", Path: "/q", Body: []byte("{}")},
			"acme sql POST /q sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
	}
	for _, tt := range tests {
		if got := tt.call.ID(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// TestCallIDTellsCallsApart: calls have the same ID exactly if they are the same.
func TestCallIDTellsCallsApart(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("a ?&=/%")), 0, 3, -1)
	calls := rapid.Custom(func(t *rapid.T) extract.Call {
		c := extract.Call{
			Org:    text.Draw(t, "org"),
			Kind:   rapid.SampledFrom([]extract.Kind{extract.KindList, extract.KindLookup}).Draw(t, "kind"),
			Method: rapid.SampledFrom([]string{"GET", "POST"}).Draw(t, "method"),
			Path:   "/" + url.PathEscape(text.Draw(t, "path")),
			Query:  url.Values{},
			Body:   []byte(text.Draw(t, "body")),
		}
		for range rapid.IntRange(0, 2).Draw(t, "values") {
			c.Query.Add(text.Draw(t, "name"), text.Draw(t, "value"))
		}
		return c
	})
	same := func(a, b extract.Call) bool {
		return a.Org == b.Org && a.Kind == b.Kind && a.Method == b.Method && a.Path == b.Path && string(a.Body) == string(b.Body) &&
			a.Query.Encode() == b.Query.Encode()
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := calls.Draw(t, "a"), calls.Draw(t, "b")
		if (a.ID() == b.ID()) != same(a, b) {
			t.Fatalf("%s and %s", a.ID(), b.ID())
		}
	})
}

func TestEndpoint(t *testing.T) {
	shared := map[extract.Kind]extract.Kind{
		extract.KindLookup: extract.KindList, extract.KindFreddyBatch: extract.KindFreddyList, extract.KindFreddyGet: extract.KindFreddyList,
	}
	for _, k := range []extract.Kind{
		extract.KindList, extract.KindLookup, extract.KindModel, extract.KindRole, extract.KindMemory, extract.KindSQL, extract.KindSignIn,
		extract.KindFreddyList, extract.KindFreddyBatch, extract.KindFreddyGet,
	} {
		want, ok := shared[k]
		if !ok {
			want = k
		}
		if got := k.Endpoint(); got != want {
			t.Errorf("%s counts under the limit of %s, want %s", k, got, want)
		}
	}
}

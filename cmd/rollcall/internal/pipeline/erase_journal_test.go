package pipeline

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

func TestAnswersWithoutTheUser(t *testing.T) {
	pseudonyms := regexp.MustCompile(`[0-9a-f]{32}`)
	for _, tt := range []struct {
		name       string
		call       extract.Call
		body       string
		unusable   bool
		wantCall   string // query and body; P stands for a pseudonym
		wantBody   string // N stands for the tombstone's number
		wantDroped bool
	}{
		{
			name: "an item", call: extract.Call{Kind: extract.KindList, Path: "/v1/acme/user/"},
			body:     `{ "users": [ {"user_id":"u1"} , {"user_id":"goner","email":"g@example.com"},{"user_id":"u2", "x":1e400}], "has_more":true}`,
			wantBody: `{ "users": [ {"user_id":"u1"} , {"erased":"N","user_id":"erased-N"},{"user_id":"u2", "x":1e400}], "has_more":true}`,
		},
		{
			name: "an id that is escaped", call: extract.Call{Kind: extract.KindList, Path: "/v1/acme/user/"},
			body: `{"users":[{"user_\u0069d":"gon\u0065r"}]}`, wantBody: `{"users":[{"erased":"N","user_id":"erased-N"}]}`,
		},
		{
			name: "somebody else who mentions the user", call: extract.Call{Kind: extract.KindList, Path: "/v1/acme/user/"},
			body:     `{"users":[{"user_id":"u1","preferences":{"friend":{"user_id":"goner"}},"role":"goner@example.com"}]}`,
			wantBody: `{"users":[{"user_id":"u1","preferences":{"friend":{"user_id":"goner"}},"role":"goner@example.com"}]}`,
		},
		{
			name: "a row without an identity that is the user's", call: extract.Call{Kind: extract.KindList, Path: "/v1/acme/user/"},
			body: `{"users":[{"user_id":null,"id":"d1","email":"GONER@example.com"},{"user_id":7}]}`, wantBody: `{"users":[{"erased":"N"},{"user_id":7}]}`,
		},
		{
			name: "another organization's user of that id", call: extract.Call{Org: "other", Kind: extract.KindList, Path: "/v1/other/user/"},
			body: `{"users":[{"user_id":"goner"}]}`, wantBody: `{"users":[{"user_id":"goner"}]}`,
		},
		{
			name: "a look-up", call: extract.Call{Kind: extract.KindLookup, Path: "/v1/acme/user/", Query: url.Values{"user_id": {"u1", "goner", "u2"}}},
			body: `{"users":[]}`, wantCall: "user_id=u1&user_id=erased-N&user_id=u2", wantBody: `{"users":[]}`,
		},
		{name: "the user's models", call: extract.Call{Kind: extract.KindModel, Path: "/v1/acme/user/goner/user_model"}, body: `{"user_models":[]}`, wantDroped: true},
		{name: "a torn answer", call: extract.Call{Kind: extract.KindList, Path: "/v1/acme/user/"}, body: `{"users":[{"user_id":"go`, unusable: true, wantDroped: true},
		{
			name: "a row of cells", call: extract.Call{Kind: extract.KindSQL, Path: "/v1/acme/admin/sql_query", Body: []byte(`{"sql_query":"SELECT * WHERE user_id > 'goner' LIMIT 2"}`)},
			body:     `{"result":[["d1","goner",null],["d2","u2","x"]],"columns":[{"name":"_id","type":"STRING"}]}`,
			wantCall: `{"sql_query":"SELECT * WHERE user_id > 'erased-N' LIMIT 2"}`,
			wantBody: `{"result":[[null,"erased-N",null],["d2","u2","x"]],"columns":[{"name":"_id","type":"STRING"}]}`,
		},
		{
			name: "a batch", call: extract.Call{Org: "freddy", Kind: extract.KindFreddyBatch, Path: "/v1/user/batch", Body: []byte(`{"user_ids":["u1","goner"]}`)},
			body:     `{"users":[{"id":"u1"},{"id":"goner","email":"x"}],"total":2,"requested_ids":["u1","goner"]}`,
			wantCall: `{"user_ids":["u1","erased-N"]}`,
			wantBody: `{"users":[{"id":"u1"},{"erased":"N","id":"erased-N"}],"total":2,"requested_ids":["u1","erased-N"]}`,
		},
		{
			name: "a batch by id", call: extract.Call{Org: "freddy", Kind: extract.KindFreddyBatch, Path: "/v1/user/batch"},
			body: `{"users":{"goner" : {"email":"x"}, "u1":{}}}`, wantBody: `{"users":{"erased-N":{"erased":"N","user_id":"erased-N"}, "u1":{}}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.call.Org == "" {
				tt.call.Org = "acme"
			}
			x := &journalEraser{run: "r", key: newKey(), users: map[string][]string{"goner": {"acme"}}, mentions: newNeedles([]string{"goner"}, []string{"goner@example.com"})}
			e, keep, err := x.entry(journal.Entry{Call: tt.call, Answer: extract.Answer{Status: 200, Body: []byte(tt.body)}, Usable: !tt.unusable})
			if err != nil || keep == tt.wantDroped {
				t.Fatalf("kept: %v, %v", keep, err)
			}
			if !keep {
				return
			}
			numbers := map[string]bool{}
			for _, n := range pseudonyms.FindAllString(string(e.Answer.Body)+e.Call.Query.Encode()+string(e.Call.Body), -1) {
				numbers[n] = true
			}
			if len(numbers) > 1 {
				t.Errorf("%d pseudonyms of one user", len(numbers))
			}
			if got := pseudonyms.ReplaceAllString(string(e.Answer.Body), "N"); got != tt.wantBody {
				t.Errorf("body:\n got %s\nwant %s", got, tt.wantBody)
			}
			if got := pseudonyms.ReplaceAllString(e.Call.Query.Encode()+string(e.Call.Body), "N"); got != tt.wantCall {
				t.Errorf("call:\n got %s\nwant %s", got, tt.wantCall)
			}
		})
	}
}

func TestAnUnfinishedRunBeginsItsListAnew(t *testing.T) {
	x := &journalEraser{run: "r", key: newKey(), users: map[string][]string{"goner": {"acme"}}, restart: true}
	for kind, want := range map[extract.Kind]bool{extract.KindList: false, extract.KindLookup: false, extract.KindModel: true} {
		path := strings.TrimSuffix("/v1/acme/user/u1/user_model", "/user_model")
		if _, keep, _ := x.entry(journal.Entry{Call: extract.Call{Org: "acme", Kind: kind, Path: path}, Answer: extract.Answer{Body: []byte(`{}`)}, Usable: true}); keep != want {
			t.Errorf("%s: kept %v", kind, keep)
		}
	}
	if _, keep, _ := x.entry(journal.Entry{Note: "whole", Value: []byte("true")}); !keep {
		t.Error("a note is gone")
	}
}

func TestTombstonesAreKnownAgain(t *testing.T) {
	for _, tt := range []struct {
		item sweep.Item
		want bool
	}{
		{sweep.Item{Key: "erased-0123456789abcdef0123456789abcdef", Raw: []byte(`{}`)}, true},
		{sweep.Item{Key: "\x00x", Raw: []byte(`{"erased":"01"}`)}, true},
		{sweep.Item{Key: "u1", Raw: []byte(`{"user_id":"u1"}`)}, false},
		{sweep.Item{Key: "erased-", Raw: []byte(`{"user_id":"erased-"}`)}, false},
	} {
		if erased(tt.item) != tt.want {
			t.Errorf("%s", tt.item.Raw)
		}
	}
}

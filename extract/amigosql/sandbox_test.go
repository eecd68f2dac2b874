package amigosql

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// sandboxed is a sandbox, a source of its table, and somebody who asks the sandbox directly.
type sandboxed struct {
	*Source
	box   *sandbox.Sandbox
	token string
}

func newSandboxed(t *testing.T, o sandbox.Options, so Options) *sandboxed {
	t.Helper()
	box, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	base, err := box.Start(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	auth := amigo.NewKeyAuth(amigo.Credentials{Key: extract.Secret(box.APIKey()), KeyID: box.APIKeyID(), UserID: box.UserID()})
	so.Org = box.Org()
	s := &sandboxed{Source: New(newClient(t, extract.Options{BaseURL: base, Auth: auth}), so), box: box}
	var signedIn struct {
		Token string `json:"id_token"`
	}
	if err := json.Unmarshal(s.direct(t, http.MethodPost, "user/signin_with_api_key", ""), &signedIn); err != nil {
		t.Fatal(err)
	}
	s.token = signedIn.Token
	return s
}

// direct asks with a client that shares nothing with ours.
func (s *sandboxed) direct(t *testing.T, method, path, body string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.c.Host()+"/v1/"+s.box.Org()+"/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"X-Api-Key": {s.box.APIKey()}, "X-Api-Key-Id": {s.box.APIKeyID()}, "X-User-Id": {s.box.UserID()}, "Content-Type": {"application/json"}}
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s, %v", method, path, resp.StatusCode, answer, err)
	}
	return answer
}

// TestSandbox: everybody, certified, with the values of the list that carries all columns, whichever way cells come in.
func TestSandbox(t *testing.T) {
	for _, mode := range []string{sandbox.SQLText, sandbox.SQLNested} {
		t.Run(mode, func(t *testing.T) {
			s := newSandboxed(t, sandbox.Options{Users: 1250, Items: sandbox.ItemsFull, SQL: mode}, Options{})
			rows, r := collect(t, s.Source)
			if c := r.Certificate; !c.Certified || c.Users != 1250 || len(rows) != 1250 || s.box.Requests(sandbox.KindSQL) != 4 {
				t.Fatalf("%+v, %d rows after %d queries", c, len(rows), s.box.Requests(sandbox.KindSQL))
			}
			for token := 0; token < 1250; token += 100 {
				var page struct {
					Users []map[string]json.RawMessage `json:"users"`
				}
				if err := json.Unmarshal(s.direct(t, http.MethodGet, fmt.Sprintf("user/?continuation_token=%d", token), ""), &page); err != nil {
					t.Fatal(err)
				}
				for _, u := range page.Users {
					var id string
					var row map[string]json.RawMessage
					if json.Unmarshal(u["user_id"], &id) != nil || json.Unmarshal([]byte(rows[id]), &row) != nil {
						t.Fatalf("%s of %s", rows[id], u)
					}
					for _, column := range allColumns {
						if column == "updated_at" { // the table has whole microseconds of UTC; the list what was written
							continue
						}
						// A cell that is NULL has no member.
						if row[column] == nil && string(u[column]) != "null" || row[column] != nil && string(row[column]) != string(u[column]) {
							t.Errorf("%s is %s, the list says %s", column, row[column], u[column])
						}
					}
				}
			}
		})
	}
}

// TestSandboxMoves: queries take too long, and users come and go; who is there in the end is known.
func TestSandboxMoves(t *testing.T) {
	scenario, err := sandbox.ParseScenario(strings.NewReader(`
description: SQL has a bad day.
steps:
  - {endpoint: sql, at: [2, 3, 6], do: status, status: 408}
  - {endpoint: sql, at: [5], do: cut_json}
  - {endpoint: sql, at: [8], do: status, status: 503}
`))
	if err != nil {
		t.Fatal(err)
	}
	var s *sandboxed
	var came user
	var gone []string
	hooks := sweep.Hooks{OnPage: func(_, page, _ int) {
		switch page {
		case 8:
			answer := s.direct(t, http.MethodPost, "user/", `{"first_name":"New","last_name":"New","email":"new@example.com","role_name":"DefaultUserRole"}`)
			if err := json.Unmarshal(answer, &came); err != nil {
				t.Error(err)
			}
		case 10:
			for _, id := range gone { // the cursor has long passed them
				s.direct(t, http.MethodDelete, "user/"+id, "")
			}
		}
	}}
	s = newSandboxed(t, sandbox.Options{Users: 2500, Scenario: scenario}, Options{Hooks: hooks, Complement: true})
	var listed struct{ Users []user }
	if err := json.Unmarshal(s.direct(t, http.MethodGet, "user/?limit=100", ""), &listed); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(listed.Users, func(a, b user) int { return strings.Compare(a.ID, b.ID) }) // as the table is read
	gone = []string{listed.Users[0].ID, listed.Users[1].ID}
	still := listed.Users[2].ID
	rows, r := collect(t, s.Source)
	if c := r.Certificate; !c.Certified || c.Users != 2499 || c.Sweeps != 2 || len(rows) != 2501 || r.Present(gone[0]) || r.Present(gone[1]) || !r.Present(still) || !r.Present(came.ID) {
		t.Errorf("%+v, %d rows", c, len(rows))
	}
	items, err := s.Lookup(t.Context(), append(gone, "nobody", still))
	if err != nil || len(items) != 1 || items[0].Key != still || string(items[0].Raw) != rows[still] {
		t.Errorf("%d items, %v", len(items), err)
	}
}

type user struct {
	ID string `json:"user_id"`
}

func TestSandboxDisabled(t *testing.T) {
	s := newSandboxed(t, sandbox.Options{Users: 3, SQL: sandbox.SQLDisabled}, Options{})
	if _, err := s.Sweep(t.Context(), func(sweep.Item) error { return nil }); err == nil || !strings.Contains(err.Error(), "HTTP 400") {
		t.Error(err)
	}
}

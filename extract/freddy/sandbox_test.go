package freddy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// sandboxed starts a sandbox and gives a source of its users.
func sandboxed(t *testing.T, o sandbox.Options, members bool) (*Source, *sandbox.Sandbox) {
	t.Helper()
	o.Users = 1
	box, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	base, err := box.Start(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, extract.Options{BaseURL: base, Auth: Auth(extract.Secret(box.FreddyKey())), Limits: Limits()})
	t.Cleanup(func() {
		c.Close()
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	so := Options{}
	if members {
		so.Org = box.FreddyOrg()
	}
	return New(c, so), box
}

// collect goes the whole way, as the package comment says: sweep, profiles, records.
func collect(t *testing.T, s *Source, limit int) (records map[string][]byte, r *sweep.Result) {
	t.Helper()
	thin := map[string][]byte{}
	r, err := sweep.Run(t.Context(), s, sweep.Options{Limit: limit, Dialect: sweep.Offset, Seen: func(i sweep.Item) error {
		thin[i.Key] = i.Raw
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for key, present := range r.Keys() {
		if present {
			ids = append(ids, key)
		}
	}
	slices.Sort(ids)
	profiles, err := s.Profiles(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	records = map[string][]byte{}
	for _, id := range ids {
		if records[id], err = s.Merge(thin[id], profiles[id]); err != nil {
			t.Fatal(err)
		}
	}
	return records, r
}

// raw asks the sandbox directly, with a client that shares nothing with ours.
func raw(t *testing.T, box *sandbox.Sandbox, s *Source, method, path, body string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.c.Host()+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", box.FreddyKey())
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// listed is the ids of everybody in the list.
func listed(t *testing.T, box *sandbox.Sandbox, s *Source) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for n := -1; len(ids) != n; {
		n = len(ids)
		var page []struct{ ID string }
		raw(t, box, s, http.MethodGet, fmt.Sprintf("user/?limit=100&skip=%d", n), "", &page)
		for _, u := range page {
			ids[u.ID] = true
		}
	}
	return ids
}

// TestSandboxUsers: everybody, certified, with all that list and profile say.
func TestSandboxUsers(t *testing.T) {
	s, box := sandboxed(t, sandbox.Options{Freddy: 230}, false)
	records, r := collect(t, s, 50)
	if c := r.Certificate; !c.Certified || c.Proof != sweep.ProofCount || c.Users != 230 || len(records) != 230 {
		t.Fatalf("%+v", c)
	}
	if b, g := box.Requests(sandbox.KindFreddyBatch), box.Requests(sandbox.KindFreddyGet); b != 3 || g != 0 {
		t.Errorf("%d batches, %d profiles alone", b, g)
	}
	for skip := 0; skip < 230; skip += 100 {
		var list []map[string]json.RawMessage
		raw(t, box, s, http.MethodGet, fmt.Sprintf("user/?limit=100&skip=%d", skip), "", &list)
		for _, thin := range list {
			var id string
			if err := json.Unmarshal(thin["id"], &id); err != nil {
				t.Fatal(err)
			}
			var profile map[string]json.RawMessage
			raw(t, box, s, http.MethodGet, "user/"+id, "", &profile)
			user := maps.Clone(thin)
			maps.Copy(user, profile)
			compareRecord(t, records[id], user)
		}
	}
}

func compareRecord(t *testing.T, record []byte, user map[string]json.RawMessage) {
	t.Helper()
	got := object(t, record)
	context := object(t, got["additional_context"])
	null := func(v json.RawMessage) string {
		if v == nil {
			return "null"
		}
		return string(v)
	}
	for column, name := range map[string]string{"_id": "id", "user_id": "id", "email": "email", "first_name": "first_name", "last_name": "last_name",
		"org_id": "current_organization_id", "role": "global_role_id", "region_name": "country_id", "updated_at": "updated_at"} {
		if null(got[column]) != null(user[name]) {
			t.Errorf("%s is %s, want %s", column, got[column], user[name])
		}
	}
	for _, name := range remainder {
		if string(context[name]) != null(user[name]) {
			t.Errorf("additional_context.%s is %s, want %s", name, context[name], user[name])
		}
	}
	if want := null(user["timezone"]); want == "null" && string(got["preferences"]) != "{}" || want != "null" && string(got["preferences"]) != `{"timezone":`+want+`}` {
		t.Errorf("preferences are %s, the time zone %s", got["preferences"], want)
	}
	if len(context) != len(remainder) || got["user_models"] != nil {
		t.Errorf("%s", record)
	}
}

// TestSandboxMembers: the members of one organization, by the total that the answers carry.
func TestSandboxMembers(t *testing.T) {
	s, box := sandboxed(t, sandbox.Options{Freddy: 120}, true)
	records, r := collect(t, s, 25)
	var members struct {
		Users []map[string]json.RawMessage `json:"users"`
		Total int                          `json:"total_users_count"`
	}
	raw(t, box, s, http.MethodPost, "organizations/"+box.FreddyOrg()+"/users", `{"take":100}`, &members)
	if !r.Certificate.Certified || members.Total == 0 || len(records) != members.Total {
		t.Fatalf("%+v, %d records of %d members", r.Certificate, len(records), members.Total)
	}
	for _, m := range members.Users {
		var id string
		if err := json.Unmarshal(m["user_id"], &id); err != nil {
			t.Fatal(err)
		}
		got := object(t, records[id])
		if string(got["_id"]) != string(m["id"]) || string(got["org_id"]) != string(m["organization_id"]) || string(got["role"]) != `"Member"` ||
			string(object(t, got["additional_context"])["membership"]) == "" {
			t.Errorf("%s of %s", records[id], m)
		}
	}
}

// TestSandboxMoves: users come, go and move under the sweep; whoever lived throughout is there, and a fault is nothing.
func TestSandboxMoves(t *testing.T) {
	scenario, err := sandbox.ParseScenario(strings.NewReader(`
description: The list moves and stumbles.
steps:
  - {endpoint: freddy_list, at: [2, 5], do: insert, where: before}
  - {endpoint: freddy_list, at: [3], do: delete, where: before}
  - {endpoint: freddy_list, at: [4], do: delete, where: after}
  - {endpoint: freddy_list, at: [6], do: status, status: 503}
  - {endpoint: freddy_list, at: [7], do: cut_json}
  - {endpoint: freddy_batch, at: [1], do: html}
  - {endpoint: freddy_batch, at: [2], do: truncate}
`))
	if err != nil {
		t.Fatal(err)
	}
	s, box := sandboxed(t, sandbox.Options{Freddy: 130, Scenario: scenario}, false)
	records, r := collect(t, s, 20)
	if !r.Certificate.Certified {
		t.Fatalf("%+v", r.Certificate)
	}
	still, quietBox := sandboxed(t, sandbox.Options{Freddy: 130}, false) // the same population, and nothing happens to it
	before, after := listed(t, quietBox, still), listed(t, box, s)
	throughout := 0
	for id := range before {
		if !after[id] {
			continue
		}
		throughout++
		if records[id] == nil {
			t.Errorf("%s is missing", id)
		}
	}
	if throughout != 128 || len(after) != 130 {
		t.Errorf("%d lived throughout, %d live now", throughout, len(after))
	}
	items, err := s.Lookup(t.Context(), []string{"usr_nobody", "uid_another_make"})
	if err != nil || len(items) != 0 {
		t.Errorf("%d items of nobody, %v", len(items), err)
	}
}

package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// freddy asks Freddy's endpoints with the key.
func (c *caller) freddy(method, path, body string) *httptest.ResponseRecorder {
	c.Helper()
	r := httptest.NewRequest(method, "/v1/"+path, strings.NewReader(body))
	r.Header.Set("X-API-Key", c.FreddyKey())
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

type fields = map[string]json.RawMessage

func (c *caller) thin(query string) []fields {
	c.Helper()
	var list []fields
	c.decode(c.freddy(http.MethodGet, "user/?"+query, ""), &list)
	return list
}

func textOf(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return text
}

func TestFreddyList(t *testing.T) {
	c := visit(t, Options{Users: 1, Freddy: 250})
	seen := make(map[string]bool)
	sizes := []int{}
	for skip := 0; ; {
		page := c.thin(fmt.Sprintf("limit=100&skip=%d", skip))
		sizes = append(sizes, len(page))
		for _, u := range page {
			seen[textOf(t, u["id"])] = true
			for key := range u {
				if !slices.Contains([]string{"id", "email", "first_name", "last_name", "is_active", "last_verified", "global_role_id", "created_at", "updated_at"}, key) {
					t.Errorf("a thin item has %s", key)
				}
			}
			for _, key := range []string{"id", "email", "is_active", "last_verified", "global_role_id", "created_at", "updated_at"} {
				if _, there := u[key]; !there {
					t.Errorf("a thin item lacks %s", key)
				}
			}
			for _, key := range []string{"created_at", "updated_at"} {
				if _, err := time.Parse(time.RFC3339, textOf(t, u[key])); err != nil {
					t.Error(err)
				}
			}
		}
		if skip += len(page); len(page) == 0 {
			break
		}
	}
	if !cmp.Equal(sizes, []int{100, 100, 50, 0}) || len(seen) != 250 {
		t.Errorf("pages of %v, %d users", sizes, len(seen))
	}
	if got := c.thin("limit=5000"); len(got) != maxFreddyPage {
		t.Errorf("a limit of 5000 gives %d", len(got))
	}
	active := c.thin("active_only=true&skip=0&limit=100")
	if slices.ContainsFunc(active, func(u fields) bool { return string(u["is_active"]) != "true" }) {
		t.Error("active_only gives inactive users")
	}
	for _, query := range []string{"?skip=-1", "?limit=0", "?skip=x", "deleted?limit=0"} {
		if w := c.freddy(http.MethodGet, "user/"+query, ""); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
}

// TestFreddyProfile holds that a profile and a batch say the same, eighteen fields at most, and that with the list's ninth all
// nineteen of the documented object are there.
func TestFreddyProfile(t *testing.T) {
	c := visit(t, Options{Users: 1, Freddy: 100})
	all := make(map[string]bool)
	var ids, wanted []string
	for _, u := range c.thin("") {
		id := textOf(t, u["id"])
		ids = append(ids, id)
		body := c.freddy(http.MethodGet, "user/"+id, "").Body.String()
		wanted = append(wanted, body)
		var profile fields
		if err := json.Unmarshal([]byte(body), &profile); err != nil {
			t.Fatal(err)
		}
		if _, there := profile["global_role_id"]; there {
			t.Error("a profile has global_role_id")
		}
		for _, key := range []string{"email", "first_name", "updated_at"} {
			if !cmp.Equal(profile[key], u[key]) {
				t.Errorf("%s: the profile says %s, the list %s", key, profile[key], u[key])
			}
		}
		for key := range maps.Keys(profile) {
			all[key] = true
		}
		all["global_role_id"] = true
	}
	if len(all) != 19 {
		t.Errorf("%d fields of nineteen: %v", len(all), slices.Sorted(maps.Keys(all)))
	}
	asked, err := json.Marshal(map[string][]string{"user_ids": append(slices.Clone(ids), "usr_nobody")})
	if err != nil {
		t.Fatal(err)
	}
	var batch struct {
		Users     []json.RawMessage `json:"users"`
		Total     int               `json:"total"`
		Requested []string          `json:"requested_ids"`
	}
	c.decode(c.freddy(http.MethodPost, "user/batch", string(asked)), &batch)
	got := make([]string, len(batch.Users))
	for i, u := range batch.Users {
		got[i] = string(u)
	}
	if !cmp.Equal(got, wanted) || batch.Total != 100 || len(batch.Requested) != 101 {
		t.Errorf("the batch of %d differs from the profiles", batch.Total)
	}
	for path, status := range map[string]int{"user/usr_nobody": 404, "user/nobody": 422} {
		if w := c.freddy(http.MethodGet, path, ""); w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
	}
	if w := c.freddy(http.MethodPost, "user/batch", `{}`); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("a batch of nothing: %d", w.Code)
	}
}

func TestFreddyMembers(t *testing.T) {
	c := visit(t, Options{Users: 1, Freddy: 120})
	type members struct {
		Users      []fields `json:"users"`
		Total      int      `json:"total_users_count"`
		Skip, Take int
	}
	get := func(body string) members {
		var m members
		c.decode(c.freddy(http.MethodPost, "organizations/"+c.FreddyOrg()+"/users", body), &m)
		return m
	}
	if m := get(""); len(m.Users) != 10 || m.Skip != 0 || m.Take != 10 {
		t.Errorf("without a body: %d users, skip %d, take %d", len(m.Users), m.Skip, m.Take)
	}
	seen := make(map[string]bool)
	total := 0
	for skip := 0; ; skip += 100 {
		m := get(fmt.Sprintf(`{"skip":%d,"take":100}`, skip))
		for _, u := range m.Users {
			seen[textOf(t, u["user_id"])] = true
			for _, key := range []string{"id", "user_id", "organization_id", "email", "role", "status", "joined_at", "created_at", "last_modified_at"} {
				if _, there := u[key]; !there {
					t.Errorf("a member lacks %s", key)
				}
			}
			if textOf(t, u["organization_id"]) != c.FreddyOrg() {
				t.Errorf("a member of %s", u["organization_id"])
			}
		}
		if total = m.Total; len(m.Users) == 0 {
			break
		}
	}
	if len(seen) != total || total < 80 || total >= 120 {
		t.Errorf("%d members of %d", len(seen), total)
	}
	if w := c.freddy(http.MethodPost, "organizations/another/users", "{}"); w.Code != http.StatusForbidden {
		t.Errorf("another organization: %d", w.Code)
	}
	if w := c.freddy(http.MethodPost, "organizations/"+c.FreddyOrg()+"/users", `{"take":101}`); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("take 101: %d", w.Code)
	}
}

func TestFreddyRefuses(t *testing.T) {
	now := newClock()
	c := visit(t, Options{Users: 1, Freddy: 3, Limits: LimitsDocumented, Now: now.now})
	r := httptest.NewRequest(http.MethodGet, "/v1/user/", nil)
	r.Header.Set("X-API-Key", "wrong")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	want := `{"success":false,"error":{"code":"INVALID_API_KEY","message":"The API key is not valid","system_message":"The API key is not valid",` +
		`"type":"client_error","status":401,"trace_id":"00000000-0000-4000-8000-000000000000","timestamp":"2026-03-01T12:00:30.000000Z"}}`
	if w.Code != http.StatusUnauthorized || w.Body.String() != want {
		t.Errorf("a wrong key: %d %s", w.Code, w.Body)
	}
	for i := range freddyPerMinute - 1 { // the refused one counted
		w := c.freddy(http.MethodGet, "user/", "")
		if w.Code != http.StatusOK || w.Header().Get("X-RateLimit-Remaining") != strconv.Itoa(freddyPerMinute-i-2) {
			t.Fatalf("request %d: %d %v", i, w.Code, w.Header())
		}
	}
	if w := c.freddy(http.MethodPost, "user/batch", "{}"); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "RATE_LIMIT_EXCEEDED") || w.Header().Get("Retry-After") != "30" {
		t.Errorf("over the limit: %d %s", w.Code, w.Body)
	}
	if w := c.freddy(http.MethodGet, "user", ""); w.Code != http.StatusTemporaryRedirect || w.Header().Get("Location") != "/v1/user/" {
		t.Errorf("without the slash: %d %v", w.Code, w.Header())
	}
}

func TestFreddyGolden(t *testing.T) {
	c := visit(t, Options{Users: 1, Freddy: 40})
	var out strings.Builder
	for _, u := range c.thin("limit=20") {
		line, err := json.Marshal(u["id"])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, c.freddy(http.MethodGet, "user/"+strings.Trim(string(line), `"`), "").Body)
	}
	golden(t, "freddy.golden.json", []byte(c.freddy(http.MethodGet, "user/?limit=5", "").Body.String()+"\n"+out.String()))
}

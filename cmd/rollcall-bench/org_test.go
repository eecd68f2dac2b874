package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func userOf(w *writer, i int, g generation) []byte {
	w.b = nil
	w.user(i, g)
	return w.b
}

func TestUsersAreRealistic(t *testing.T) {
	w := newWriter(1, false)
	const n = 2000
	size, changed := 0, 0
	present := map[string]int{}
	var ids []string
	for i := range n {
		record := userOf(w, i, 0)
		size += len(record)
		var u map[string]json.RawMessage
		if err := json.Unmarshal(record, &u); err != nil {
			t.Fatalf("%v: %s", err, record)
		}
		for k := range u {
			present[k]++
		}
		ids = append(ids, string(u["user_id"]))
		if !bytes.Equal(record, userOf(newWriter(1, false), i, 0)) {
			t.Fatal("two writers disagree")
		}
		if later := userOf(w, i, 1); !bytes.Equal(record, later) {
			changed++
			var l map[string]json.RawMessage
			if err := json.Unmarshal(later, &l); err != nil {
				t.Fatal(err)
			}
			for k := range l {
				if !bytes.Equal(u[k], l[k]) && k != "last_name" && k != "updated_at" && k != "preferences" {
					t.Errorf("user %d has another %s", i, k)
				}
			}
		}
	}
	if mean := size / n; mean < 1200 || mean > 1400 {
		t.Errorf("%d bytes a user", mean)
	}
	if changed != n/changedEvery {
		t.Errorf("%d of %d changed", changed, n)
	}
	for _, k := range []string{"user_id", "org_id", "email", "first_name", "last_name", "role", "region_name", "updated_at", "preferences", "user_models", "user_stats"} {
		if present[k] != n {
			t.Errorf("%d users have %s", present[k], k)
		}
	}
	if c := present["additional_context"]; c == n || c < n*9/10 {
		t.Errorf("%d users have additional_context", c)
	}
	if !slices.IsSorted(ids) {
		t.Error("ids are in no order")
	}
}

func TestShuffledIdsAreDistinct(t *testing.T) {
	w := newWriter(1, true)
	var ids []string
	for i := range 2000 {
		ids = append(ids, string(userOf(w, i, 0)[:40]))
	}
	if slices.IsSorted(ids) {
		t.Error("ids are in order")
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 2000 {
		t.Errorf("%d distinct ids", n)
	}
}

// get is an answer of a corpus to a request.
func get(t *testing.T, c *corpus, method, target string) (int, []byte) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	c.handler().ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, body
}

// TestPagesAreTheUsers reads both generations page by page, twice, and compares them with what a writer makes.
func TestPagesAreTheUsers(t *testing.T) {
	const n = 450
	c := render(n, 1, false)
	w := newWriter(1, false)
	for _, g := range []generation{0, 1, 0, 1} {
		if code, body := get(t, c, http.MethodPost, generationPath+"?is="+string(rune('0'+int(g)))); code != http.StatusOK {
			t.Fatal(code, string(body))
		}
		var all []json.RawMessage
		more := true
		for target := listPath + "?limit=200"; more; target = listPath + "?limit=200&offset=" + number(float64(len(all))) {
			code, body := get(t, c, http.MethodGet, target)
			var p struct {
				Users   []json.RawMessage `json:"users"`
				HasMore bool              `json:"has_more"`
			}
			if err := json.Unmarshal(body, &p); err != nil || code != http.StatusOK {
				t.Fatalf("%d, %v: %s", code, err, body)
			}
			all, more = append(all, p.Users...), p.HasMore
		}
		if len(all) != n {
			t.Fatalf("%d users", len(all))
		}
		for i := range all {
			if !bytes.Equal(all[i], userOf(w, i, g)) {
				t.Fatalf("user %d of generation %d is %s", i, g, all[i])
			}
		}
	}
	for target, want := range map[string]int{listPath: 422, listPath + "?limit=1001": 422, listPath + "?limit=1&offset=-1": 422, listPath + "x": 404,
		rolesPath: 200, listPath + "?limit=1&offset=900": 200} {
		if code, body := get(t, c, http.MethodGet, target); code != want {
			t.Errorf("%s: %d %s", target, code, body)
		}
	}
	if _, body := get(t, c, http.MethodGet, listPath+"?limit=9&offset=450"); !strings.Contains(string(body), `"users":[],"has_more":false`) {
		t.Errorf("beyond the end: %s", body)
	}
}

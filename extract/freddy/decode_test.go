package freddy

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// FuzzDecode compares with encoding/json: the same answers are taken, with the same rows under the same keys.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`[{"id":"usr_a","email":"e"},{"id":null},[],7]`, ` [ ] `, `{"users":[{"user_id":"usr_a"}],"total_users_count":3}`, `{"members":[],"total":null}`,
		`{"users":[{"id":"usr_a"},{"id":"\ud83d"}],"total":2,"requested_ids":["usr_a","usr_b",7]}`, `{"users":{}}`, `{"users":[],"total":1.5}`, `[{"id":"a"}`,
		`{"success":false,"error":{"code":"X"}}`, `{"error":{"code":"","x":{"code":"Y"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var rows []json.RawMessage
		isList := json.Unmarshal(body, &rows) == nil && rows != nil
		p, err := decodeList(body)
		if (err == nil) != isList {
			t.Fatalf("taken as a list: %v, by encoding/json %v", err, isList)
		}
		if err == nil {
			compareItems(t, p.items, rows, "id")
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil {
			object = nil
		}
		if strings.Count(string(body), "users")+strings.Count(string(body), "members")+strings.Count(string(body), "total") > 2 {
			return // two names for one thing: which of them counts is not what is compared
		}
		list := object["users"]
		if list == nil {
			list = object["members"]
		}
		rows = nil
		isPage := json.Unmarshal(list, &rows) == nil && rows != nil
		total := object["total"]
		if total == nil {
			total = object["total_users_count"]
		}
		n, badTotal := strconv.ParseInt(string(total), 10, 64)
		hasTotal := len(total) > 0 && string(total) != "null"
		p, err = decodeMembers(body)
		if (err == nil) != (isPage && (!hasTotal || badTotal == nil && n >= 0)) {
			t.Fatalf("taken as members: %v, by encoding/json %v", err, isPage)
		}
		if err == nil {
			compareItems(t, p.items, rows, "user_id")
			if p.hasTotal != hasTotal || hasTotal && p.total != n {
				t.Fatalf("the total is %d, %v", p.total, p.hasTotal)
			}
		}
		if b, err := decodeBatch(body); err == nil {
			for id, profile := range b.profiles {
				if key, ok := idOf(profile, "id"); !ok || key != id || !json.Valid(profile) {
					t.Fatalf("%q is %s", id, profile)
				}
			}
		}
		if ownError(body) && !json.Valid(body) {
			t.Fatal("an error that is no JSON")
		}
	})
}

func compareItems(t *testing.T, items []sweep.Item, rows []json.RawMessage, name string) {
	t.Helper()
	if len(items) != len(rows) {
		t.Fatalf("%d rows, by encoding/json %d", len(items), len(rows))
	}
	for i, raw := range rows {
		if !bytes.Equal(items[i].Raw, raw) {
			t.Fatalf("row %d is %q, by encoding/json %q", i, items[i].Raw, raw)
		}
		var row map[string]json.RawMessage
		var id string
		if json.Unmarshal(raw, &row) == nil {
			_ = json.Unmarshal(row[name], &id)
		}
		usable := id != "" && id[0] != 0
		if key := items[i].Key; key != id && (key != sweep.Unkeyed(raw) || usable && !strings.Contains(id, "\ufffd")) {
			t.Fatalf("row %d has the key %q, by encoding/json %q", i, key, id)
		}
	}
}

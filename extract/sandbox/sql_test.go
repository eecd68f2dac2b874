package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type sqlResult struct {
	Result    [][]json.RawMessage `json:"result"`
	Truncated bool                `json:"truncated"`
	Columns   []struct{ Name, Type string }
}

func (c *caller) query(text string) sqlResult {
	c.Helper()
	body, err := json.Marshal(map[string]any{"sql_query": text, "async_query": false})
	if err != nil {
		c.Fatal(err)
	}
	var r sqlResult
	c.decode(c.want(http.StatusOK, http.MethodPost, "admin/sql_query", string(body)), &r)
	return r
}

// strings is one column of a result, decoded.
func (c *caller) column(r sqlResult, i int) []string {
	c.Helper()
	out := make([]string, len(r.Result))
	for k, row := range r.Result {
		if err := json.Unmarshal(row[i], &out[k]); err != nil {
			c.Fatalf("row %d: %s: %v", k, row[i], err)
		}
	}
	return out
}

const keyset = `SELECT _id, additional_context, email, first_name, last_name, org_id, preferences, region_name, role, updated_at, user_id, user_models
FROM users WHERE user_id > '%s' ORDER BY user_id LIMIT %d      -- keyset; never OFFSET`

// TestSQLKeyset reads the whole table by the pattern of api/amigo.md §6.4 and finds what the full list says.
func TestSQLKeyset(t *testing.T) {
	for _, mode := range []string{SQLText, SQLNested} {
		t.Run(mode, func(t *testing.T) {
			c := visit(t, Options{Users: 2500, Items: ItemsFull, SQL: mode})
			var ids []string
			rows := make(map[string][]json.RawMessage)
			for last := ""; ; {
				r := c.query(fmt.Sprintf(keyset, last, 1000))
				if r.Truncated {
					t.Error("truncated although the limit was kept")
				}
				got := c.column(r, 10)
				for k, id := range got {
					rows[id] = r.Result[k]
				}
				ids = append(ids, got...)
				if len(got) < 1000 {
					break
				}
				last = got[len(got)-1]
			}
			if len(ids) != 2500 || len(rows) != 2500 || !slices.IsSorted(ids) {
				t.Fatalf("%d rows, %d users, sorted %v", len(ids), len(rows), slices.IsSorted(ids))
			}
			var full struct {
				Users []map[string]json.RawMessage `json:"users"`
			}
			c.decode(c.get("user/?limit=100"), &full)
			for _, u := range full.Users {
				var id string
				if err := json.Unmarshal(u["user_id"], &id); err != nil {
					t.Fatal(err)
				}
				for i, column := range sqlColumns {
					want, got := string(u[column.name]), string(rows[id][i])
					if column.json != "" && mode == SQLText && want != "null" {
						var text string
						if err := json.Unmarshal(rows[id][i], &text); err != nil {
							t.Fatal(err)
						}
						got = text
					}
					if column.name == "updated_at" {
						want, got = sqlTime(strings.Trim(want, `"`)), strings.Trim(got, `"`)
					}
					if got != want {
						t.Errorf("%s of %s: %s, the list says %s", column.name, id, got, want)
					}
				}
			}
		})
	}
}

func TestSQLAnswers(t *testing.T) {
	c := visit(t, Options{Users: 2345})
	all := c.column(c.query("select user_id from users order by user_id"), 0)
	for _, tt := range []struct {
		query     string
		rows      int
		truncated bool
	}{
		{"SELECT * FROM users", 1000, true},
		{"SELECT * FROM users LIMIT 1000", 1000, false},
		{"SELECT * FROM users LIMIT 1001", 1000, true},
		{"SELECT * FROM users LIMIT 0", 0, false},
		{"SELECT user_id FROM users WHERE user_id > '" + all[996] + "' ORDER BY user_id ASC LIMIT 2;", 2, false},
		{"SELECT user_id FROM users WHERE user_id = '" + all[3] + "'", 1, false},
		{"SELECT user_id FROM users WHERE user_id IN ('" + all[3] + "', '" + all[4] + "', 'nobody')", 2, false},
		{"SELECT \"user_id\", `email` FROM `users` WHERE \"user_id\" >= '" + all[998] + "' AND user_id <= '" + all[999] + "' AND org_id = 'acme-health'", 2, false},
		{"SELECT user_id FROM users WHERE first_name = 'Robert''); DROP TABLE users;--'", 1, false},
		{"SELECT user_id FROM users WHERE user_id < '" + all[2] + "' AND user_id <> '" + all[0] + "' AND user_id != 'x'", 1, false},
		{"SELECT user_id FROM users WHERE _id > '68'", 0, false},
		{"SELECT user_id FROM users WHERE last_name = 'NaN' AND _id < '68'", 1, false},
		{"SELECT user_id FROM users WHERE region_name = 'eu-central-1'", 0, false},
		{"SELECT user_id FROM users WHERE role = 'ffffffffffffffffffffffff'", 1, false},
	} {
		if r := c.query(tt.query); len(r.Result) != tt.rows || r.Truncated != tt.truncated {
			t.Errorf("%s: %d rows, truncated %v; want %d, %v", tt.query, len(r.Result), r.Truncated, tt.rows, tt.truncated)
		}
	}
	for query, want := range map[string]string{
		"SELECT count(*) FROM users":                                     "count(1)",
		"select COUNT ( * ) AS n from users":                             "n",
		"SELECT count(*) \"how many\" FROM users WHERE org_id > 'acme' ": "how many",
	} {
		r := c.query(query)
		if len(r.Result) != 1 || string(r.Result[0][0]) != "2345" || r.Columns[0].Name != want || r.Columns[0].Type != "BIGINT" {
			t.Errorf("%s: %+v", query, r)
		}
	}
	descending := c.column(c.query("SELECT user_id FROM users WHERE user_id > 'a' ORDER BY user_id DESC LIMIT 5"), 0)
	if len(descending) != 5 || !slices.IsSortedFunc(descending, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("descending: %v", descending)
	}
	r := c.query("SELECT updated_at, preferences FROM users LIMIT 1")
	if want := []struct{ Name, Type string }{{"updated_at", "TIMESTAMP"}, {"preferences", "STRING"}}; !cmp.Equal(r.Columns, want) {
		t.Errorf("columns %v, want %v", r.Columns, want)
	}
}

// TestSQLFollowsWrites holds that the table is the live population.
func TestSQLFollowsWrites(t *testing.T) {
	c := visit(t, Options{Users: 20})
	count := func() string { return string(c.query("SELECT count(*) FROM users").Result[0][0]) }
	c.query("SELECT user_id FROM users ORDER BY user_id")
	id := c.create("new@example.com", "New")
	if got := c.column(c.query("SELECT first_name FROM users WHERE user_id > '' AND email = 'new@example.com' ORDER BY user_id"), 0); count() != "21" || !cmp.Equal(got, []string{"New"}) {
		t.Errorf("after a creation: %s users, %v", count(), got)
	}
	c.want(http.StatusNoContent, http.MethodDelete, "user/"+id, "")
	if count() != "20" {
		t.Errorf("after a deletion: %s users", count())
	}
}

func TestSQLRefuses(t *testing.T) {
	c := visit(t, Options{Users: 3})
	for _, text := range []string{
		"DROP TABLE users", "SELECT", "SELECT nothing FROM users", "SELECT user_id", "SELECT user_id FROM roles", "SELECT user_id FROM users u",
		"SELECT user_id FROM users WHERE", "SELECT user_id FROM users WHERE user_id", "SELECT user_id FROM users WHERE user_id > 5",
		"SELECT user_id FROM users WHERE updated_at > '2025-01-01'", "SELECT user_id FROM users WHERE preferences = '{}'",
		"SELECT user_id FROM users WHERE user_id IN ()", "SELECT user_id FROM users WHERE user_id IN 'a'", "SELECT user_id FROM users WHERE user_id IN ('a' 'b')",
		"SELECT user_id FROM users WHERE user_id > 'a' OR user_id < 'b'", "SELECT user_id FROM users ORDER BY email", "SELECT user_id FROM users ORDER user_id",
		"SELECT user_id FROM users LIMIT 'a'", "SELECT user_id FROM users LIMIT 99999999999999999999", "SELECT user_id FROM users LIMIT 5 OFFSET 5",
		"SELECT user_id FROM users WHERE user_id > 'open", "SELECT count(user_id) FROM users", "SELECT count(*) AS FROM users", "SELECT user_id, FROM users",
		"SELECT user_id FROM users; SELECT user_id FROM users", "SELECT user_id FROM users WHERE 'a' = user_id", "SELECT é FROM users",
	} {
		body, err := json.Marshal(map[string]any{"sql_query": text, "async_query": false})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.want(http.StatusBadRequest, http.MethodPost, "admin/sql_query", string(body)).Body.String(); !strings.HasPrefix(got, `{"detail":"query failed: `) {
			t.Errorf("%s: %s", text, got)
		}
	}
	off := visit(t, Options{Users: 3, SQL: SQLDisabled})
	off.want(http.StatusBadRequest, http.MethodPost, "admin/sql_query", `{"sql_query":"SELECT * FROM users","async_query":false}`)
}

// FuzzParseSQL holds that a query is either refused or within what the sandbox answers, and never a crash.
func FuzzParseSQL(f *testing.F) {
	f.Add(fmt.Sprintf(keyset, "it''s", 1000))
	f.Add("SELECT count(*) AS n FROM users WHERE user_id IN ('a','b') AND email <> '' ;")
	f.Add("SELECT * FROM \"users\" ORDER BY user_id DESC LIMIT 7")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseSQL(text)
		if err != nil {
			return
		}
		if q.limit < 0 || q.count != (len(q.columns) == 0) {
			t.Errorf("%q is read as %+v", text, q)
		}
		for _, c := range q.where {
			if len(c.values) == 0 || c.op != "IN" && len(c.values) != 1 {
				t.Errorf("%q has the condition %+v", text, c)
			}
		}
	})
}

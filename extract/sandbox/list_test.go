package sandbox

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestTokenDialect reads the list as the specification says: continuation_token skips, has_more tells the end, and an offset
// means nothing.
func TestTokenDialect(t *testing.T) {
	c := visit(t, Options{Users: 25})
	var seen []string
	for _, tt := range []struct {
		query string
		users int
		more  bool
		token int
	}{
		{"limit=10", 10, true, 10},
		{"limit=10&continuation_token=10", 10, true, 20},
		{"limit=10&continuation_token=20", 5, false, 0},
		{"limit=10&continuation_token=25", 0, false, 0},
		{"limit=10&continuation_token=1000", 0, false, 0},
		{"limit=25", 25, false, 0},
		{"limit=0", 0, true, 0},
		{"", 25, false, 0},
	} {
		p := c.page(tt.query)
		if len(p.Users) != tt.users || p.More == nil || *p.More != tt.more || (p.Token != nil) != tt.more || tt.more && *p.Token != tt.token {
			t.Errorf("%q: %d users, has_more %v, token %v", tt.query, len(p.Users), p.More, p.Token)
		}
		if len(seen) < 25 {
			seen = append(seen, p.ids()...)
		}
	}
	if got := c.page("").ids(); !gocmp.Equal(got, seen) {
		t.Errorf("the pages together are not the list:\n%s", gocmp.Diff(got, seen))
	}
	if got := c.page("limit=10&offset=10").ids(); !gocmp.Equal(got, seen[:10]) {
		t.Error("offset moved the page")
	}
}

// TestOffsetDialect reads the list as the "Users" page says: offset skips, nothing but an empty page tells the end, and a
// continuation_token means nothing.
func TestOffsetDialect(t *testing.T) {
	c := visit(t, Options{Users: 25, Dialect: DialectOffset})
	all := c.all("")
	if len(all) != 25 {
		t.Fatalf("%d users, want 25", len(all))
	}
	for _, tt := range []struct {
		query string
		users int
	}{{"limit=10&offset=20", 5}, {"limit=10&offset=25", 0}, {"limit=10&continuation_token=20", 10}} {
		p := c.page(tt.query)
		if len(p.Users) != tt.users || p.More != nil || p.Token != nil {
			t.Errorf("%q: %d users, has_more %v, token %v", tt.query, len(p.Users), p.More, p.Token)
		}
	}
	c.want(http.StatusUnprocessableEntity, http.MethodGet, "user/?offset=-1", "")
}

func TestEmptyOrganization(t *testing.T) {
	c := visit(t, Options{Users: NoUsers})
	if p := c.page(""); len(p.Users) != 0 || *p.More {
		t.Errorf("%d users, has_more %v", len(p.Users), *p.More)
	}
}

// TestSort compares the server's order with the test's own, for every field, both ways, and with tie-breakers.
func TestSort(t *testing.T) {
	c := visit(t, Options{Users: 400})
	talked := func(u listedUser) int64 {
		if u.Stats.Last == nil {
			return -1 << 63
		}
		at, err := time.Parse(time.RFC3339, *u.Stats.Last)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixNano()
	}
	ascending := map[string]func(a, b listedUser) int{
		"first_name":                   func(a, b listedUser) int { return strings.Compare(a.First, b.First) },
		"email":                        func(a, b listedUser) int { return strings.Compare(a.Email, b.Email) },
		"user_stats.num_conversations": func(a, b listedUser) int { return cmp.Compare(a.Stats.Conversations, b.Stats.Conversations) },
		"user_stats.num_messages":      func(a, b listedUser) int { return cmp.Compare(a.Stats.Messages, b.Stats.Messages) },
		"user_stats.last_message_time": func(a, b listedUser) int { return cmp.Compare(talked(a), talked(b)) },
	}
	check := func(query string, compare func(a, b listedUser) int) {
		t.Helper()
		if users := c.all(query); len(users) != 400 || !slices.IsSortedFunc(users, compare) {
			t.Errorf("%s: %d users, not in that order", query, len(users))
		}
	}
	for field, compare := range ascending {
		check("sort_by=%2B"+field, compare)
		check("sort_by=-"+field, func(a, b listedUser) int { return compare(b, a) })
	}
	check("sort_by=-user_stats.num_conversations&sort_by=%2Bfirst_name&sort_by=-email", func(a, b listedUser) int {
		return cmp.Or(-ascending["user_stats.num_conversations"](a, b), ascending["first_name"](a, b), -ascending["email"](a, b))
	})
	for _, bad := range []string{"email", "+email", "%2Buser_id", "%2B", "-role", ""} {
		c.want(http.StatusUnprocessableEntity, http.MethodGet, "user/?sort_by="+bad, "")
	}
}

// TestManyOrders asks for more orders than are held at a time; a forgotten one is made again.
func TestManyOrders(t *testing.T) {
	c := visit(t, Options{Users: 30})
	want := c.page("sort_by=%2Bemail").ids()
	for _, f := range sortFields {
		c.page("sort_by=%2B" + f)
		c.page("sort_by=-" + f)
	}
	if got := len(c.people.views); got != maxViews {
		t.Errorf("%d orders are held, want %d", got, maxViews)
	}
	if got := c.page("sort_by=%2Bemail").ids(); !gocmp.Equal(got, want) {
		t.Error("the order differs the second time")
	}
}

func TestFilters(t *testing.T) {
	c := visit(t, Options{Users: 200})
	users := c.all("")
	a, b := users[7], users[150]
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"user_id=" + b.ID + "&user_id=" + a.ID, []string{a.ID, b.ID}},
		{"user_id=" + a.ID + "&user_id=" + a.ID, []string{a.ID}},
		{"user_id=" + a.ID + "&user_id=nobody", []string{a.ID}},
		{"user_id=nobody", []string{}},
		{"user_id=", []string{}},
		{"email=" + a.Email + "&email=" + b.Email, []string{a.ID, b.ID}},
		{"email=nobody@example.com", []string{}},
		{"user_id=" + a.ID + "&email=" + a.Email, []string{a.ID}},
		{"user_id=" + a.ID + "&email=" + b.Email, []string{}},
		{"limit=1&continuation_token=1&user_id=" + b.ID + "&user_id=" + a.ID, []string{b.ID}},
	} {
		if got := c.page(tt.query).ids(); !gocmp.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.query, got, tt.want)
		}
	}
	if got, want := c.page("sort_by=-email&user_id="+a.ID+"&user_id="+b.ID).ids(), []string{a.ID, b.ID}; (a.Email > b.Email) != gocmp.Equal(got, want) {
		t.Errorf("a filtered list is not sorted: %v", got)
	}
	if c.Requests(KindLookup) == 0 || c.Requests(KindList) != 2 {
		t.Errorf("%d look-ups, %d list requests", c.Requests(KindLookup), c.Requests(KindList))
	}
}

func TestSearch(t *testing.T) {
	c := visit(t, Options{Users: 300})
	users := c.all("")
	search := func(query string) []string {
		var p listed
		c.decode(c.want(http.StatusOK, http.MethodGet, "user/search/?"+query, ""), &p)
		return p.ids()
	}
	one := users[20]
	if got := search("query=" + strings.ToUpper(one.Email[:len(one.Email)-4])); !gocmp.Equal(got, []string{one.ID}) {
		t.Errorf("search by address finds %v", got)
	}
	if got := search("query=&user_id=" + one.ID); !gocmp.Equal(got, []string{one.ID}) {
		t.Errorf("search among one id finds %v", got)
	}
	if got := search("query=no-such-user"); len(got) != 0 {
		t.Errorf("search for nobody finds %v", got)
	}
	if got := search("query=@"); len(got) != maxFound {
		t.Errorf("search for all finds %d, want %d", len(got), maxFound)
	}
	var raw struct {
		Users []map[string]any `json:"users"`
	}
	c.decode(c.get("user/search/?query=e"), &raw)
	if _, there := raw.Users[0]["enable_actions_access"]; there {
		t.Error("a search result has enable_actions_access")
	}
}

// TestFullItems holds that a full item has the twelve columns of the users table.
func TestFullItems(t *testing.T) {
	c := visit(t, Options{Users: 40, Items: ItemsFull})
	var raw struct {
		Users []map[string]any `json:"users"`
	}
	c.decode(c.get("user/"), &raw)
	for _, column := range []string{"_id", "additional_context", "email", "first_name", "last_name", "org_id", "preferences", "region_name", "role",
		"updated_at", "user_id", "user_models"} {
		for i, u := range raw.Users {
			if _, there := u[column]; !there {
				t.Errorf("item %d lacks %s", i, column)
			}
		}
	}
}

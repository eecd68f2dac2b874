package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func (c *caller) create(email, first string) string {
	c.Helper()
	answer := c.want(http.StatusCreated, http.MethodPost, "user/",
		fmt.Sprintf(`{"first_name":%q,"last_name":"New","email":%q,"role_name":"DefaultUserRole"}`, first, email))
	var made struct {
		ID string `json:"user_id"`
	}
	c.decode(answer, &made)
	return made.ID
}

// one is a user as the list has them.
func (c *caller) one(id string) listedUser {
	c.Helper()
	p := c.page("user_id=" + id)
	if len(p.Users) != 1 {
		c.Fatalf("%s: %d users", id, len(p.Users))
	}
	return p.Users[0]
}

func (c *caller) emails() []string {
	var out []string
	for _, u := range c.all("sort_by=%2Bemail") {
		out = append(out, u.Email)
	}
	return out
}

// TestCreate holds that a new user is in every view of the list: last where it is not sorted, in their place where it is.
func TestCreate(t *testing.T) {
	c := visit(t, Options{Users: 50})
	before := c.emails()
	id := c.create("mmm@example.com", "Ada")
	users := c.all("")
	if last := users[len(users)-1]; last.ID != id || len(users) != 51 {
		t.Errorf("%d users, the last is %s", len(users), last.Email)
	}
	want := append(slices.Clone(before), "mmm@example.com")
	slices.Sort(want)
	if got := c.emails(); !cmp.Equal(got, want) {
		t.Errorf("sorted by address:\n%s", cmp.Diff(want, got))
	}
	u := c.one(id)
	if got := c.page("email=mmm@example.com").ids(); !cmp.Equal(got, []string{id}) {
		t.Errorf("found by address: %v", got)
	}
	if u.First != "Ada" || u.Role != c.people.make.roles[0].id || string(u.Preferences["conversations_visible_to_admins"]) != "true" ||
		string(u.Preferences["timezone"]) != "null" || u.Stats.Last != nil {
		t.Errorf("created %+v", u)
	}
	answer := c.want(http.StatusOK, http.MethodGet, "user/"+id+"/user_model", "")
	if got := answer.Body.String(); got != `{"user_models":[],"additional_context":[]}` {
		t.Errorf("a new user's model: %s", got)
	}
	if got := c.want(http.StatusOK, http.MethodGet, "user/"+id+"/memory", "").Body.String(); !strings.HasPrefix(got, `{"memories":[],`) {
		t.Errorf("a new user's memories: %s", got)
	}
}

func TestCreateWithEverything(t *testing.T) {
	c := visit(t, Options{Users: 5, Items: ItemsFull})
	c.want(http.StatusCreated, http.MethodPost, "user/", `{"first_name":"  Bo ","last_name":"L","email":"bo@example.com","role_name":"CareCoach",
		"nonsensitive_user_variables":{"tier":"gold","a_b":""},"sensitive_user_variables":{"pin":"1234"},
		"user_preferences":{"preferred_language":"eng","timezone":"UTC","audio_keyterms":["statin"],"user_model_visible_to_admins":false}}`)
	u := c.page("email=bo@example.com").Users[0]
	if u.First != "Bo" || !cmp.Equal(u.Variables, map[string]string{"tier": "gold", "a_b": ""}) || !cmp.Equal(u.Secrets, []string{"pin"}) ||
		string(u.Preferences["audio_keyterms"]) != `["statin"]` || u.Updated != "2026-03-01T12:00:30.000000Z" {
		t.Errorf("created %+v", u)
	}
	c.want(http.StatusForbidden, http.MethodGet, "user/"+u.ID+"/user_model", "")
}

func TestUpdate(t *testing.T) {
	c := visit(t, Options{Users: 200})
	users := c.all("")
	odd := users[slices.IndexFunc(users, func(u listedUser) bool { return len(u.Preferences["a.b"]) > 0 })]
	path := "user/" + odd.ID
	c.page("sort_by=%2Bfirst_name")
	c.want(http.StatusNoContent, http.MethodPost, path, `{"first_name":"Zzz","timezone":"Europe/Zurich","preferred_language":"deu","additional_context":["a: b"],"audio_keyterms":["peak flow"]}`)
	got := c.one(odd.ID)
	if got.First != "Zzz" || string(got.Preferences["timezone"]) != `"Europe/Zurich"` || string(got.Preferences["a.b"]) != "2" {
		t.Errorf("updated %+v", got)
	}
	c.page("sort_by=-user_stats.num_messages")
	if names := c.all("sort_by=%2Bfirst_name"); !slices.IsSortedFunc(names, func(a, b listedUser) int { return strings.Compare(a.First, b.First) }) || len(names) != 200 {
		t.Error("the order by name does not follow")
	}
	if body := c.get(path + "/user_model").Body.String(); !strings.HasSuffix(body, `"additional_context":["a: b"]}`) {
		t.Errorf("the context is not replaced: %s", body)
	}
	c.want(http.StatusNoContent, http.MethodPost, path, `{"timezone":null,"preferred_language":{},"first_name":null,"audio_keyterms":null}`)
	got = c.one(odd.ID)
	if string(got.Preferences["timezone"]) != "null" || string(got.Preferences["preferred_language"]) != `"deu"` || got.First != "Zzz" ||
		string(got.Preferences["audio_keyterms"]) != `["peak flow"]` {
		t.Errorf("null erases, {} and absence do not: %+v", got)
	}
	c.want(http.StatusNoContent, http.MethodPost, path, `{"user_model_visible_to_admins":false}`)
	c.want(http.StatusForbidden, http.MethodGet, path+"/user_model", "")
	c.want(http.StatusNoContent, http.MethodPost, path, `{"user_model_visible_to_admins":true}`)
	c.want(http.StatusOK, http.MethodGet, path+"/user_model", "")
}

func TestDelete(t *testing.T) {
	c := visit(t, Options{Users: 50})
	users := c.all("sort_by=%2Bemail")
	gone := users[20]
	c.want(http.StatusNoContent, http.MethodDelete, "user/"+gone.ID, "")
	want := slices.DeleteFunc(users, func(u listedUser) bool { return u.ID == gone.ID })
	if diff := cmp.Diff(want, c.all("sort_by=%2Bemail")); diff != "" {
		t.Errorf("the list is not the same but one:\n%s", diff)
	}
	if got := c.page("user_id=" + gone.ID + "&email=" + gone.Email).ids(); len(got) != 0 {
		t.Errorf("still found: %v", got)
	}
	for _, path := range []string{"/user_model", "/memory"} {
		c.want(http.StatusNotFound, http.MethodGet, "user/"+gone.ID+path, "")
	}
	if again := c.create(gone.Email, "Again"); again == gone.ID {
		t.Error("a new user has the id of a deleted one")
	}
}

func TestVariables(t *testing.T) {
	c := visit(t, Options{Users: 30})
	id := c.create("v@example.com", "V")
	modify := func(status int, body string) { c.want(status, http.MethodPost, "user/"+id+"/variable", body) }
	modify(204, `{"upserts":[{"name":"tier","value":"gold","is_secret":false},{"name":"pin","value":"1","is_secret":true}]}`)
	modify(204, `{"upserts":[{"name":"tier","value":"silver","is_secret":false},{"name":"plan","value":"b","is_secret":false}]}`)
	if u := c.one(id); !cmp.Equal(u.Variables, map[string]string{"tier": "silver", "plan": "b"}) || !cmp.Equal(u.Secrets, []string{"pin"}) {
		t.Errorf("variables %v, %v", u.Variables, u.Secrets)
	}
	modify(204, `{"deletes":[{"name":"plan"}],"upserts":[{"name":"tier","value":"x","is_secret":true},{"name":"pin","value":"1","is_secret":false}]}`)
	if u := c.one(id); !cmp.Equal(u.Variables, map[string]string{"pin": "1"}) || !cmp.Equal(u.Secrets, []string{"tier"}) {
		t.Errorf("variables %v, %v", u.Variables, u.Secrets)
	}
	modify(400, `{"deletes":[{"name":"plan"}]}`)
	var many []string
	for i := range maxPlain {
		many = append(many, fmt.Sprintf(`{"name":"n_%d","value":"v","is_secret":false}`, i))
	}
	modify(400, `{"upserts":[`+strings.Join(many, ",")+`]}`)
	modify(422, `{"upserts":[{"name":"n","value":"`+strings.Repeat("v", 256)+`","is_secret":false}]}`)
	if u := c.one(id); len(u.Variables) != 1 {
		t.Errorf("a refused change changed something: %v", u.Variables)
	}
}

// TestText holds that whatever JSON can say of a name comes back as it was said.
func TestText(t *testing.T) {
	c := visit(t, Options{Users: 5})
	id := c.create("text@example.com", "x")
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringN(1, 20, -1).Filter(func(s string) bool { return strings.TrimSpace(s) == s }).Draw(rt, "name")
		body, err := json.Marshal(map[string]string{"first_name": name})
		if err != nil {
			rt.Fatal(err)
		}
		c.want(http.StatusNoContent, http.MethodPost, "user/"+id, string(body))
		if got := c.one(id).First; got != name {
			rt.Fatalf("%q has become %q", name, got)
		}
	})
}

func TestAssignRole(t *testing.T) {
	c := visit(t, Options{Users: 10})
	u := c.page("").Users[0]
	coach := c.people.make.roles[4]
	answer := c.want(http.StatusOK, http.MethodPost, "role/"+coach.name+"/assign", `{"user_id":"`+u.ID+`"}`)
	if got, want := answer.Body.String(), `{"role_id":"`+coach.id+`"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := c.one(u.ID).Role; got != coach.id {
		t.Errorf("role %s, want %s", got, coach.id)
	}
}

func TestRoles(t *testing.T) {
	c := visit(t, Options{Users: 10})
	type roles struct {
		Roles []struct {
			ID, Name string
			Grants   []json.RawMessage `json:"permission_grants"`
		}
	}
	get := func(query string) roles {
		var r roles
		c.decode(c.want(http.StatusOK, http.MethodGet, "role/"+query, ""), &r)
		return r
	}
	all := get("").Roles
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.Name
		if len(r.Grants) > 0 {
			t.Errorf("%s has grants nobody asked for", r.Name)
		}
	}
	for _, want := range []string{"DefaultUserRole", "DefaultAdministratorRole", "DefaultAmigoAdministratorRole", "DefaultSuperAdministratorRole"} {
		if !slices.Contains(names, want) {
			t.Errorf("no role %s in %v", want, names)
		}
	}
	if got := get("?return_permission_grants=true&id=" + all[1].ID).Roles; len(got) != 1 || len(got[0].Grants) == 0 {
		t.Errorf("by id with grants: %+v", got)
	}
	if got := get("?name=nobody").Roles; len(got) != 0 {
		t.Errorf("by an unknown name: %+v", got)
	}
}

func TestMemories(t *testing.T) {
	c := visit(t, Options{Users: 60})
	type listedMemory struct {
		ID           string
		Created      time.Time `json:"created_at"`
		Conversation string    `json:"conversation_id"`
	}
	type page struct {
		Memories []listedMemory
		More     bool `json:"has_more"`
		Token    *int `json:"continuation_token"`
	}
	get := func(id, query string) page {
		var p page
		c.decode(c.want(http.StatusOK, http.MethodGet, "user/"+id+"/memory?"+query, ""), &p)
		return p
	}
	for _, u := range c.all("") {
		all := get(u.ID, "")
		if len(all.Memories) != 9 {
			continue
		}
		first, rest := get(u.ID, "limit=4"), get(u.ID, "limit=50&continuation_token=4")
		if !first.More || *first.Token != 4 || rest.More || rest.Token != nil || !cmp.Equal(append(first.Memories, rest.Memories...), all.Memories) {
			t.Errorf("the pages are not the whole: %+v, %+v", first, rest)
		}
		one := all.Memories[3]
		if got := get(u.ID, "id="+one.ID+"&conversation_id="+one.Conversation); len(got.Memories) != 1 || got.Memories[0].ID != one.ID {
			t.Errorf("filtered: %+v", got)
		}
		if sorted := get(u.ID, "sort_by=-conversation_id").Memories; !slices.IsSortedFunc(sorted, func(a, b listedMemory) int { return strings.Compare(b.Conversation, a.Conversation) }) {
			t.Errorf("not sorted by conversation: %+v", sorted)
		}
		if sorted := get(u.ID, "sort_by=%2Bcreated_at").Memories; !slices.IsSortedFunc(sorted, func(a, b listedMemory) int { return a.Created.Compare(b.Created) }) {
			t.Errorf("not sorted by time: %+v", sorted)
		}
		return
	}
	t.Fatal("nobody has nine memories")
}

// TestWritesAgainstAModel plays random writes on the sandbox and on a slice, and compares the lists, sorted and not.
func TestWritesAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := visit(t, Options{Users: 20, Seed: rapid.Uint64Range(1, 5).Draw(rt, "seed")})
		model := c.all("")
		c.all("sort_by=-first_name&sort_by=%2Bemail")
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			i := rapid.IntRange(0, max(0, len(model)-1)).Draw(rt, "user")
			switch op := rapid.SampledFrom([]string{"create", "update", "delete"}).Draw(rt, "write"); {
			case op == "create" || len(model) == 0:
				id := c.create(fmt.Sprintf("%s%d@example.com", rapid.StringMatching(`[a-z]{1,3}`).Draw(rt, "local"), step), "N")
				model = append(model, c.one(id))
			case op == "update":
				name := rapid.StringMatching(`[A-Z]{1,2}`).Draw(rt, "name")
				c.want(http.StatusNoContent, http.MethodPost, "user/"+model[i].ID, `{"first_name":"`+name+`"}`)
				model[i].First = name
			default:
				c.want(http.StatusNoContent, http.MethodDelete, "user/"+model[i].ID, "")
				model = slices.Delete(model, i, i+1)
			}
		}
		if got, want := names(c.all("")), names(model); !slices.Equal(got, want) {
			rt.Fatalf("as it stands:\n%s", cmp.Diff(want, got))
		}
		slices.SortFunc(model, func(a, b listedUser) int {
			if n := strings.Compare(b.First, a.First); n != 0 {
				return n
			}
			return strings.Compare(a.Email, b.Email)
		})
		if got, want := names(c.all("sort_by=-first_name&sort_by=%2Bemail")), names(model); !slices.Equal(got, want) {
			rt.Fatalf("sorted:\n%s", cmp.Diff(want, got))
		}
	})
}

// names is who is in a list, and what they are called.
func names(users []listedUser) []string {
	out := make([]string, len(users))
	for i, u := range users {
		out[i] = u.ID + " " + u.First
	}
	return out
}

package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestPopulationGolden holds the bytes of a population for ever: whoever compares two runs of a rehearsal depends on them.
func TestPopulationGolden(t *testing.T) {
	for _, items := range []string{ItemsSpec, ItemsFull} {
		t.Run(items, func(t *testing.T) {
			c := visit(t, Options{Users: 1000, Items: items})
			golden(t, "list_"+items+".golden.json", []byte(strings.ReplaceAll(c.get("user/?limit=60").Body.String(), `},{"`, "},\n{\"")))
		})
	}
}

func TestPopulationFollowsFromTheOptions(t *testing.T) {
	first := func(o Options) string { return visit(t, o).get("user/?limit=50").Body.String() }
	users := func(o Options) string {
		body := first(o)
		return body[:strings.LastIndex(body, `],"has_more"`)]
	}
	base := Options{Users: 200}
	if a, b := first(base), first(base); a != b {
		t.Error("the same options give other bytes the second time")
	}
	if a, b := users(base), users(Options{Users: 3000}); a != b {
		t.Error("the first users depend on how many come after them")
	}
	if users(base) == users(Options{Users: 200, Seed: 2}) {
		t.Error("another seed gives the same users")
	}
	ids := func(o Options) []string { return visit(t, o).page("limit=50").ids() }
	if cmp.Equal(ids(base), ids(Options{Users: 200, Org: "other"})) {
		t.Error("another organization has the same ids")
	}
}

var objectID = regexp.MustCompile(`^[0-9a-f]{24}$`)

// TestPopulationHoldsNothingToQuarantine reads every user in full as a careful reader would: valid UTF-8, no lone surrogates,
// the types that the columns have, and an identity each.
func TestPopulationHoldsNothingToQuarantine(t *testing.T) {
	c := visit(t, Options{Users: 5000, Items: ItemsFull})
	ids, emails, mongoIDs := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	for skip := 0; skip < 5000; skip += 100 {
		body := c.get(fmt.Sprintf("user/?continuation_token=%d", skip)).Body.Bytes()
		if !utf8.Valid(body) || !json.Valid(body) {
			t.Fatalf("the page at %d is not JSON in UTF-8", skip)
		}
		if lone := loneSurrogate(body); lone != "" {
			t.Fatalf("the page at %d has a lone surrogate: %s", skip, lone)
		}
		var page struct {
			Users []struct {
				MongoID     string                     `json:"_id"`
				Context     []string                   `json:"additional_context"`
				Email       string                     `json:"email"`
				First       *string                    `json:"first_name"`
				Last        *string                    `json:"last_name"`
				Org         string                     `json:"org_id"`
				Preferences map[string]json.RawMessage `json:"preferences"`
				Region      string                     `json:"region_name"`
				Role        string                     `json:"role"`
				Updated     time.Time                  `json:"updated_at"`
				ID          string                     `json:"user_id"`
				Models      []struct {
					Content    *string           `json:"content"`
					Insights   []json.RawMessage `json:"insight_ids"`
					Dimensions []struct {
						Description *string  `json:"description"`
						Tags        []string `json:"tags"`
					} `json:"dimensions"`
				} `json:"user_models"`
				Stats struct {
					Conversations, Messages int64
					Last                    *time.Time `json:"last_message_time"`
				} `json:"user_stats"`
				Variables map[string]string `json:"nonsensitive_variables"`
				Secrets   []string          `json:"sensitive_variables"`
				Actions   *bool             `json:"enable_actions_access"`
			} `json:"users"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatalf("the page at %d: %v", skip, err)
		}
		for _, u := range page.Users {
			if u.ID == "" || ids[u.ID] || u.Email == "" || emails[u.Email] || !objectID.MatchString(u.MongoID) || mongoIDs[u.MongoID] {
				t.Errorf("user %q has no identity of their own: %q, %q", u.ID, u.Email, u.MongoID)
			}
			ids[u.ID], emails[u.Email], mongoIDs[u.MongoID] = true, true, true
			if u.First == nil || u.Last == nil || u.Context == nil || u.Models == nil || u.Secrets == nil || u.Variables == nil || u.Actions == nil ||
				u.Org != c.Org() || u.Region != "us-east-1" || !objectID.MatchString(u.Role) {
				t.Errorf("user %q lacks a field", u.ID)
			}
			for key, want := range map[string]string{
				"enable_response_recommendation": "bool", "conversations_visible_to_admins": "bool", "user_model_visible_to_admins": "bool",
				"preferred_language": "text", "timezone": "text", "audio_keyterms": "list",
			} {
				if raw, there := u.Preferences[key]; there && typeOf(raw) != want && !(want == "text" && typeOf(raw) == "null") {
					t.Errorf("user %q: preference %s is %s", u.ID, key, raw)
				}
			}
		}
	}
	if len(ids) != 5000 {
		t.Errorf("%d users, want 5000", len(ids))
	}
}

func typeOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "text"
	case '[':
		return "list"
	case '{':
		return "object"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	default:
		return "number"
	}
}

// loneSurrogate finds an escaped half of a surrogate pair without its other half.
func loneSurrogate(body []byte) string {
	high := regexp.MustCompile(`(?i)\\u(d[89ab][0-9a-f]{2})(\\ud[c-f][0-9a-f]{2})?`)
	for _, m := range high.FindAllSubmatch(body, -1) {
		if len(m[2]) == 0 {
			return string(m[0])
		}
	}
	return ""
}

// TestPopulationIsAwkward counts what a realistic population is to have some of.
func TestPopulationIsAwkward(t *testing.T) {
	c := visit(t, Options{Users: 5000, Items: ItemsFull})
	text := new(bytes.Buffer)
	for skip := 0; skip < 5000; skip += 100 {
		text.Write(c.get(fmt.Sprintf("user/?continuation_token=%d", skip)).Body.Bytes())
		text.WriteByte('\n')
	}
	for name, pattern := range map[string]string{
		"names beyond ASCII":            `"first_name":"[^"]*[^\x00-\x7f]`,
		"an empty name":                 `"first_name":""`,
		"null preferences":              `"preferences":null`,
		"empty preferences":             `"preferences":\{\}`,
		"a null time zone":              `"timezone":null`,
		"nested preferences":            `"notifications":\{"email":(true|false),"sms":\{`,
		"an integer beyond 2^53":        `:9007199254740993[,}]`,
		"an integer beyond 2^63":        `:9223372036854775808[,}]`,
		"a number of thirty digits":     `:123456789012345678901234567890[,}]`,
		"an exact fraction":             `:1\.50[,}]`,
		"empty contexts":                `"additional_context":\[\]`,
		"named contexts":                `"additional_context":\["Allergy: penicillin"`,
		"a long text":                   `"Notes: [^"]{1000}`,
		"ids as extended JSON":          `\{"\$oid":"[0-9a-f]{24}"\}`,
		"ids as text":                   `"insight_ids":\["[0-9a-f]{24}"`,
		"a time with an offset":         `"last_message_time":"[0-9T:.-]+[+-][0-9]{2}:[0-9]{2}"`,
		"a time in microseconds":        `"last_message_time":"[0-9T:-]+\.[0-9]{6}Z"`,
		"a time in seconds":             `"last_message_time":"[0-9T:-]{19}Z"`,
		"users who never talked":        `"last_message_time":null`,
		"models that keep private":      `"user_model_visible_to_admins":false`,
		"a role nobody knows":           `"role":"f{24}"`,
		"addresses that differ in case": `"email":"Same\.Person@example\.com"`,
	} {
		if !regexp.MustCompile(pattern).Match(text.Bytes()) {
			t.Errorf("%s: none", name)
		}
	}
}

// TestPopulationIsFound looks every user up by id and by address, and tries what is nobody's.
func TestPopulationIsFound(t *testing.T) {
	c := visit(t, Options{Users: 700})
	for _, u := range c.all("") {
		if got := c.page("user_id=" + u.ID).ids(); !cmp.Equal(got, []string{u.ID}) {
			t.Fatalf("user_id=%s finds %v", u.ID, got)
		}
		if got := c.page("email=" + url.QueryEscape(u.Email)).ids(); !cmp.Equal(got, []string{u.ID}) {
			t.Fatalf("email=%s finds %v", u.Email, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[a-z][0-9A-Za-z]{27}|[ -~]{0,40}`).Draw(t, "id")
		if h, ok := c.people.byID(id); ok {
			t.Fatalf("%q finds number %d", id, h)
		}
	})
}

// TestNumbering holds that an id and a number lead to each other, at the ends of the range too.
func TestNumbering(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.Uint32().Draw(t, "number")
		for _, n := range []numbering{idNumbers, mailNumbers} {
			if got := n.find(n.hide(h)); got != h {
				t.Fatalf("%d comes back as %d", h, got)
			}
		}
		d := roll(uint64(h))
		if got, ok := numberOf(makeID(&d, h)); !ok || got != h {
			t.Fatalf("the id of %d is of %d, %v", h, got, ok)
		}
	})
}

// TestMillion holds what a population may cost: little before anybody asks, and four bytes a user for its order.
func TestMillion(t *testing.T) {
	before := time.Now()
	c := visit(t, Options{Users: 1_000_000})
	if took := time.Since(before); took > 2*time.Second {
		t.Errorf("made in %v", took)
	}
	if got := c.page("continuation_token=999990"); len(got.Users) != 10 || *got.More {
		t.Errorf("the last page has %d users, more %v", len(got.Users), *got.More)
	}
	if per := testing.AllocsPerRun(100, func() { c.people.identity(123_456) }); per > 12 {
		t.Errorf("an identity takes %v allocations", per)
	}
}

func TestParseObject(t *testing.T) {
	got, err := parseObject(`{"b": [1 ,2],"a":1.50, "":null}`)
	if want := (object{{"b", "[1 ,2]"}, {"a", "1.50"}, {"", "null"}}); err != nil || !cmp.Equal(got, want, cmp.AllowUnexported(member{})) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "[]", `"x"`, `{"a"`, `{"a":}`, `{"a":1`, `{1:2}`} {
		if got, err := parseObject(text); err == nil {
			t.Errorf("%s is read as %v", text, got)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	s, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.appendPage(nil, cut(s.people.list.order, 1000, 100))
	}
}

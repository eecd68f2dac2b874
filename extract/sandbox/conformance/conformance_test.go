// Package conformance_test holds the sandbox's requests and answers to the specification, by a validator that is not ours. It
// is apart from the sandbox's other tests because that validator takes longer to build than everything else here.
package conformance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	validatorerrors "github.com/pb33f/libopenapi-validator/errors"

	"github.com/rollcall-data/rollcall/extract/sandbox"
)

// specification checks requests and answers against the published types. The document is a copy of api/amigo_openapi.yml.
type specification struct{ validator.Validator }

// loadSpecification leaves credentials unchecked: the document asks for all its schemes at once, and does not declare those
// of the key exchange.
func loadSpecification(t *testing.T) specification {
	t.Helper()
	text, err := os.ReadFile("../testdata/amigo_openapi.yml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatalf("parse the specification: %v", err)
	}
	if version := doc.GetVersion(); !strings.HasPrefix(version, "3.1") {
		t.Fatalf("openapi: %s, want 3.1: the validator takes its JSON Schema dialect from it", version)
	}
	v, errs := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithoutSecurityValidation())
	if len(errs) > 0 {
		t.Fatalf("compile the specification: %v", errors.Join(errs...))
	}
	if valid, errs := v.ValidateDocument(); !valid {
		t.Fatalf("the specification is no OpenAPI document: %v", violations(errs))
	}
	return specification{v}
}

func (s specification) checkRequest(r *http.Request) error {
	_, errs := s.ValidateHttpRequestSync(r)
	return violations(errs)
}

func (s specification) checkAnswer(r *http.Request, answer *http.Response) error {
	_, errs := s.ValidateHttpResponse(r, answer)
	return violations(errs)
}

// violations is what the validator found, with the reasons it keeps one level down.
func violations(found []*validatorerrors.ValidationError) error {
	var errs []error
	for _, v := range found {
		errs = append(errs, fmt.Errorf("%s: %s", v.Message, v.Reason))
		for _, one := range v.SchemaValidationErrors {
			errs = append(errs, one)
		}
	}
	return errors.Join(errs...)
}

// TestConformance holds every endpoint's answers to the specification's types, its documented refusals included, and the
// sandbox's 422 to what the specification calls a bad request.
func TestConformance(t *testing.T) {
	spec := loadSpecification(t)
	c := visit(t, 300)
	users := c.all()
	id, other := users[0].ID, users[1].ID
	private := userWith(t, users, func(u user) bool { return u.ID != other && u.visible("false") })
	open := userWith(t, users, func(u user) bool { return u.ID != id && u.visible("true") })
	role := c.role("CareCoach")
	hex := strings.Repeat("a", 24)

	for _, tt := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"list", "GET", "user/", "", 200},
		{"list with all parameters", "GET", "user/?limit=7&continuation_token=3&sort_by=%2Bemail&sort_by=-user_stats.num_messages&user_id=" + id + "&email=a@example.com", "", 200},
		{"list beyond the end", "GET", "user/?continuation_token=1000", "", 200},
		{"list of nothing", "GET", "user/?limit=0", "", 200},
		{"list, limit too high", "GET", "user/?limit=101", "", 422},
		{"list, limit too low", "GET", "user/?limit=-1", "", 422},
		{"list, limit no number", "GET", "user/?limit=ten", "", 422},
		{"list, token no number", "GET", "user/?continuation_token=x", "", 422},
		{"search", "GET", "user/search/?query=an", "", 200},
		{"search among ids", "GET", "user/search/?query=&user_id=" + id, "", 200},
		{"search for nothing", "GET", "user/search/", "", 422},
		{"create", "POST", "user/", `{"first_name":"Ada","last_name":"L","email":"ada@example.com","role_name":"DefaultUserRole"}`, 201},
		{"create with everything", "POST", "user/", `{"first_name":"Bo","last_name":"L","email":"bo@example.com","role_name":"CareCoach","login_link":"https://example.com/in",
			"nonsensitive_user_variables":{"member_tier":"gold"},"sensitive_user_variables":{"pin":"1234"},
			"user_preferences":{"preferred_language":"en","timezone":"UTC","audio_keyterms":["a"],"enable_response_recommendation":true}}`, 201},
		{"create twice", "POST", "user/", `{"first_name":"Ada","last_name":"L","email":"ada@example.com","role_name":"DefaultUserRole"}`, 409},
		{"create without a role", "POST", "user/", `{"first_name":"Ada","last_name":"L","email":"ada2@example.com","role_name":"NoSuchRole"}`, 404},
		{"create above oneself", "POST", "user/", `{"first_name":"Ada","last_name":"L","email":"ada3@example.com","role_name":"DefaultSuperAdministratorRole"}`, 403},
		{"create without names", "POST", "user/", `{"email":"x@example.com","role":"DefaultUserRole"}`, 422},
		{"create without a name to speak of", "POST", "user/", `{"first_name":"","last_name":"L","email":"y@example.com","role_name":"DefaultUserRole"}`, 422},
		{"create with too many variables", "POST", "user/", `{"first_name":"A","last_name":"L","email":"z@example.com","role_name":"DefaultUserRole",
			"nonsensitive_user_variables":{` + variables(20) + `}}`, 422},
		{"create with a bad variable", "POST", "user/", `{"first_name":"A","last_name":"L","email":"z@example.com","role_name":"DefaultUserRole","nonsensitive_user_variables":{"Upper":"1"}}`, 422},
		{"create with a bad link", "POST", "user/", `{"first_name":"A","last_name":"L","email":"z@example.com","role_name":"DefaultUserRole","login_link":""}`, 422},
		{"create with a null name", "POST", "user/", `{"first_name":null,"last_name":"L","email":"z@example.com","role_name":"DefaultUserRole"}`, 422},
		{"create with a list", "POST", "user/", `[]`, 422},
		{"update", "POST", "user/" + other, `{"first_name":"New","timezone":"Europe/Zurich","preferred_language":null,"additional_context":["Name: value"],"audio_keyterms":["peak flow"]}`, 204},
		{"update nothing", "POST", "user/" + other, `{"preferred_language":{},"timezone":{},"first_name":null}`, 204},
		{"update, empty name", "POST", "user/" + other, `{"first_name":""}`, 422},
		{"update, long language", "POST", "user/" + other, `{"preferred_language":"engl"}`, 422},
		{"update, bad keyterm", "POST", "user/" + other, `{"audio_keyterms":["UPPER"]}`, 422},
		{"update, too many keyterms", "POST", "user/" + other, `{"audio_keyterms":["a"` + strings.Repeat(`,"a"`, 20) + `]}`, 422},
		{"update, no list", "POST", "user/" + other, `{"additional_context":"x"}`, 422},
		{"update, no boolean", "POST", "user/" + other, `{"conversations_visible_to_admins":"x"}`, 422},
		{"update nobody", "POST", "user/nobody", `{}`, 404},
		{"variables", "POST", "user/" + other + "/variable", `{"upserts":[{"name":"tier","value":"gold","is_secret":false}],"deletes":[]}`, 204},
		{"variables, not there", "POST", "user/" + other + "/variable", `{"deletes":[{"name":"not_there"}]}`, 400},
		{"variables, incomplete", "POST", "user/" + other + "/variable", `{"upserts":[{"name":"tier"}]}`, 422},
		{"variables, empty value", "POST", "user/" + other + "/variable", `{"upserts":[{"name":"tier","value":"","is_secret":true}]}`, 422},
		{"variables of nobody", "POST", "user/nobody/variable", `{}`, 404},
		{"model", "GET", "user/" + open + "/user_model", "", 200},
		{"model, private", "GET", "user/" + private + "/user_model", "", 403},
		{"model of nobody", "GET", "user/nobody/user_model", "", 404},
		{"memory", "GET", "user/" + open + "/memory", "", 200},
		{"memory with all parameters", "GET", "user/" + open + "/memory?limit=1&continuation_token=0&sort_by=-created_at&id=" + hex + "&conversation_id=" + hex, "", 200},
		{"memory, limit too high", "GET", "user/" + open + "/memory?limit=51", "", 422},
		{"memory of nobody", "GET", "user/nobody/memory", "", 404},
		{"roles", "GET", "role/", "", 200},
		{"roles with grants", "GET", "role/?return_permission_grants=true&name=" + "CareCoach&id=" + role, "", 200},
		{"roles, no boolean", "GET", "role/?return_permission_grants=maybe", "", 422},
		{"assign", "POST", "role/CareCoach/assign", `{"user_id":"` + other + `"}`, 200},
		{"assign nothing", "POST", "role/CareCoach/assign", `{}`, 422},
		{"assign no role", "POST", "role/NoSuchRole/assign", `{"user_id":"` + other + `"}`, 404},
		{"assign to nobody", "POST", "role/CareCoach/assign", `{"user_id":"nobody"}`, 404},
		{"assign above oneself", "POST", "role/DefaultSuperAdministratorRole/assign", `{"user_id":"` + other + `"}`, 403},
		{"dimensions", "GET", "organization/user_dimensions/", "", 200},
		{"magic link", "POST", "user/signin", `{"redirect_link":"https://example.com/","email":"nobody@example.com"}`, 200},
		{"magic link to nowhere", "POST", "user/signin", `{"email":"nobody@example.com"}`, 422},
		{"SQL", "POST", "admin/sql_query", `{"sql_query":"SELECT * FROM users","async_query":false}`, 200},
		{"SQL, count", "POST", "admin/sql_query", `{"sql_query":"SELECT count(*) FROM users","async_query":false}`, 200},
		{"SQL, no SELECT", "POST", "admin/sql_query", `{"sql_query":"DELETE FROM users","async_query":false}`, 400},
		{"SQL, asynchronous", "POST", "admin/sql_query", `{"sql_query":"SELECT * FROM users","async_query":true}`, 422},
		{"SQL, empty", "POST", "admin/sql_query", `{"sql_query":"","async_query":false}`, 422},
		{"delete", "DELETE", "user/" + id, "", 204},
		{"delete again", "DELETE", "user/" + id, "", 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := func() *http.Request {
				r := httptest.NewRequest(tt.method, "/v1/"+c.Org()+"/"+tt.path, strings.NewReader(tt.body))
				if tt.body != "" {
					r.Header.Set("Content-Type", "application/json")
				}
				return r
			}
			err := spec.checkRequest(request())
			if bad := tt.status == http.StatusUnprocessableEntity; bad != (err != nil) {
				t.Errorf("the specification on the request: %v, and the sandbox is to answer %d", err, tt.status)
			}
			answer := c.do(request())
			if answer.Code != tt.status {
				t.Fatalf("%d %s, want %d", answer.Code, answer.Body, tt.status)
			}
			if err := spec.checkAnswer(request(), answer.Result()); err != nil {
				t.Errorf("the specification on the answer: %v", err)
			}
		})
	}
}

// TestConformancePopulation holds every list item, search result, model and memory of a whole population to the specification.
func TestConformancePopulation(t *testing.T) {
	spec := loadSpecification(t)
	c := visit(t, 300)
	check := func(path string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/v1/"+c.Org()+"/"+path, nil)
		answer := c.do(r)
		if err := spec.checkAnswer(r, answer.Result()); err != nil {
			t.Errorf("%s: %d: %v", path, answer.Code, err)
		}
	}
	for skip := 0; skip < 300; skip += 100 {
		check(fmt.Sprintf("user/?limit=100&continuation_token=%d", skip))
	}
	check("user/search/?query=e")
	for _, u := range c.all() {
		check("user/" + u.ID + "/user_model")
		check("user/" + u.ID + "/memory?limit=3")
	}
}

// TestConformanceSignIn is apart: the key exchange has no token, and its headers are what the specification checks.
func TestConformanceSignIn(t *testing.T) {
	spec := loadSpecification(t)
	c := visit(t, 1)
	wrong := c.credentials()
	wrong.Set("x-api-key", "another")
	for _, tt := range []struct {
		name    string
		headers http.Header
		status  int
	}{
		{"right", c.credentials(), 200},
		{"wrong", wrong, 401},
		{"none", make(http.Header), 422},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/v1/"+c.Org()+"/user/signin_with_api_key", nil)
			r.Header = tt.headers
			if err := spec.checkRequest(r); (err != nil) != (tt.status == 422) {
				t.Errorf("the specification on the request: %v", err)
			}
			w := httptest.NewRecorder()
			c.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, tt.status)
			}
			if err := spec.checkAnswer(r, w.Result()); err != nil {
				t.Errorf("the specification on the answer: %v", err)
			}
		})
	}
}

// TestValidatorRefuses shows that the validator would notice: answers spoiled in ways that only 3.1 schemas can say no to.
func TestValidatorRefuses(t *testing.T) {
	spec := loadSpecification(t)
	const user = `"org_id":"o","user_id":"u","first_name":"f","last_name":"l","email":"e","role":"r","preferences":{},
		"nonsensitive_variables":{},"sensitive_variables":[],"enable_actions_access":false`
	for _, tt := range []struct{ name, path, body string }{
		{"a key is missing", "user/", `{"users":[],"has_more":false}`},
		{"a token of the wrong type", "user/", `{"users":[],"has_more":true,"continuation_token":"7"}`},
		{"a time that is none", "user/", `{"users":[{` + user + `,"user_stats":{"num_conversations":0,"num_messages":0,"last_message_time":"yesterday"}}],"has_more":false,"continuation_token":null}`},
		{"stats are missing", "user/", `{"users":[{` + user + `}],"has_more":false,"continuation_token":null}`},
		{"ids as objects", "user/u/user_model", `{"user_models":[{"content":"","insight_ids":[{"$oid":"67fe9cca0e3bf2dbf54e4ef5"}],"dimensions":[]}],"additional_context":[]}`},
		{"a condition of no kind", "role/", `{"roles":[{"id":"","name":"","description":"","frontend_view":"admin","permission_grants":[{"permission_name":"p","conditions":{"c":{"type":"Other","value":1}}}]}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/v1/acme-health/"+tt.path, nil)
			answer := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(tt.body))}
			if err := spec.checkAnswer(r, answer); err == nil {
				t.Error("the validator lets it pass")
			}
		})
	}
}

// caller asks a sandbox without a network between, as the organization's administrator.
type caller struct {
	*testing.T
	*sandbox.Sandbox
	token string
}

func visit(t *testing.T, users int) *caller {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{Users: users})
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{T: t, Sandbox: s}
	r := httptest.NewRequest(http.MethodPost, "/v1/"+s.Org()+"/user/signin_with_api_key", nil)
	r.Header = c.credentials()
	var signedIn struct {
		Token string `json:"id_token"`
	}
	c.decode(c.do(r), &signedIn)
	c.token = signedIn.Token
	return c
}

func (c *caller) credentials() http.Header {
	return http.Header{"X-Api-Key": {c.APIKey()}, "X-Api-Key-Id": {c.APIKeyID()}, "X-User-Id": {c.UserID()}}
}

func (c *caller) do(r *http.Request) *httptest.ResponseRecorder {
	r.Header.Set("Authorization", "Bearer "+c.token)
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func (c *caller) decode(answer *httptest.ResponseRecorder, into any) {
	c.Helper()
	if err := json.Unmarshal(answer.Body.Bytes(), into); err != nil || answer.Code != http.StatusOK {
		c.Fatalf("%d %.200s: %v", answer.Code, answer.Body, err)
	}
}

func (c *caller) get(path string, into any) {
	c.Helper()
	c.decode(c.do(httptest.NewRequest(http.MethodGet, "/v1/"+c.Org()+"/"+path, nil)), into)
}

// user is as much of a list item as the tests look at.
type user struct {
	ID          string                     `json:"user_id"`
	Preferences map[string]json.RawMessage `json:"preferences"`
}

// visible says whether the preference that decides who may see the user's model has a value.
func (u user) visible(value string) bool {
	return string(u.Preferences["user_model_visible_to_admins"]) == value
}

func (c *caller) all() []user {
	c.Helper()
	var users []user
	for more := true; more; {
		var page struct {
			Users []user `json:"users"`
			More  bool   `json:"has_more"`
		}
		c.get(fmt.Sprintf("user/?continuation_token=%d", len(users)), &page)
		users, more = append(users, page.Users...), page.More
	}
	return users
}

// role is the id of a role.
func (c *caller) role(name string) string {
	c.Helper()
	var got struct {
		Roles []struct{ ID string }
	}
	c.get("role/?name="+name, &got)
	return got.Roles[0].ID
}

func userWith(t *testing.T, users []user, so func(user) bool) string {
	t.Helper()
	for _, u := range users {
		if so(u) {
			return u.ID
		}
	}
	t.Fatal("the population has no such user")
	return ""
}

// variables is n members of a JSON object of variables.
func variables(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"name_%d":"v"`, i)
	}
	return b.String()
}

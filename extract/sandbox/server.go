package sandbox

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Kinds of request, as [Step.Endpoint] and [Sandbox.Requests] name them.
const (
	KindAny           = "any"            // every request, of whatever kind
	KindSignIn        = "signin"         // POST user/signin_with_api_key
	KindMagicLink     = "magic_link"     // POST user/signin
	KindList          = "list"           // GET user/ without user_id and email
	KindLookup        = "lookup"         // GET user/ with user_id or email
	KindSearch        = "search"         // GET user/search/
	KindModel         = "model"          // GET user/{id}/user_model
	KindMemory        = "memory"         // GET user/{id}/memory
	KindCreate        = "create"         // POST user/
	KindUpdate        = "update"         // POST user/{id}
	KindDelete        = "delete"         // DELETE user/{id}
	KindVariables     = "variables"      // POST user/{id}/variable
	KindRole          = "role"           // GET role/
	KindAssign        = "assign"         // POST role/{name}/assign
	KindDimensions    = "dimensions"     // GET organization/user_dimensions/
	KindSQL           = "sql"            // POST admin/sql_query
	KindFreddyList    = "freddy_list"    // GET /v1/user/
	KindFreddyGet     = "freddy_get"     // GET /v1/user/{id}
	KindFreddyBatch   = "freddy_batch"   // POST /v1/user/batch
	KindFreddyDeleted = "freddy_deleted" // GET /v1/user/deleted
	KindFreddyMembers = "freddy_members" // POST /v1/organizations/{id}/users
	KindUnknown       = "unknown"        // whatever no path of the above matches
)

// route is an endpoint: what it is called, what it is allowed a minute, and what answers it.
type route struct {
	kind      string
	method    string
	path      []string // after /v1/, "*" standing for any segment; a trailing slash is a last segment that is empty
	perMinute int      // api/amigo.md §4.2; 0: no limit documented
	open      bool     // answered without a token
	freddy    bool     // the other vendor's: another key, one limit for all endpoints, errors of another shape
	answer    func(*call) answer
}

// call is a request on its way to its answer.
type call struct {
	request *http.Request
	route   *route
	kind    string
	path    []string // the unescaped segments after /v1/
	query   url.Values
	body    []byte
	faults  faults
}

// answer is what goes back. A nil body is an empty one.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// maxRequestBody bounds what a request may bring; no documented one comes near.
const maxRequestBody = 1 << 20

func (s *Sandbox) table() []route {
	amigo := func(kind, method, path string, perMinute int, answer func(*call) answer) route {
		return route{kind: kind, method: method, path: strings.Split("*/"+path, "/"), perMinute: perMinute, answer: answer}
	}
	open := func(r route) route { r.open = true; return r }
	const get, post = http.MethodGet, http.MethodPost
	routes := []route{
		open(amigo(KindSignIn, post, "user/signin_with_api_key", 5, s.signIn)),
		open(amigo(KindMagicLink, post, "user/signin", 0, s.magicLink)),
		amigo(KindList, get, "user/", 60, s.listUsers),
		amigo(KindSearch, get, "user/search/", 50, s.searchUsers),
		amigo(KindCreate, post, "user/", 50, s.createUser),
		amigo(KindUpdate, post, "user/*", 50, s.updateUser),
		amigo(KindDelete, http.MethodDelete, "user/*", 500, s.deleteUser),
		amigo(KindVariables, post, "user/*/variable", 50, s.modifyVariables),
		amigo(KindModel, get, "user/*/user_model", 60, s.userModel),
		amigo(KindMemory, get, "user/*/memory", 40, s.userMemories),
		amigo(KindRole, get, "role/", 20, s.getRoles),
		amigo(KindAssign, post, "role/*/assign", 1000, s.assignRole),
		amigo(KindDimensions, get, "organization/user_dimensions/", 20, s.getDimensions),
		amigo(KindSQL, post, "admin/sql_query", 6, s.sqlQuery),
	}
	if s.options.Freddy > 0 {
		routes = append(s.freddyTable(), routes...)
	}
	return routes
}

// ServeHTTP answers as the API would.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, early := s.recognize(r)
	ofKind, ofAll := s.tally(c.kind)
	c.faults = s.script.on(c.kind, ofKind, ofAll)
	if early == nil && c.route != nil {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody+1))
		switch {
		case err != nil:
			early = refuse(http.StatusBadRequest, "There was an error parsing the body")
		case len(body) > maxRequestBody:
			early = refuse(http.StatusRequestEntityTooLarge, "Request body too large")
		}
		c.body = body
	}
	c.faults.wait(r.Context())
	s.stage(c)
	a, decided := c.faults.instead(s.options.Now())
	switch {
	case decided:
	case early != nil:
		a = *early
	default:
		a = s.respond(c)
	}
	c.faults.send(w, r, a, s.options.Now())
}

// recognize finds out what a request is. A request that cannot be anything comes with the answer it gets.
func (s *Sandbox) recognize(r *http.Request) (*call, *answer) {
	c := &call{request: r, kind: KindUnknown, query: r.URL.Query()}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	if len(segments) < 3 || segments[1] != "v1" {
		return c, refuse(http.StatusNotFound, "Not Found")
	}
	for _, escaped := range segments[2:] {
		plain, _ := url.PathUnescape(escaped) // EscapedPath leaves nothing that cannot be unescaped
		c.path = append(c.path, plain)
	}
	var allowed []string
	for i := range s.routes {
		switch route := &s.routes[i]; {
		case !route.matches(c.path):
		case route.method == r.Method:
			c.route, c.kind = route, route.kind
			if route.kind == KindList && (c.query.Has("user_id") || c.query.Has("email")) {
				c.kind = KindLookup
			}
			return c, nil
		default:
			allowed = append(allowed, route.method)
		}
	}
	if len(allowed) > 0 {
		early := refuse(http.StatusMethodNotAllowed, "Method Not Allowed")
		early.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
		return c, early
	}
	return c, s.strayed(r, c.path)
}

// matches says whether a path is the route's. A "*" takes any segment but an empty one.
func (r *route) matches(path []string) bool {
	return slices.EqualFunc(r.path, path, func(want, got string) bool { return want == got || want == "*" && got != "" })
}

// strayed answers a path that nothing matches: where only the trailing slash is amiss, FastAPI redirects.
func (s *Sandbox) strayed(r *http.Request, path []string) *answer {
	other, location := append(slices.Clone(path), ""), r.URL.EscapedPath()+"/"
	if path[len(path)-1] == "" {
		other, location = path[:len(path)-1], strings.TrimSuffix(r.URL.EscapedPath(), "/")
	}
	if r.URL.RawQuery != "" {
		location += "?" + r.URL.RawQuery
	}
	if slices.ContainsFunc(s.routes, func(route route) bool { return route.method == r.Method && route.matches(other) }) {
		return &answer{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {location}}}
	}
	return refuse(http.StatusNotFound, "Not Found")
}

// respond answers a request that has a route: organization, rate limit, credentials, and then the endpoint itself.
func (s *Sandbox) respond(c *call) answer {
	if !c.route.freddy && c.path[0] != s.options.Org {
		return *refuse(http.StatusNotFound, "Organization not found")
	}
	bucket := c.route.kind
	if c.route.freddy {
		bucket = freddyBucket
	}
	headers, within := s.limits.hit(bucket, c.route.perMinute)
	a := s.permitted(c, within)
	if a.header == nil {
		a.header = make(http.Header)
	}
	for name, value := range headers {
		a.header.Set(name, value)
	}
	return a
}

func (s *Sandbox) permitted(c *call, withinLimit bool) answer {
	switch {
	case !withinLimit && c.route.freddy:
		return s.freddyRefusal(http.StatusTooManyRequests, "RATE_LIMIT_EXCEEDED", "Rate limit exceeded")
	case !withinLimit:
		return *refuse(http.StatusTooManyRequests, "Too Many Requests")
	case c.route.freddy && c.request.Header.Get("X-Api-Key") != s.secrets.freddyKey:
		return s.freddyRefusal(http.StatusUnauthorized, "INVALID_API_KEY", "The API key is not valid")
	case !c.route.freddy && !c.route.open && !s.tokens.holds(c.request.Header.Get("Authorization")):
		a := *refuse(http.StatusUnauthorized, "Could not validate credentials")
		a.header = http.Header{"Www-Authenticate": {"Bearer"}}
		return a
	}
	return c.route.answer(c)
}

// success is a 200 with a JSON body.
func success(body []byte) answer { return answer{status: http.StatusOK, body: body} }

// refuse is an error as FastAPI shapes it: {"detail": text} (api/amigo.md §4.1).
func refuse(status int, detail string) *answer {
	return &answer{status: status, body: append(appendString([]byte(`{"detail":`), detail), '}')}
}

package sandbox

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What [Options] falls back on, and how far it goes.
const (
	DefaultUsers         = 5000
	DefaultSeed          = 1
	DefaultOrg           = "acme-health"
	DefaultTokenLifetime = time.Hour
	MaxUsers             = 10_000_000
	NoUsers              = -1 // the value of Options.Users for an organization without users
)

// Values of [Options.Dialect]: how the list is paged.
const (
	DialectToken  = "token"  // limit and continuation_token, as the specification says
	DialectOffset = "offset" // limit and offset, as the "Users" page says; nothing but an empty page tells the end
)

// Values of [Options.Items]: what a list item carries.
const (
	ItemsSpec = "spec" // the fields of the specification
	ItemsFull = "full" // these and the five columns of the users table that the specification's list lacks
)

// Values of [Options.Limits]: which rate limits hold.
const (
	LimitsDocumented = "documented" // each endpoint's own, with X-RateLimit headers and 429
	LimitsNone       = "none"
)

// Values of [Options.SQL]: what the SQL endpoint does.
const (
	SQLDisabled = "disabled" // 400, as for an organization that has it switched off
	SQLText     = "text"     // JSON columns come as strings that hold JSON
	SQLNested   = "nested"   // JSON columns come as nested JSON
)

// Options says what to serve. The zero value is DefaultUsers users, as the specification has them, with the SQL endpoint and
// without rate limits, Freddy and faults.
type Options struct {
	Users   int    // users in the list, at most MaxUsers; 0: DefaultUsers; NoUsers: none
	Seed    uint64 // the same seed gives the same population and credentials; 0: DefaultSeed
	Org     string // the organization of the paths; letters, digits, "-", "_" and "."; "": DefaultOrg
	Dialect string // "": DialectToken
	Items   string // "": ItemsSpec
	Limits  string // "": LimitsNone
	SQL     string // "": SQLText
	Freddy  int    // users behind Freddy's endpoints, at most MaxUsers; 0: these endpoints are not there

	TokenLifetime time.Duration    // how long a token holds; 0: DefaultTokenLifetime
	Scenario      *Scenario        // faults and changes; nil: none
	Now           func() time.Time // the clock of tokens, rate limits and writes; nil: time.Now
}

func (o Options) withDefaults() Options {
	if o.Users == 0 {
		o.Users = DefaultUsers
	}
	if o.Seed == 0 {
		o.Seed = DefaultSeed
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = DefaultTokenLifetime
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, d := range []struct {
		field *string
		value string
	}{{&o.Org, DefaultOrg}, {&o.Dialect, DialectToken}, {&o.Items, ItemsSpec}, {&o.Limits, LimitsNone}, {&o.SQL, SQLText}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	return o
}

// orgPattern keeps the organization one plain path segment. The two words are the first segments of Freddy's paths.
var (
	orgPattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	reservedOrgs = []string{"user", "organizations", "health"}
)

func (o Options) validate() error {
	if o.Users < NoUsers || o.Users > MaxUsers {
		return fmt.Errorf("users: %d is not between 0 and %d", o.Users, MaxUsers)
	}
	if o.Freddy < 0 || o.Freddy > MaxUsers {
		return fmt.Errorf("freddy: %d is not between 0 and %d", o.Freddy, MaxUsers)
	}
	if !orgPattern.MatchString(o.Org) || slices.Contains(reservedOrgs, o.Org) {
		return fmt.Errorf("org: %q is not an organization id (letters, digits, \"-\", \"_\", \".\"; not %s)", o.Org, strings.Join(reservedOrgs, ", "))
	}
	if o.TokenLifetime < 0 {
		return fmt.Errorf("token lifetime: %v is negative", o.TokenLifetime)
	}
	for _, c := range []struct {
		field, value string
		allowed      []string
	}{
		{"dialect", o.Dialect, []string{DialectToken, DialectOffset}},
		{"items", o.Items, []string{ItemsSpec, ItemsFull}},
		{"limits", o.Limits, []string{LimitsDocumented, LimitsNone}},
		{"sql", o.SQL, []string{SQLDisabled, SQLText, SQLNested}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("%s: %q is not one of %s", c.field, c.value, strings.Join(c.allowed, ", "))
		}
	}
	if o.Scenario != nil {
		return o.Scenario.validate()
	}
	return nil
}

// Org is the organization served.
func (s *Sandbox) Org() string { return s.options.Org }

// APIKey is the made-up key to sign in with (header x-api-key). It is no secret: it follows from seed and organization.
func (s *Sandbox) APIKey() string { return s.secrets.apiKey }

// APIKeyID is the id of [Sandbox.APIKey] (header x-api-key-id), shaped as a UUID.
func (s *Sandbox) APIKeyID() string { return s.secrets.apiKeyID }

// UserID is the user to sign in as (header x-user-id). It is an administrator and not in the list.
func (s *Sandbox) UserID() string { return s.secrets.userID }

// FreddyKey is the made-up key of Freddy's endpoints (header X-API-Key).
func (s *Sandbox) FreddyKey() string { return s.secrets.freddyKey }

// Exports is how to reach a sandbox served at baseURL, as lines for a shell: `export NAME=value` each. None of the values
// needs quoting. Freddy's two come only where it is served.
func (s *Sandbox) Exports(baseURL string) []string {
	lines := []string{
		"export AMIGO_BASE_URL=" + baseURL,
		"export AMIGO_ORGANIZATION_ID=" + url.PathEscape(s.Org()),
		"export AMIGO_API_KEY=" + s.APIKey(),
		"export AMIGO_API_KEY_ID=" + s.APIKeyID(),
		"export AMIGO_USER_ID=" + s.UserID(),
	}
	if s.options.Freddy > 0 {
		lines = append(lines, "export FREDDY_BASE_URL="+baseURL, "export FREDDY_API_KEY="+s.FreddyKey())
	}
	return lines
}

package extract

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Kind is what a request is for. Requests are counted by kind and limited by endpoint; see [Kind.Endpoint].
type Kind string

// The kinds of requests. They are written to the journal and to metrics, so their text never changes.
const (
	KindList        Kind = "list"         // a page of the user list
	KindLookup      Kind = "lookup"       // the list, narrowed to ids by user_id=
	KindModel       Kind = "model"        // one user's user_model
	KindRole        Kind = "role"         // the roles of an organization
	KindMemory      Kind = "memory"       // one user's memories
	KindSQL         Kind = "sql"          // admin/sql_query
	KindSignIn      Kind = "signin"       // a key for a token; never journalled
	KindFreddyList  Kind = "freddy_list"  // a page of Freddy's users
	KindFreddyBatch Kind = "freddy_batch" // profiles of Freddy's, many at once
	KindFreddyGet   Kind = "freddy_get"   // one profile of Freddy's
)

// Endpoint is the kind under whose limit requests of kind k count: list and look-ups are one endpoint (GET /v1/{org}/user/, api/amigo.md
// §4.2), every other kind of Amigo's is its own. Freddy's are one, whatever organization they are about: its plans limit a key
// (api/freddy.md §7).
func (k Kind) Endpoint() Kind {
	switch k {
	case KindLookup:
		return KindList
	case KindFreddyBatch, KindFreddyGet:
		return KindFreddyList
	}
	return k
}

// Call is a request without its credentials: all that determines the answer, and what the journal keys by.
type Call struct {
	Org    string     // the organization asked, as in the path; for a source without organizations, any constant
	Kind   Kind       // what it is for
	Method string     // GET or POST; a POST must be read-only, for it is repeated like a GET
	Path   string     // absolute and escaped, without the base URL: "/v1/acme/user/a%2Fb/user_model"
	Query  url.Values // may be nil
	Body   []byte     // JSON; may be nil
	Final  []int      // statuses beside 2xx that answer the call, as 403 and 404 do for one user's model; no part of the ID

	// Has tells of a body, by its Answer.Name, that who calls has it from an earlier answer: a recorded answer then comes without. nil: it has none. No
	// part of the ID.
	Has func(name uint64) bool
}

// ID is a stable key of the call: equal for calls that ask the same. It holds the organization, the kind, the method, the path, the
// query (sorted by name, the order within a name kept) and a SHA-256 of the body; no part can run into the next. Final is left out.
func (c Call) ID() string {
	var b strings.Builder
	b.WriteString(url.PathEscape(c.Org))
	for _, s := range []string{string(c.Kind), c.Method, c.Path} {
		b.WriteByte(' ')
		b.WriteString(s)
	}
	if len(c.Query) > 0 {
		b.WriteByte('?')
		b.WriteString(c.Query.Encode())
	}
	if len(c.Body) > 0 {
		sum := sha256.Sum256(c.Body)
		b.WriteString(" sha256:")
		b.WriteString(hex.EncodeToString(sum[:]))
	}
	return b.String()
}

// answeredBy reports whether an answer of that status answers the call.
func (c Call) answeredBy(status int) bool {
	return isSuccess(status) || slices.Contains(c.Final, status)
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }

// Answer is a response received whole.
type Answer struct {
	Status      int       // HTTP status
	ContentType string    // the Content-Type header as it came; may be empty
	Body        []byte    // decoded of any Content-Encoding, otherwise byte for byte; not to be modified
	At          time.Time // when its last byte was received: UTC, whole microseconds; of a replayed answer, when it first was
	Replayed    bool      // it comes from the recorder, and cost no request

	// Name is the recorder's for the Body: its answers of one name, but 0, which names none, have the same bytes.
	Name uint64
}

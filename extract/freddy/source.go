package freddy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// DefaultBaseURL is the address of the current documentation (api/freddy.md §1).
const DefaultBaseURL = "https://api.aitronos.com"

// Connection stands for the organization where none is asked: as [extract.Call.Org], in errors and hooks, and as the scope of users.
const Connection = "freddy"

// Auth sends the key as X-API-Key (api/freddy.md §2). The key is opaque.
func Auth(key extract.Secret) *extract.Static { return extract.HeaderKey("X-API-Key", key) }

// Limits are the requests a minute of the standard plan (api/freddy.md §7), for extract.Options.Limits. The plan limits a key, not an
// endpoint: all kinds count as one, see [extract.Kind.Endpoint].
func Limits() map[extract.Kind]int {
	const standard = 100
	return map[extract.Kind]int{extract.KindFreddyList: standard}
}

// Options say whose users to read.
type Options struct {
	Org string // the organization whose members to read; "" for all users that the key may see
}

// Source reads one connection, or one organization's members. It is safe for concurrent use.
type Source struct {
	c   *extract.Client
	org string

	mu       sync.Mutex
	oneByOne bool // there is no batch endpoint
}

// New makes a source; c does the asking.
func New(c *extract.Client, o Options) *Source { return &Source{c: c, org: o.Org} }

// Org is the organization's id, or Connection.
func (s *Source) Org() string {
	if s.org == "" {
		return Connection
	}
	return s.org
}

// maxTake is the largest page of members that every generation of the API takes (api/freddy.md §6).
const maxTake = 100

// Page asks for one page: of the list (api/freddy.md §3), whose items are known by id, or of the members (§6), known by user_id and at most
// 100 a page. q.Sort is ignored, for the list cannot sort and the members' sort key has two names.
func (s *Source) Page(ctx context.Context, q sweep.Query) (sweep.Page, error) {
	call := extract.Call{
		Org: s.Org(), Kind: extract.KindFreddyList, Method: http.MethodGet, Path: "/v1/user/",
		Query: url.Values{"skip": {strconv.FormatInt(q.Cursor, 10)}, "limit": {strconv.Itoa(q.Limit)}},
	}
	decode := decodeList
	if s.org != "" {
		call.Method, call.Path, call.Query = http.MethodPost, "/v1/organizations/"+segment(s.org)+"/users", nil
		call.Body = fmt.Appendf(nil, `{"skip":%d,"take":%d}`, q.Cursor, min(q.Limit, maxTake))
		decode = decodeMembers
	}
	var p page
	_, err := s.do(ctx, call, func(a extract.Answer) (err error) {
		p, err = decode(a.Body)
		return err
	})
	if err != nil {
		return sweep.Page{}, s.explain(err)
	}
	return sweep.Page{Items: p.items, More: p.more(q.Cursor), Dialect: sweep.Offset}, nil
}

// explain replaces the error that blames an organization where none was asked.
func (s *Source) explain(err error) error {
	var unknown *extract.OrgNotFoundError
	if s.org == "" && errors.As(err, &unknown) {
		return &NotServedError{Host: unknown.Host}
	}
	return err
}

// NotServedError: the host has no user list (404).
type NotServedError struct {
	Host string // the host that was asked
}

func (e *NotServedError) Error() string {
	return "there is no list of users at " + e.Host + " (HTTP 404)"
}

// Hints says what a person can do.
func (e *NotServedError) Hints() []string {
	return []string{"check the base URL: its path ends before /v1, and the current address is " + DefaultBaseURL}
}

// segment makes any string one segment of a path. Ids are opaque and may hold slashes; a "." or ".." would be taken for a step.
func segment(id string) string {
	switch id {
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	return url.PathEscape(id)
}

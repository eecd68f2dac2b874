package amigo

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// Options say which organization to read and how its list pages.
type Options struct {
	Org    string        // the organization's id, as in the API's paths
	Paging sweep.Dialect // sweep.Auto, sweep.Token or sweep.Offset
}

// Source reads one organization. It is safe for concurrent use.
type Source struct {
	c   *extract.Client
	org string

	mu      sync.Mutex
	dialect sweep.Dialect // sweep.Auto until an answer has told
}

// New makes the source of an organization; c does the asking.
func New(c *extract.Client, o Options) *Source {
	return &Source{c: c, org: o.Org, dialect: o.Paging}
}

// Org is the organization's id.
func (s *Source) Org() string { return s.org }

// maxLimit is the largest limit the list takes (api/amigo.md §2.1).
const maxLimit = 100

// Page asks for one page of the list (api/amigo.md §2). A q.Limit over 100 is sent as 100, but to a list known to page by offset, for which no
// bound is documented. With a q.Cursor of 0 neither paging parameter is sent.
func (s *Source) Page(ctx context.Context, q sweep.Query) (sweep.Page, error) {
	limit := q.Limit
	if s.spoken() != sweep.Offset {
		limit = min(limit, maxLimit)
	}
	v := url.Values{"limit": {strconv.Itoa(limit)}}
	if q.Sort != "" {
		v.Set("sort_by", q.Sort)
	}
	var p sweep.Page
	again := false
	has := func(name uint64) bool {
		p, again = q.AgainNamed(name)
		return again
	}
	err := s.list(ctx, extract.KindList, v, q.Cursor, has, func(a extract.Answer) error {
		if again { // then there is no body
			return nil
		}
		if p, again = q.Again(a.Body); again {
			return nil
		}
		e, err := s.decode(a.Body)
		p = sweep.Page{Items: e.rows, More: e.more, Next: e.next, HasNext: e.hasNext, Body: a.Body, Name: a.Name}
		return err
	})
	if err != nil {
		return sweep.Page{}, err
	}
	p.Dialect = s.spoken()
	return p, nil
}

// list asks for users, from the cursor on in whatever dialect is spoken. has is the Call's.
func (s *Source) list(ctx context.Context, kind extract.Kind, v url.Values, cursor int64, has func(name uint64) bool, take func(extract.Answer) error) error {
	if cursor != 0 {
		name := "continuation_token"
		if s.spoken() == sweep.Offset {
			name = "offset"
		}
		v.Set(name, strconv.FormatInt(cursor, 10))
	}
	call := extract.Call{Org: s.org, Kind: kind, Method: http.MethodGet, Path: s.path("user", ""), Query: v, Has: has}
	_, err := s.c.Do(ctx, call, take)
	return err
}

// decode takes a page of users apart.
func (s *Source) decode(body []byte) (envelope, error) {
	e, err := decodeEnvelope(body, "users", "user_id")
	if err == nil {
		s.hear(e)
	}
	return e, err
}

// hear settles the dialect by the first answer, if it was left open.
func (s *Source) hear(e envelope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialect != sweep.Auto {
		return
	}
	s.dialect = sweep.Offset
	if e.hasToken {
		s.dialect = sweep.Token
	}
}

func (s *Source) spoken() sweep.Dialect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialect
}

// path is the escaped path of segments below the organization. A last segment "" gives the trailing slash that some endpoints have and others
// have not (api/amigo.md §1.1).
func (s *Source) path(segments ...string) string {
	return orgPath(s.org, segments...)
}

func orgPath(org string, segments ...string) string {
	p := "/v1/" + escape(org)
	for _, seg := range segments {
		p += "/" + escape(seg)
	}
	return p
}

// escape makes any string one segment of a path. Identifiers are opaque and may hold slashes; a "." or ".." would be taken for a step.
func escape(segment string) string {
	switch segment {
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	return url.PathEscape(segment)
}

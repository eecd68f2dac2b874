package amigo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	json "github.com/goccy/go-json"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/internal/jsontext"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// ErrForbidden: the permission for what was asked is missing (403).
var ErrForbidden = errors.New("forbidden")

// ErrGone: the user is not known any more (404).
var ErrGone = errors.New("gone")

// ModelState is what came of asking for a user's model.
type ModelState uint8

// The outcomes, each final: none of them is an error, and asking again now would give the same.
const (
	Fetched   ModelState = 1 + iota // Model.Raw has it
	Forbidden                       // 403: the caller may not read this user's model (api/amigo.md §3.6)
	Gone                            // 404: the user is not known any more
)

// Model is the answer about one user's model.
type Model struct {
	State ModelState
	Raw   []byte    // {"user_models": [...], "additional_context": [...]} as it came; nil unless State is Fetched
	At    time.Time // when the answer was received: UTC, whole microseconds
}

// Model asks for a user's personalization models and context (api/amigo.md §3.6). userID may be any string.
func (s *Source) Model(ctx context.Context, userID string) (Model, error) {
	call := extract.Call{
		Org: s.org, Kind: extract.KindModel, Method: http.MethodGet, Path: s.path("user", userID, "user_model"),
		Final: []int{http.StatusForbidden, http.StatusNotFound},
	}
	a, err := s.c.Do(ctx, call, func(a extract.Answer) error {
		if a.Status == http.StatusForbidden || a.Status == http.StatusNotFound {
			return nil
		}
		return checkModel(a.Body)
	})
	if err != nil {
		return Model{}, err
	}
	switch a.Status {
	case http.StatusForbidden:
		return Model{State: Forbidden, At: a.At}, nil
	case http.StatusNotFound:
		return Model{State: Gone, At: a.At}, nil
	}
	return Model{State: Fetched, Raw: a.Body, At: a.At}, nil
}

// checkModel accepts an object with at least one of its two keys. Both are required, but what is missing costs a column, not the user.
func checkModel(body []byte) error {
	s := jsontext.Scan(body)
	if s.Peek() != '{' && jsontext.Valid(body) {
		return errors.New("JSON that is not an object")
	}
	found := false
	s.Object(func(key []byte) {
		found = found || jsontext.Names(key, "user_models") || jsontext.Names(key, "additional_context")
		s.Value()
	})
	if !s.Whole() { // only now it is known: the walk is what checks
		return fmt.Errorf("%d bytes that are not JSON, or not all of it", len(body))
	}
	if !found {
		return errors.New("an object without user_models and additional_context")
	}
	return nil
}

// maxMemories is the largest limit of the memories (api/amigo.md §3.7).
const maxMemories = 50

// Memories asks for all memories of a user, page by page (api/amigo.md §3.7); each comes as its bytes came. Without permission the error is
// ErrForbidden, for a user who is not known any more ErrGone.
func (s *Source) Memories(ctx context.Context, userID string) ([]json.RawMessage, error) {
	var all []json.RawMessage
	used := make(map[int64]bool)
	for cursor := int64(0); !used[cursor]; {
		used[cursor] = true
		v := url.Values{"limit": {strconv.Itoa(maxMemories)}}
		if cursor != 0 {
			v.Set("continuation_token", strconv.FormatInt(cursor, 10))
		}
		e, err := s.rows(ctx, extract.Call{
			Org: s.org, Kind: extract.KindMemory, Method: http.MethodGet, Path: s.path("user", userID, "memory"), Query: v,
			Final: []int{http.StatusForbidden, http.StatusNotFound},
		}, "memories")
		if err != nil {
			return nil, err
		}
		for _, r := range e.rows {
			all = append(all, r.Raw)
		}
		if e.more == sweep.No || !e.hasNext {
			return all, nil
		}
		cursor = e.next
	}
	return nil, fmt.Errorf("the memories of a user of %s do not end: the continuation token repeats", s.org)
}

// Roles asks for the organization's roles, which give the role ids of users their names (api/amigo.md §3.10). There is one page. Without
// permission the error is ErrForbidden; where the API has no such list it is ErrGone, which an unknown organization looks like too.
func (s *Source) Roles(ctx context.Context) ([]json.RawMessage, error) {
	e, err := s.rows(ctx, extract.Call{
		Org: s.org, Kind: extract.KindRole, Method: http.MethodGet, Path: s.path("role", ""),
		Final: []int{http.StatusForbidden, http.StatusNotFound},
	}, "roles")
	if err != nil {
		return nil, err
	}
	roles := make([]json.RawMessage, len(e.rows))
	for i, r := range e.rows {
		roles[i] = r.Raw
	}
	return roles, nil
}

// rows asks for an envelope of rows that have no key of their own.
func (s *Source) rows(ctx context.Context, call extract.Call, array string) (envelope, error) {
	var e envelope
	a, err := s.c.Do(ctx, call, func(a extract.Answer) (err error) {
		if a.Status == http.StatusForbidden || a.Status == http.StatusNotFound {
			return nil
		}
		e, err = decodeEnvelope(a.Body, array, "")
		return err
	})
	switch {
	case err != nil:
		return envelope{}, err
	case a.Status == http.StatusForbidden:
		return envelope{}, fmt.Errorf("%s of %s: %w", array, s.org, ErrForbidden)
	case a.Status == http.StatusNotFound:
		return envelope{}, fmt.Errorf("%s of %s: %w", array, s.org, ErrGone)
	}
	return e, nil
}

package amigosql

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// Options say what to read.
type Options struct {
	Org string // the organization's id, as in the API's paths
	// Complement asks for no more than what the list of package amigo lacks: rows have _id, region_name and updated_at, and user_id.
	Complement bool
	AllowEmpty bool // an empty table may be certified
	Hooks      sweep.Hooks
}

// Source reads the users of one organization. It is safe for concurrent use.
type Source struct {
	c       *extract.Client
	o       Options
	columns []string
}

// New makes the source of an organization; c does the asking. Its limits are those of package amigo.
func New(c *extract.Client, o Options) *Source {
	s := &Source{c: c, o: o, columns: allColumns}
	if o.Complement {
		s.columns = complement
	}
	return s
}

// Org is the organization's id.
func (s *Source) Org() string { return s.o.Org }

var (
	errTimedOut = errors.New("the query took too long") // longer than the server grants, 30 seconds (api/amigo.md §3.11)
	errNotTaken = errors.New("the query is not taken")
)

// rows asks a query for rows. Of the final statuses a time-out is errTimedOut, a bad request errNotTaken; where they are not final they are
// faults like any other.
func (s *Source) rows(ctx context.Context, query string, final []int) (answer, error) {
	var a answer
	status, err := s.post(ctx, query, final, func(body []byte) (err error) {
		a, err = decodeRows(body, s.columns)
		return err
	})
	switch {
	case err != nil:
		return answer{}, err
	case status == http.StatusRequestTimeout:
		return answer{}, errTimedOut
	case status == http.StatusBadRequest:
		return answer{}, errNotTaken
	}
	return a, nil
}

// count asks how many rows a stretch of the table has.
func (s *Source) count(ctx context.Context, in stretch) (int64, error) {
	var n int64
	_, err := s.post(ctx, countQuery(in), nil, func(body []byte) (err error) {
		n, err = decodeCount(body)
		return err
	})
	return n, err
}

// post sends a query (api/amigo.md §3.11). It is read-only, whatever the method says, and may be repeated.
func (s *Source) post(ctx context.Context, query string, final []int, take func(body []byte) error) (status int, err error) {
	body, err := requestBody(query)
	if err != nil {
		return 0, err
	}
	call := extract.Call{
		Org: s.o.Org, Kind: extract.KindSQL, Method: http.MethodPost, Path: "/v1/" + url.PathEscape(s.o.Org) + "/admin/sql_query", Body: body, Final: final,
	}
	a, err := s.c.Do(ctx, call, func(a extract.Answer) error {
		if a.Status >= http.StatusMultipleChoices {
			return nil
		}
		return take(a.Body)
	})
	return a.Status, s.explain(err)
}

func requestBody(query string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		Query string `json:"sql_query"`
		Async bool   `json:"async_query"`
	}{query, false})
	if err != nil {
		return nil, fmt.Errorf("encode a query: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// explain adds what a refusal means here.
func (s *Source) explain(err error) error {
	var refused *extract.RefusedError
	var unavailable *extract.UnavailableError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden && refused.Kind == extract.KindSQL:
		return &QueryError{Org: s.o.Org, Status: refused.Status, err: err}
	case errors.As(err, &unavailable) && unavailable.Status == http.StatusBadRequest:
		return &QueryError{Org: s.o.Org, Status: unavailable.Status, err: err}
	}
	return err
}

// QueryError: the endpoint refuses the query, or all queries.
type QueryError struct {
	Org    string
	Status int // 400: not enabled for the organization, or not to its taste; 403: privileges are missing; 404: there is no such endpoint

	err error
}

func (e *QueryError) Error() string {
	return fmt.Sprintf("the SQL endpoint of %s refuses the query (HTTP %d)", e.Org, e.Status)
}

// Unwrap gives the client's error: a 403 is an *extract.RefusedError.
func (e *QueryError) Unwrap() error { return e.err }

// Hints says what a person can do.
func (e *QueryError) Hints() []string {
	instead := "--source amigo reads the user list instead"
	if e.Status == http.StatusForbidden {
		return []string{"SQL needs more privileges than DefaultAdministratorRole has; sign in as a user who has them", instead}
	}
	return []string{"SQL is perhaps not enabled for the organization; Amigo does that on request", instead}
}

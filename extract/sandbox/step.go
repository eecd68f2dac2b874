package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// verb is what there is to know of a Do: the fields it takes, those it needs, and whether it is about pages of a list.
type verb struct {
	takes, needs []string
	pages        bool
}

var verbs = map[string]verb{
	DoStatus:    {takes: []string{"status", "headers", "body", "retry_after", "retry_after_as", "reset_in"}, needs: []string{"status"}},
	DoHTML:      {},
	DoEmptyBody: {},
	DoNullBody:  {},
	DoReset:     {},
	DoHeaders:   {takes: []string{"headers", "retry_after", "retry_after_as", "reset_in"}},
	DoCutJSON:   {}, DoTruncate: {}, DoResetMid: {},
	DoDrip:           {takes: []string{"takes"}, needs: []string{"takes"}},
	DoDelay:          {takes: []string{"takes"}, needs: []string{"takes"}},
	DoLoop:           {pages: true},
	DoEmptyPage:      {pages: true},
	DoIgnoreOffset:   {pages: true},
	DoDuplicatePage:  {pages: true},
	DoClamp:          {takes: []string{"rows"}, needs: []string{"rows"}, pages: true},
	DoExpireTokens:   {},
	DoLosePermission: {takes: []string{"share"}, needs: []string{"share"}},
	DoInsert:         {takes: []string{"users", "where"}, needs: []string{"where"}},
	DoDelete:         {takes: []string{"users", "where"}, needs: []string{"where"}},
	DoChange:         {takes: []string{"users", "where"}},
	DoMove:           {takes: []string{"users", "where"}, needs: []string{"where"}},
}

var endpoints = []string{KindAny, KindSignIn, KindMagicLink, KindList, KindLookup, KindSearch, KindModel, KindMemory, KindCreate, KindUpdate,
	KindDelete, KindVariables, KindRole, KindAssign, KindDimensions, KindSQL, KindFreddyList, KindFreddyGet, KindFreddyBatch,
	KindFreddyDeleted, KindFreddyMembers}

func (s *Scenario) validate() error {
	if len(s.Steps) == 0 {
		return errors.New("scenario: steps: there are none")
	}
	for i := range s.Steps {
		if err := s.Steps[i].validate(); err != nil {
			return fmt.Errorf("scenario: steps[%d].%w", i, err)
		}
	}
	return nil
}

func (s *Step) validate() error {
	v, known := verbs[s.Do]
	if !known {
		return fmt.Errorf("do: %q is not one of %s", s.Do, strings.Join(slices.Sorted(maps.Keys(verbs)), ", "))
	}
	if !slices.Contains(endpoints, s.Endpoint) {
		return fmt.Errorf("endpoint: %q is not one of %s", s.Endpoint, strings.Join(endpoints, ", "))
	}
	if v.pages && !slices.Contains([]string{KindAny, KindList, KindLookup, KindFreddyList}, s.Endpoint) {
		return fmt.Errorf("endpoint: %q has no pages for do: %s", s.Endpoint, s.Do)
	}
	given := s.given()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(v.takes, name) {
			return fmt.Errorf("%s: %s means nothing with do: %s", name, given[name], s.Do)
		}
	}
	for _, name := range v.needs {
		if _, there := given[name]; !there {
			return fmt.Errorf("%s: do: %s needs it", name, s.Do)
		}
	}
	if err := s.validateWhen(); err != nil {
		return err
	}
	return s.validateValues()
}

// given is the fields beside endpoint, do and the ordinals that say something, with their values for a message.
func (s *Step) given() map[string]string {
	given := make(map[string]string)
	note := func(name string, there bool, value string) {
		if there {
			given[name] = value
		}
	}
	duration := func(name string, d *time.Duration) {
		if d != nil {
			given[name] = d.String()
		}
	}
	note("status", s.Status != 0, strconv.Itoa(s.Status))
	note("headers", s.Headers != nil, fmt.Sprint(s.Headers))
	if s.Body != nil {
		given["body"] = strconv.Quote(*s.Body)
	}
	duration("retry_after", s.RetryAfter)
	note("retry_after_as", s.RetryAfterAs != "", strconv.Quote(s.RetryAfterAs))
	duration("reset_in", s.ResetIn)
	note("takes", s.Takes != 0, s.Takes.String())
	note("share", s.Share != 0, strconv.FormatFloat(s.Share, 'g', -1, 64))
	note("users", s.Users != 0, strconv.Itoa(s.Users))
	note("where", s.Where != "", strconv.Quote(s.Where))
	note("rows", s.Rows != 0, strconv.Itoa(s.Rows))
	return given
}

// validateWhen checks the ordinals.
func (s *Step) validateWhen() error {
	for i, n := range s.At {
		if n < 1 {
			return fmt.Errorf("at[%d]: %d: requests are counted from 1", i, n)
		}
	}
	switch {
	case s.At != nil && len(s.At) == 0:
		return errors.New("at: [] is no request at all")
	case s.First < 0:
		return fmt.Errorf("first: %d: requests are counted from 1", s.First)
	case s.Times < 0:
		return fmt.Errorf("times: %d is negative", s.Times)
	case s.At != nil && s.First != 0:
		return fmt.Errorf("first: %d: at says already when", s.First)
	case s.At != nil && s.Times != 0:
		return fmt.Errorf("times: %d: at says already when", s.Times)
	}
	return nil
}

// How far a step's count and wait may go: beyond it there is a mistake in the file.
const (
	mostUsers = 100_000
	mostWait  = time.Hour
)

func (s *Step) validateValues() error {
	switch {
	case s.Status != 0 && (s.Status < 200 || s.Status > 599):
		return fmt.Errorf("status: %d is not between 200 and 599", s.Status)
	case !slices.Contains([]string{"", AsSeconds, AsDate}, s.RetryAfterAs):
		return fmt.Errorf("retry_after_as: %q is not one of %s, %s", s.RetryAfterAs, AsSeconds, AsDate)
	case s.RetryAfterAs != "" && s.RetryAfter == nil:
		return fmt.Errorf("retry_after_as: %q means nothing without retry_after", s.RetryAfterAs)
	case s.Takes < 0 || s.Takes > mostWait:
		return fmt.Errorf("takes: %v is not between 0s and %v", s.Takes, mostWait)
	case s.Share < 0 || s.Share > 1:
		return fmt.Errorf("share: %v is not between 0 and 1", s.Share)
	case s.Users < 0 || s.Users > mostUsers:
		return fmt.Errorf("users: %d is not between 1 and %d", s.Users, mostUsers)
	case !slices.Contains([]string{"", Before, After}, s.Where):
		return fmt.Errorf("where: %q is not one of %s, %s", s.Where, Before, After)
	case s.Rows < 0:
		return fmt.Errorf("rows: %d is negative", s.Rows)
	case s.Do == DoHeaders && s.Headers == nil && s.RetryAfter == nil && s.ResetIn == nil:
		return fmt.Errorf("headers: do: %s needs headers, retry_after or reset_in", DoHeaders)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		if !headerName.MatchString(name) {
			return fmt.Errorf("headers: %q is not a header's name", name)
		}
		if strings.ContainsAny(s.Headers[name], "\r\n") {
			return fmt.Errorf("headers: %s: %q has a line break", http.CanonicalHeaderKey(name), s.Headers[name])
		}
	}
	return nil
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// hits says whether the step happens at a request: its kind, its ordinal among that kind's and its ordinal among all.
func (s *Step) hits(kind string, ofKind, ofAll int) bool {
	n := ofKind
	switch s.Endpoint {
	case KindAny:
		n = ofAll
	case kind:
	default:
		return false
	}
	if s.At != nil {
		return slices.Contains(s.At, n)
	}
	first := max(s.First, 1)
	return n >= first && (s.Times == 0 || n < first+s.Times)
}

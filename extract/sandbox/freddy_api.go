package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	freddyBucket    = "freddy" // one limit for all of Freddy's endpoints
	freddyPerMinute = 100      // the standard plan (api/freddy.md §7)
	maxFreddyPage   = 100      // what a larger limit is clamped to without a word; the API's own maximum is not known
	maxMembers      = 100
	defaultMembers  = 10
)

func (s *Sandbox) freddyTable() []route {
	freddy := func(kind, method, path string, answer func(*call) answer) route {
		return route{kind: kind, method: method, path: strings.Split(path, "/"), perMinute: freddyPerMinute, freddy: true, answer: answer}
	}
	return []route{
		freddy(KindFreddyList, http.MethodGet, "user/", s.freddyUsers),
		freddy(KindFreddyDeleted, http.MethodGet, "user/deleted", s.freddyDeleted),
		freddy(KindFreddyGet, http.MethodGet, "user/*", s.freddyProfile),
		freddy(KindFreddyBatch, http.MethodPost, "user/batch", s.freddyBatch),
		freddy(KindFreddyMembers, http.MethodPost, "organizations/*/users", s.freddyMembers),
	}
}

// freddyUsers is GET /v1/user/: a bare array of thin items (api/freddy.md §3).
func (s *Sandbox) freddyUsers(c *call) answer {
	q := parameters{call: c}
	skip := q.number("skip", 0, 0, -1)
	limit := q.number("limit", maxFreddyPage, 1, -1)
	activeOnly := q.flag("active_only")
	if q.any() {
		return q.answer()
	}
	s.population.Lock()
	defer s.population.Unlock()
	if c.faults.has(DoIgnoreOffset) {
		skip = 0
	}
	rows := s.freddy.list.order
	if activeOnly {
		rows = s.freddy.those(func(u *freddyUser) bool { return u.active })
	}
	page := cut(rows, skip, min(limit, maxFreddyPage))
	c.faults.shape(&page, rows, s.script.freddyLastPage)
	s.script.freddyLastPage = slices.Clone(page.rows)
	return success(s.freddy.appendThin(nil, page.rows))
}

// those is the living who are so.
func (f *freddy) those(so func(*freddyUser) bool) []handle {
	var rows []handle
	for _, h := range f.list.order {
		if so(f.list.at(h)) {
			rows = append(rows, h)
		}
	}
	return rows
}

func (f *freddy) appendThin(b []byte, rows []handle) []byte {
	return appendList(b, rows, func(b []byte, h handle) []byte { return f.list.at(h).appendThin(b) })
}

// freddyDeleted is GET /v1/user/deleted: the users who went, in the order they had come.
func (s *Sandbox) freddyDeleted(c *call) answer {
	q := parameters{call: c}
	skip := q.number("skip", 0, 0, -1)
	limit := q.number("limit", maxFreddyPage, 1, -1)
	if q.any() {
		return q.answer()
	}
	s.population.RLock()
	defer s.population.RUnlock()
	gone := make([]handle, 0, len(s.freddy.list.gone))
	for h := range s.freddy.list.gone {
		gone = append(gone, h)
	}
	slices.Sort(gone)
	return success(s.freddy.appendThin(nil, cut(gone, skip, min(limit, maxFreddyPage)).rows))
}

// freddyProfile is GET /v1/user/{id} (api/freddy.md §4).
func (s *Sandbox) freddyProfile(c *call) answer {
	id := c.path[1]
	if !strings.HasPrefix(id, freddyPrefix) {
		var bad problems
		bad.add("string_pattern_mismatch", "String should match pattern '^"+freddyPrefix+"'", "path", "user_id")
		return bad.answer()
	}
	s.population.RLock()
	defer s.population.RUnlock()
	h, ok := s.freddy.byID(id)
	if !ok {
		return s.freddyRefusal(http.StatusNotFound, "RESOURCE_NOT_FOUND", "User not found")
	}
	return success(s.freddy.list.at(h).appendProfile(nil))
}

// freddyBatch is POST /v1/user/batch: the profiles of those who are there, unknown ids left out without a word.
func (s *Sandbox) freddyBatch(c *call) answer {
	body, bad := readBody(c)
	ids, _ := body.texts("user_ids", required, -1)
	if bad.any() {
		return bad.answer()
	}
	s.population.RLock()
	defer s.population.RUnlock()
	var rows []handle
	for _, id := range ids {
		if h, ok := s.freddy.byID(id); ok {
			rows = append(rows, h)
		}
	}
	b := appendList([]byte(`{"users":`), rows, func(b []byte, h handle) []byte { return s.freddy.list.at(h).appendProfile(b) })
	b = strconv.AppendInt(append(b, `,"total":`...), int64(len(rows)), 10)
	return success(append(appendStrings(append(b, `,"requested_ids":`...), ids), '}'))
}

// freddyMembers is POST /v1/organizations/{id}/users (api/freddy.md §6).
func (s *Sandbox) freddyMembers(c *call) answer {
	if len(c.body) == 0 {
		c.body = []byte("{}") // every field has a default
	}
	body, bad := readBody(c)
	skip := body.number("skip", 0, 0, -1)
	take := body.number("take", defaultMembers, 1, maxMembers)
	term, _ := body.text("search_term", nullable)
	if bad.any() {
		return bad.answer()
	}
	s.population.RLock()
	defer s.population.RUnlock()
	if !slices.Contains(s.freddy.orgs, c.path[1]) {
		return s.freddyRefusal(http.StatusForbidden, "ORGANIZATION_ACCESS_DENIED", "No access to this organization")
	}
	term = strings.ToLower(term)
	rows := s.freddy.those(func(u *freddyUser) bool {
		return u.org != nil && *u.org == c.path[1] && strings.Contains(strings.ToLower(u.email), term)
	})
	page := cut(rows, skip, take)
	b := appendList([]byte(`{"users":`), page.rows, func(b []byte, h handle) []byte { return s.freddy.list.at(h).appendMember(b) })
	b = strconv.AppendInt(append(b, `,"total_users_count":`...), int64(len(rows)), 10)
	b = strconv.AppendInt(append(b, `,"skip":`...), int64(skip), 10)
	b = strconv.AppendInt(append(b, `,"take":`...), int64(take), 10)
	return success(append(b, '}'))
}

package sandbox

import (
	"slices"
	"strconv"
	"strings"
)

// maxPage is the most a page of the list holds, and what it holds unless told otherwise (api/amigo.md §2.1).
const maxPage = 100

// listUsers is GET user/: a page of the list, or of those with given ids or addresses.
func (s *Sandbox) listUsers(c *call) answer {
	q := parameters{call: c}
	cursor := "continuation_token"
	if s.options.Dialect == DialectOffset {
		cursor = "offset"
	}
	limit := q.number("limit", maxPage, 0, maxPage)
	skip := q.number(cursor, 0, 0, -1)
	keys := q.sorting(sortFields)
	ids, emails := q.texts("user_id"), q.texts("email", isEmail)
	if q.any() {
		return q.answer()
	}
	s.population.Lock()
	defer s.population.Unlock()
	if c.faults.has(DoIgnoreOffset) {
		skip = 0
	}
	rows := s.people.sorted(keys)
	if c.kind == KindLookup {
		rows = s.people.find(ids, emails, keys)
	}
	page := cut(rows, skip, limit)
	c.faults.shape(&page, rows, s.script.lastPage)
	if c.kind == KindList {
		s.script.lastPage = slices.Clone(page.rows)
	}
	return success(s.appendPage(nil, page))
}

// page is a stretch of a list on its way out.
type page struct {
	rows  []handle
	skip  int // where it begins
	limit int // how many were asked for
	next  int // the cursor of the page after it
	more  bool
}

func cut(rows []handle, skip, limit int) page {
	from := min(skip, len(rows))
	to := min(from+limit, len(rows))
	return page{rows: rows[from:to], skip: skip, limit: limit, next: skip + to - from, more: to < len(rows)}
}

// appendPage appends the envelope of the list in the sandbox's dialect: the specification's (api/amigo.md §2.2), or that of
// the "Users" page, which says nothing of an end.
func (s *Sandbox) appendPage(b []byte, p page) []byte {
	items := shapeList
	if s.options.Items == ItemsFull {
		items = shapeFull
	}
	b = s.appendUsers(append(b, '{'), p.rows, items)
	if s.options.Dialect == DialectToken {
		b = appendBool(append(b, `,"has_more":`...), p.more)
		b = append(b, `,"continuation_token":`...)
		if p.more {
			b = strconv.AppendInt(b, int64(p.next), 10)
		} else {
			b = append(b, "null"...)
		}
	}
	return append(b, '}')
}

func (s *Sandbox) appendUsers(b []byte, rows []handle, items shape) []byte {
	return appendList(append(b, `"users":`...), rows, func(b []byte, h handle) []byte {
		return s.people.list.at(h).appendItem(b, s.options.Org, items)
	})
}

// find is those of the living who have one of the ids and one of the addresses; where either is empty, any will do.
func (p *people) find(ids, emails []string, keys []sortKey) []handle {
	found := make(map[handle]struct{})
	if len(ids) > 0 {
		for _, id := range ids {
			if h, ok := p.byID(id); ok && (len(emails) == 0 || slices.Contains(emails, p.identity(h).email)) {
				found[h] = struct{}{}
			}
		}
	} else {
		for _, email := range emails {
			if h, ok := p.byEmail(email); ok {
				found[h] = struct{}{}
			}
		}
	}
	rows := make([]handle, 0, len(found))
	for h := range found {
		rows = append(rows, h)
	}
	slices.SortFunc(rows, func(a, b handle) int { return p.compare(keys, a, b) })
	return rows
}

// maxFound bounds a search; the API's own bound is not known (api/amigo.md §3.4).
const maxFound = 100

// searchUsers is GET user/search/: those whose name or address holds the text, whatever its case.
func (s *Sandbox) searchUsers(c *call) answer {
	q := parameters{call: c}
	if !c.query.Has("query") {
		q.add("missing", "Field required", "query", "query")
	}
	ids := q.texts("user_id")
	if q.any() {
		return q.answer()
	}
	text := strings.ToLower(c.query.Get("query"))
	s.population.RLock()
	defer s.population.RUnlock()
	var rows []handle
	for _, h := range s.people.list.order {
		who := s.people.identity(h)
		if len(ids) > 0 && !slices.Contains(ids, who.id) {
			continue
		}
		if strings.Contains(strings.ToLower(who.first+" "+who.last+" "+who.email), text) {
			rows = append(rows, h)
		}
		if len(rows) == maxFound {
			break
		}
	}
	return success(append(s.appendUsers([]byte{'{'}, rows, shapeSearch), '}'))
}

package sandbox

import (
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// maxSQLRows is the most rows of one answer (api/amigo.md §3.11).
const maxSQLRows = 1000

// sqlColumn is one of the twelve columns of the users table.
type sqlColumn struct {
	name string
	kind string // the type as columns[].type says it, where JSON comes as text
	json string // the type where JSON comes nested; "" for a column that is no JSON
	cell func(b []byte, org string, p *person) []byte
}

var sqlColumns = []sqlColumn{
	{"_id", "STRING", "", func(b []byte, _ string, p *person) []byte { return appendString(b, p.mongoID) }},
	{"additional_context", "STRING", "ARRAY<STRING>", func(b []byte, _ string, p *person) []byte { return appendStrings(b, p.context) }},
	{"email", "STRING", "", func(b []byte, _ string, p *person) []byte { return appendString(b, p.email) }},
	{"first_name", "STRING", "", func(b []byte, _ string, p *person) []byte { return appendString(b, p.first) }},
	{"last_name", "STRING", "", func(b []byte, _ string, p *person) []byte { return appendString(b, p.last) }},
	{"org_id", "STRING", "", func(b []byte, org string, _ *person) []byte { return appendString(b, org) }},
	{"preferences", "STRING", "STRUCT", func(b []byte, _ string, p *person) []byte { return p.appendPreferences(b, true) }},
	{"region_name", "STRING", "", func(b []byte, _ string, _ *person) []byte { return appendString(b, regionName) }},
	{"role", "STRING", "", func(b []byte, _ string, p *person) []byte { return appendString(b, p.role) }},
	{"updated_at", "TIMESTAMP", "", func(b []byte, _ string, p *person) []byte { return appendString(b, sqlTime(p.updatedAt)) }},
	{"user_id", "STRING", "", func(b []byte, _ string, p *person) []byte { return appendString(b, p.id) }},
	{"user_models", "STRING", "ARRAY<STRUCT>", func(b []byte, _ string, p *person) []byte { return p.appendModels(b, true) }},
}

func sqlColumnNamed(name string) (sqlColumn, bool) {
	i := slices.IndexFunc(sqlColumns, func(c sqlColumn) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return sqlColumn{}, false
	}
	return sqlColumns[i], true
}

// sqlTime is a time as the SQL endpoint renders it: UTC, at most microseconds (api/amigo.md §3.11).
func sqlTime(text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return at.UTC().Format("2006-01-02T15:04:05.999999Z")
}

// sqlQuery is POST admin/sql_query (api/amigo.md §3.11), for the queries that parseSQL knows.
func (s *Sandbox) sqlQuery(c *call) answer {
	body, bad := readBody(c)
	text, _ := body.text("sql_query", required, atLeast(1))
	if async, given := body.flag("async_query", required); given && async {
		body.add("literal_error", "Input should be false", "async_query")
	}
	if bad.any() {
		return bad.answer()
	}
	if s.options.SQL == SQLDisabled {
		return *refuse(http.StatusBadRequest, "SQL queries are not supported in this environment")
	}
	q, err := parseSQL(text)
	if err != nil {
		return *refuse(http.StatusBadRequest, "query failed: "+err.Error())
	}
	s.population.Lock()
	defer s.population.Unlock()
	rows := s.people.matching(q)
	if q.count {
		b := strconv.AppendInt([]byte(`{"execution_time_ms":3,"result":[[`), int64(len(rows)), 10)
		b = appendString(append(b, `]],"truncated":false,"columns":[{"name":`...), q.countAs)
		return success(append(b, `,"type":"BIGINT"}]}`...))
	}
	return success(s.appendResult(q, rows))
}

// matching is the living whom a query is about, one more than are given out, so that it is known whether any are left.
func (p *people) matching(q sqlSelect) []handle {
	most := len(p.list.order)
	if !q.count {
		most = min(most, q.limit, maxSQLRows+1)
	}
	rows := p.list.order
	if q.ordered {
		rows = p.sorted([]sortKey{{fieldID, q.descending}})
	}
	if from, ok := q.from(); ok && q.ordered && !q.descending {
		rows = rows[sort.Search(len(rows), func(i int) bool { return p.identity(rows[i]).id >= from }):]
	}
	if q.count && len(q.where) == 0 {
		return rows
	}
	found := make([]handle, 0, most)
	for _, h := range rows {
		if len(found) == most {
			break
		}
		if !slices.ContainsFunc(q.where, func(c sqlCondition) bool { return !c.holds(p.text(h, c.column)) }) {
			found = append(found, h)
		}
	}
	return found
}

// text is what a column that conditions can be about holds for one of the living.
func (p *people) text(h handle, column string) string {
	switch column {
	case "user_id":
		return p.identity(h).id
	case "email":
		return p.identity(h).email
	case "first_name":
		return p.identity(h).first
	case "last_name":
		return p.identity(h).last
	case "org_id":
		return p.org
	case "region_name":
		return regionName
	case "role":
		return p.list.at(h).role
	default:
		return p.list.at(h).mongoID
	}
}

// appendResult appends rows as the endpoint answers them: cells by position, with names and types beside them.
func (s *Sandbox) appendResult(q sqlSelect, rows []handle) []byte {
	truncated := len(rows) > maxSQLRows
	nested := s.options.SQL == SQLNested
	b := appendList([]byte(`{"execution_time_ms":3,"result":`), rows[:min(len(rows), maxSQLRows)], func(b []byte, h handle) []byte {
		p := s.people.list.at(h)
		return appendList(b, q.columns, func(b []byte, c sqlColumn) []byte {
			if c.json == "" || nested {
				return c.cell(b, s.options.Org, p)
			}
			if text := string(c.cell(nil, s.options.Org, p)); text != "null" {
				return appendString(b, text)
			}
			return append(b, "null"...)
		})
	})
	b = appendBool(append(b, `,"truncated":`...), truncated)
	b = appendList(append(b, `,"columns":`...), q.columns, func(b []byte, c sqlColumn) []byte {
		kind := c.kind
		if nested && c.json != "" {
			kind = c.json
		}
		b = appendString(append(b, `{"name":`...), c.name)
		return append(appendString(append(b, `,"type":`...), kind), '}')
	})
	return append(b, '}')
}

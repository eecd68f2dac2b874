package amigosql

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const org = "acme-health"

// person is a row of the engine's table. nobody has no user_id.
type person struct {
	id       string
	nobody   bool
	revision int
}

// cell is what a column holds, as JSON; "null" for NULL.
func (p *person) cell(column string, nested bool) string {
	document := ""
	switch column {
	case "user_id":
		if p.nobody {
			return "null"
		}
		return quoted(p.id)
	case "additional_context":
		document = `[ "Name: value",1e400]`
	case "preferences":
		document = `{"n" : 9007199254740993,"n":"\ud83d\u00e9"}`
	case "user_models":
		return "null"
	case "updated_at":
		return fmt.Sprintf(`"2025-01-20T12:34:56.%06dZ"`, p.revision)
	default:
		return quoted(column + " of " + p.id)
	}
	if nested {
		return document
	}
	return quoted(document)
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// engine is a table behind the SQL endpoint. It shares no code with the source. The zero value behaves; its fields are ways not to.
type engine struct {
	mu    sync.Mutex
	table []*person
	log   []string
	n     int // queries so far

	sorted []*person // the table in order; nil after a change

	nested, nullsFirst, textCount bool
	foldCase, unordered, unheeded bool // compare without case; give rows in any order; ignore conditions
	most                          int  // rows of an answer; 0: 1,000
	mute, lie                     bool // do not say truncated; say that no answer is
	slow, large                   int  // LIMIT above which a query takes too long, or its answer is over the cap; 0: none
	strict                        bool // IS NULL is a 400
	before                        func(n int)
	intercept                     func(n int) (status int, body string) // status 0: go on
	born, died                    map[string]int                        // the queries before which users came and went
	everAlive                     map[string]bool
	columns                       []string // of the answer, if other than asked for
}

func (e *engine) compare(a, b string) int {
	if e.foldCase {
		a, b = strings.ToLower(a), strings.ToLower(b)
	}
	return strings.Compare(a, b)
}

// insert and remove change the table; they are for before.
func (e *engine) insert(id string) {
	e.table, e.sorted = append(e.table, &person{id: id}), nil
	e.everAlive[id] = true
	e.born[id] = e.n
}

func (e *engine) remove(i int) {
	e.died[e.table[i].id] = e.n
	e.table, e.sorted = slices.Delete(e.table, i, i+1), nil
}

func newEngine(ids ...string) *engine {
	e := &engine{born: map[string]int{}, died: map[string]int{}, everAlive: map[string]bool{}}
	for _, id := range ids {
		e.table = append(e.table, &person{id: id})
		e.everAlive[id] = true
	}
	return e
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Query *string `json:"sql_query"`
		Async *bool   `json:"async_query"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &ask)
	}
	status, answer := http.StatusUnprocessableEntity, `{"detail":[]}`
	if err == nil && ask.Query != nil && ask.Async != nil && !*ask.Async && r.Method == http.MethodPost && r.URL.Path == "/v1/"+org+"/admin/sql_query" {
		status, answer = e.answer(*ask.Query)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func (e *engine) answer(query string) (int, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
	e.log = append(e.log, query)
	if e.intercept != nil {
		if status, body := e.intercept(e.n); status != 0 {
			return status, body
		}
	}
	if e.before != nil {
		e.before(e.n)
	}
	q, err := parse(query)
	if err != nil || e.strict && q.null {
		return http.StatusBadRequest, `{"detail":"query failed"}`
	}
	if !q.count && e.slow > 0 && q.limit > e.slow {
		return http.StatusRequestTimeout, `{"detail":"time limit exceeded"}`
	}
	return http.StatusOK, e.result(q, e.matching(q))
}

// matching is the rows a query is about. The table is sorted once for all queries between two changes.
func (e *engine) matching(q query) []*person {
	table := e.table
	if q.ordered && !e.unordered {
		if e.sorted == nil {
			e.sorted = slices.Clone(e.table)
			slices.SortStableFunc(e.sorted, func(a, b *person) int {
				if a.nobody != b.nobody {
					if a.nobody == e.nullsFirst {
						return -1
					}
					return 1
				}
				return e.compare(a.id, b.id)
			})
		}
		table = e.sorted
	}
	var rows []*person
	for _, p := range table {
		if e.unheeded || q.holds(p, e.compare) {
			rows = append(rows, p)
		}
	}
	return rows
}

func (e *engine) result(q query, rows []*person) string {
	if q.count {
		n := strconv.Itoa(len(rows))
		if e.textCount {
			n = `"` + n + `"`
		}
		return `{"execution_time_ms":1,"result":[[` + n + `]],"truncated":false,"columns":[{"name":"n","type":"BIGINT"}]}`
	}
	rows = rows[:min(len(rows), q.limit)]
	truncated := len(rows) > cmp.Or(e.most, 1000)
	rows = rows[:min(len(rows), cmp.Or(e.most, 1000))]
	names := q.columns
	if e.columns != nil {
		names = e.columns
	}
	var b strings.Builder
	b.WriteString(`{"columns":[`)
	for i, name := range names {
		fmt.Fprintf(&b, `%s{"type":"STRING", "name":%q}`, comma(i), name)
	}
	b.WriteString(`],"result":[`)
	for i, p := range rows {
		b.WriteString(comma(i) + "[")
		for k, name := range names {
			b.WriteString(comma(k) + p.cell(name, e.nested))
		}
		b.WriteString("]")
	}
	b.WriteString("]")
	if !e.mute {
		fmt.Fprintf(&b, `,"truncated":%v`, truncated && !e.lie)
	}
	if e.large > 0 && q.limit > e.large {
		b.WriteString(strings.Repeat(" ", testMaxBody))
	}
	return b.String() + "}"
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// query is what the source may ask, and nothing else.
type query struct {
	columns        []string
	count, ordered bool
	null           bool
	after, upTo    *string
	in             map[string]bool
	limit          int
}

func (q query) holds(p *person, compare func(a, b string) int) bool {
	switch {
	case q.null:
		return p.nobody
	case q.after == nil && q.upTo == nil && q.in == nil:
		return true
	case p.nobody:
		return false
	case q.in != nil:
		return q.in[p.id]
	}
	return (q.after == nil || compare(p.id, *q.after) > 0) && (q.upTo == nil || compare(p.id, *q.upTo) <= 0)
}

func parse(text string) (query, error) {
	bad := fmt.Errorf("not a query: %s", text)
	selected, rest, ok := strings.Cut(strings.TrimPrefix(text, "SELECT "), " FROM users")
	if !ok || !strings.HasPrefix(text, "SELECT ") {
		return query{}, bad
	}
	q := query{limit: 1 << 30, count: selected == "count(*) AS n", columns: strings.Split(selected, ", ")}
	if before, n, ok := strings.Cut(rest, " LIMIT "); ok {
		var err error
		if q.limit, err = strconv.Atoi(n); err != nil {
			return query{}, bad
		}
		rest = before
	}
	rest, q.ordered = strings.CutSuffix(rest, " ORDER BY user_id")
	if rest == "" {
		return q, nil
	}
	where, ok := strings.CutPrefix(rest, " WHERE ")
	if !ok {
		return query{}, bad
	}
	if where == "user_id IS NULL" {
		q.null = true
		return q, nil
	}
	if list, ok := strings.CutPrefix(where, "user_id IN ("); ok {
		q.in = map[string]bool{}
		for _, expression := range strings.Split(strings.TrimSuffix(list, ")"), ", ") {
			id, err := evaluate(expression)
			if err != nil {
				return query{}, err
			}
			q.in[id] = true
		}
		return q, nil
	}
	for _, condition := range strings.Split(where, " AND ") {
		words := strings.SplitN(condition, " ", 3)
		if len(words) != 3 || words[0] != "user_id" || words[1] != ">" && words[1] != "<=" {
			return query{}, bad
		}
		id, err := evaluate(words[2])
		if err != nil {
			return query{}, err
		}
		if words[1] == ">" {
			q.after = &id
		} else {
			q.upTo = &id
		}
	}
	return q, nil
}

// evaluate gives the text of 'plain', chr(n), or (… || …).
func evaluate(expression string) (string, error) {
	bad := fmt.Errorf("not an expression: %s", expression)
	pieces := []string{expression}
	if inner, ok := strings.CutPrefix(expression, "("); ok {
		pieces = strings.Split(strings.TrimSuffix(inner, ")"), " || ")
	}
	var out strings.Builder
	for _, p := range pieces {
		if code, ok := strings.CutPrefix(p, "chr("); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(code, ")"))
			if err != nil || n > 127 {
				return "", bad
			}
			out.WriteByte(byte(n))
			continue
		}
		if len(p) < 2 || p[0] != '\'' || p[len(p)-1] != '\'' || strings.ContainsAny(p[1:len(p)-1], `'\`) {
			return "", bad
		}
		out.WriteString(p[1 : len(p)-1])
	}
	return out.String(), nil
}

const testMaxBody = 1 << 20

// tester is what a test and a property have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
}

func newClient(t tester, o extract.Options) *extract.Client {
	t.Helper()
	o.RPM = extract.RPMNone
	o.MaxBody = testMaxBody
	o.Retry.Attempts = 3
	o.Retry.Jitter = func(time.Duration) time.Duration { return 0 }
	c, err := extract.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newSource(t tester, e http.Handler, o Options) *Source {
	t.Helper()
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	o.Org = org
	return New(newClient(t, extract.Options{BaseURL: srv.URL}), o)
}

// direct lets a client talk to the engine without a network.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

func directSource(t tester, e http.Handler, o Options) *Source {
	t.Helper()
	o.Org = org
	return New(newClient(t, extract.Options{BaseURL: "http://127.0.0.1:9", Transport: direct{e}}), o)
}

// collect sweeps and keeps the last row seen of each.
func collect(t tester, s *Source) (rows map[string]string, r *Result) {
	t.Helper()
	rows = map[string]string{}
	r, err := s.Sweep(context.Background(), func(i sweep.Item) error {
		rows[i.Key] = string(i.Raw)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, r
}

// ids are n ids in no particular order, some of which need care in a query.
func ids(n int) []string {
	odd := []string{`o'brien`, `back\slash`, "${x}", "a;b--c", `"q"`, "`t`", "{{y}}", "é😀", "new\nline", "per%cent", "a b", "A", "tab\t?", "a\x00b", "' OR 1=1"}
	out := make([]string, 0, n)
	for i := range n {
		if i < len(odd) {
			out = append(out, odd[i])
			continue
		}
		out = append(out, fmt.Sprintf("%x-%d", i*2654435761%(1<<32), i))
	}
	return out
}

package status

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
)

// columns knows what a version's tables are made of. It is read once: a version does not change, but by being rewritten with another manifest.
type columns struct {
	mu       sync.Mutex
	manifest string
	known    *shape
}

// shape is what a version's tables are made of.
type shape struct {
	tables []report.Table
	paths  map[string]bool // of columns, and what leads to them
}

func (c *columns) of(ctx context.Context, v publish.Version) (*shape, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known != nil && c.manifest == v.Manifest.SHA256 {
		return c.known, nil
	}
	tables, err := report.Tables(ctx, v)
	if err != nil {
		return nil, err
	}
	s := &shape{tables: tables, paths: map[string]bool{"$": true}}
	for _, t := range tables {
		for _, column := range t.Columns {
			for _, path := range strings.Split(column.JSONPath, ", ") {
				s.learn(path)
			}
		}
	}
	c.known, c.manifest = s, v.Manifest.SHA256
	return s, nil
}

func (s *shape) learn(path string) {
	for path != "" && !s.paths[path] {
		s.paths[path] = true
		path = parent(path)
	}
}

// parent is the path of what holds it, as $.a of $.a.b and of $.a[*].
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// element is a place in an array; columns are of them all.
var element = regexp.MustCompile(`\[\d+\]`)

// place is the nearest thing to the path that is known by a column. What is below may be named by the user's own data.
func (s *shape) place(path string) string {
	path = element.ReplaceAllString(path, "[*]")
	if path == "" || s.paths[path] {
		return path
	}
	for up := parent(path); up != ""; up = parent(up) {
		if s.paths[up] {
			return up + " (within)"
		}
	}
	return "elsewhere"
}

// shownPaths is how many changed paths a run's page lists.
const shownPaths = 100

// public adds up what is at the same place; most first.
func (s *shape) public(paths []tally) []tally {
	sums := map[string]int64{}
	for _, p := range paths {
		sums[s.place(p.Name)] += p.N
	}
	out := make([]tally, 0, len(sums))
	for name, n := range sums {
		out = append(out, tally{name, n})
	}
	slices.SortFunc(out, func(a, b tally) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return out[:min(len(out), shownPaths)]
}

// issues adds up in the same way.
func (s *shape) issues(rows [][]duckdb.Value) []issue {
	var out []issue
	for _, row := range rows {
		one := issue{Kind: row[0].Text, Path: s.place(row[1].Text), Column: row[2].Text, Reason: row[3].Text}
		n, _ := strconv.ParseInt(row[4].Text, 10, 64) // count(*)
		i := slices.IndexFunc(out, func(o issue) bool { o.N = 0; return o == one })
		if i < 0 {
			out, i = append(out, one), len(out)
		}
		out[i].N += n
	}
	return out[:min(len(out), shownPaths)]
}

// askMemory is for a page's own statements, which only count.
const askMemory = "256MB"

// asking runs statements of ours on a version. After one that fails the rest do nothing.
type asking struct {
	run func(query string) (*duckdb.Rows, error)
	err error
}

func ask(ctx context.Context, v publish.Version, questions func(*asking)) (err error) {
	r, err := duckdb.OpenReader(ctx, v.Database(), duckdb.ReaderOptions{Settings: duckdb.Settings{MemoryLimit: askMemory}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	q := &asking{run: func(query string) (*duckdb.Rows, error) { return r.Query(ctx, query) }}
	questions(q)
	return q.err
}

// rows are those of a query in which ? stands for a text.
func (q *asking) rows(query string, texts ...string) (out [][]duckdb.Value) {
	if q.err != nil {
		return nil
	}
	for _, t := range texts {
		query = strings.Replace(query, "?", schema.Literal(t), 1)
	}
	rows, err := q.run(query)
	if err != nil {
		q.err = err
		return nil
	}
	for rows.Next() {
		out = append(out, slices.Clone(rows.Row()))
	}
	q.err = errors.Join(rows.Err(), rows.Close())
	return out
}

func (q *asking) tallies(query string, texts ...string) (out []tally) {
	for _, row := range q.rows(query, texts...) {
		n, _ := strconv.ParseInt(row[1].Text, 10, 64) // count(*)
		out = append(out, tally{row[0].Text, n})
	}
	return out
}

// schemaPage is what the tables are made of.
type schemaPage struct {
	Version string
	Tables  []report.Table
}

// Types are the types that a column has had, oldest first, where there were several.
func (schemaPage) Types(raw json.RawMessage) string {
	var types []string
	if json.Unmarshal(raw, &types) != nil || len(types) < 2 {
		return ""
	}
	return strings.Join(types, " → ")
}

func (p *Page) schema(r *http.Request) (*view, error) {
	v, err := p.wh.Current()
	if errors.Is(err, publish.ErrNoVersion) {
		return p.noVersion("schema"), nil
	}
	if err != nil {
		return nil, err
	}
	known, err := p.columns.of(r.Context(), v)
	if err != nil {
		return nil, err
	}
	return &view{page: "schema", title: "Schema", section: "schema", body: schemaPage{v.Run, known.tables}}, nil
}

// noVersion is the page of what there is not yet.
func (p *Page) noVersion(section string) *view {
	return &view{page: "first", title: "No version yet", section: section, body: nowPage{Facts: p.shift(nil)}}
}

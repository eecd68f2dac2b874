package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
)

// listedRuns is how many runs a page of the list has.
const listedRuns = 50

// runsPage is a page of the list of runs.
type runsPage struct {
	Runs    []*pipeline.Summary
	Current string
	Older   string // the run that the next page begins after; empty: there is none
}

func (p *Page) runs(r *http.Request) (*view, error) {
	ids, err := p.records.ids()
	if err != nil {
		return nil, err
	}
	if before := r.URL.Query().Get("before"); before != "" {
		ids = slices.DeleteFunc(ids, func(id string) bool { return id >= before })
	}
	body := runsPage{}
	if len(ids) > listedRuns {
		ids = ids[:listedRuns]
		body.Older = ids[listedRuns-1]
	}
	if body.Runs, err = p.records.summaries(ids); err != nil {
		return nil, err
	}
	if v, err := p.wh.Current(); err == nil {
		body.Current = v.Run
	}
	return &view{page: "runs", title: "Runs", section: "runs", body: body}, nil
}

// runPage is a run.
type runPage struct {
	Run      *pipeline.Summary
	Facts    []fact
	Matters  []report.Matter
	Changes  *changes // nil: no version tells
	Stages   []stage
	Requests []endpoint
	Log      *runLog // nil: there is none
}

// stage is a part of a run and how long it took.
type stage struct {
	Name    string
	Took    time.Duration
	Percent float64 // of the run
}

// endpoint is how often a part of the API was asked, and what it answered.
type endpoint struct {
	Name    string
	N       int64
	Answers []answers
}

type answers struct {
	Status string
	N      int64
}

func (p *Page) run(r *http.Request) (*view, error) {
	id := r.PathValue("run")
	ids, err := p.records.ids()
	if err != nil {
		return nil, err
	}
	gone := failure(http.StatusNotFound, "There is no such run", "It may be of a run that is no longer on record.")
	if !slices.Contains(ids, id) {
		return gone, nil
	}
	s, err := p.records.summary(id)
	if errors.Is(err, fs.ErrNotExist) {
		return gone, nil
	}
	if err != nil {
		return nil, err
	}
	body := runPage{Run: s, Facts: runFacts(s), Matters: report.Attention(s), Stages: stages(s), Requests: endpoints(s.Requests)}
	if body.Changes, err = p.changes(r.Context(), s); err != nil {
		return nil, err
	}
	if body.Log, err = readLog(p.wh, id); err != nil {
		return nil, err
	}
	return &view{page: "run", title: "Run " + id, section: "runs", body: body}, nil
}

func runFacts(s *pipeline.Summary) []fact {
	out := []fact{{Name: "Status", Text: string(s.Status)}, {Name: "Command", Text: s.Command}, {Name: "Began", Text: when(began(s))}, {Name: "Took", Text: span(took(s))}}
	switch {
	case s.Version == nil:
		out = append(out, fact{Name: "Version", Text: "none yet"})
	case s.Published:
		out = append(out, fact{Name: "Version", Text: *s.Version, Code: true})
	default:
		out = append(out, fact{Name: "Version", Text: "as before", Link: "/runs/" + *s.Version})
	}
	out = append(out, fact{Name: "Users", Text: report.Count(s.Users)},
		fact{Name: "Requests", Text: report.Requests(s.Requests)}, fact{Name: "Received", Text: report.Size(s.BytesReceived)})
	m := s.Models
	out = append(out, fact{Name: "Models", Text: fmt.Sprintf("%s fetched, %s reused, %s in the list, %s forbidden, %s pending",
		report.Count(m.Fetched), report.Count(m.Reused), report.Count(m.Listed), report.Count(m.Forbidden), report.Count(m.Pending))})
	if s.PII != "" {
		out = append(out, fact{Name: "Personal data", Text: s.PII})
	}
	for _, c := range s.Copies {
		if c.Version != nil {
			out = append(out, fact{Name: "Copy", Text: fmt.Sprintf("%s: %s sent, %s", c.URL, report.Plural(c.Sent, "object", "objects"), report.Size(c.Bytes))})
		}
	}
	return out
}

func stages(s *pipeline.Summary) []stage {
	var out []stage
	for _, part := range s.Stages {
		one := stage{Name: part.Name, Took: time.Duration(part.Seconds * float64(time.Second))}
		if s.Seconds > 0 {
			one.Percent = min(100, 100*part.Seconds/s.Seconds)
		}
		out = append(out, one)
	}
	return out
}

func endpoints(r pipeline.Requests) []endpoint {
	var out []endpoint
	for _, e := range []endpoint{
		{Name: "list", N: int64(r.List)}, {Name: "lookup", N: int64(r.Lookup)}, {Name: "model", N: int64(r.Model)}, {Name: "role", N: int64(r.Role)},
		{Name: "memory", N: int64(r.Memory)}, {Name: "sql", N: int64(r.SQL)}, {Name: "signin", N: int64(r.SignIn)}, {Name: "other", N: int64(r.Other)},
	} {
		if e.N == 0 {
			continue
		}
		for status, n := range r.ByStatus[e.Name] {
			e.Answers = append(e.Answers, answers{status, int64(n)})
		}
		slices.SortFunc(e.Answers, func(a, b answers) int { return cmp.Compare(a.Status, b.Status) })
		out = append(out, e)
	}
	return out
}

// changes are what became of users, by number and path.
type changes struct {
	Ops        []tally
	Paths      []tally
	Quarantine []issue
	Kept       bool // the run's own version is still there, so its quarantine is known
}

type tally struct {
	Name string
	N    int64
}

// issue is why so many values are in quarantine. Neither whose nor which they are is here.
type issue struct {
	Kind, Path, Column, Reason string
	N                          int64
}

// changes asks the run's own version, or the current one: it knows the changes of every run it comes from.
func (p *Page) changes(ctx context.Context, s *pipeline.Summary) (*changes, error) {
	out := &changes{}
	v, err := p.wh.Version(s.RunID)
	out.Kept = err == nil
	if err != nil {
		if v, err = p.wh.Current(); err != nil {
			return nil, nil // without a version there is nothing to ask, and that is no fault
		}
	}
	known, err := p.columns.of(ctx, v)
	if err != nil {
		return nil, err
	}
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	err = ask(ctx, v, func(q *asking) {
		out.Ops = q.tallies("SELECT op, count(*) FROM users_changes WHERE run_id = ? GROUP BY ALL ORDER BY 2 DESC, 1", s.RunID)
		out.Paths = known.public(q.tallies("SELECT path, count(*) FROM (SELECT unnest(paths) AS path FROM users_changes WHERE run_id = ?) GROUP BY ALL", s.RunID))
		if out.Kept {
			out.Quarantine = known.issues(q.rows("SELECT kind, coalesce(path, ''), coalesce(column_name, ''), coalesce(reason, ''), count(*) FROM _issues GROUP BY ALL ORDER BY 5 DESC, 1, 2, 3, 4"))
		}
	})
	return out, err
}

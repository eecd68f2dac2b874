package status

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
	"github.com/rollcall-data/rollcall/load/publish"
)

// nowPage is how the warehouse stands.
type nowPage struct {
	Certified bool
	Reasons   []string
	Facts     []fact
	Matters   []report.Matter
	Charts    []chart
	Runs      []*pipeline.Summary // before there is a version
}

// fact is a line of a list of facts.
type fact struct {
	Name string
	Text string
	Link string    // of the text; empty: none
	When time.Time // beside the text; zero: nothing
	Code bool      // it is read by programs
}

func (p *Page) now(*http.Request) (*view, error) {
	v, err := p.wh.Current()
	none := errors.Is(err, publish.ErrNoVersion)
	if err != nil && !none {
		return nil, err
	}
	ids, err := p.records.ids()
	if err != nil {
		return nil, err
	}
	runs, err := p.records.summaries(ids[:min(len(ids), chartRuns)])
	if err != nil {
		return nil, err
	}
	if none {
		return &view{page: "first", title: "No version yet", section: "now", body: nowPage{Facts: p.shift(runs), Matters: matters(runs, nil), Runs: runs}}, nil
	}
	s, err := report.Summary(v.Manifest.Summary)
	if err != nil {
		return nil, fmt.Errorf("version %s: %w", v.Run, err)
	}
	title := "Not certified"
	if s.Certificate.Certified {
		title = "Certified"
	}
	body := nowPage{Certified: s.Certificate.Certified, Reasons: s.Certificate.Reasons, Matters: matters(runs, s), Charts: charts(runs)}
	body.Facts = append(p.versionFacts(v, s, runs), p.shift(runs)...)
	return &view{page: "now", title: title, section: "now", body: body}, nil
}

// versionFacts are about the current version.
func (p *Page) versionFacts(v publish.Version, s *pipeline.Summary, runs []*pipeline.Summary) []fact {
	out := []fact{{Name: "Users", Text: report.Count(s.Users) + " of " + strings.Join(s.Orgs, ", ")}}
	if at, err := time.Parse(time.RFC3339Nano, v.Manifest.CreatedAt); err == nil {
		out = append(out, fact{Name: "Age", Text: span(p.o.Now().Sub(at)) + ", published", When: at})
	}
	for _, run := range runs { // the newest that looked and found the same
		if run.Status == pipeline.Unchanged && run.Version != nil && *run.Version == v.Run && run.Certificate.Certified {
			out = append(out, fact{Name: "Confirmed", Text: span(p.o.Now().Sub(began(run))) + " ago: a run found nothing changed", Link: "/runs/" + run.RunID, When: began(run)})
			break
		}
	}
	if proof := s.Certificate.Proof; proof != "" {
		out = append(out, fact{Name: "Proof", Text: fmt.Sprintf("%s: %s over the list, %s", proof, report.Plural(s.Sweeps, "pass", "passes"), report.Plural(s.Shifts, "shift", "shifts"))})
	}
	m := s.Models
	text := fmt.Sprintf("%s known, %s forbidden, %s pending", report.Count(m.Fetched+m.Reused+m.Listed), report.Count(m.Forbidden), report.Count(m.Pending))
	if m.OldestAgeSeconds > 0 {
		text += "; the oldest were " + span(time.Duration(m.OldestAgeSeconds)*time.Second) + " old"
	}
	return append(out, fact{Name: "Models", Text: text}, fact{Name: "Version", Text: v.Run, Link: "/runs/" + v.Run, Code: true})
}

// shift is what was last, what is, and what comes next.
func (p *Page) shift(runs []*pipeline.Summary) []fact {
	var out []fact
	if len(runs) > 0 {
		last := runs[0]
		out = append(out, fact{Name: "Last run", Text: fmt.Sprintf("%s, took %s", last.Status, span(took(last))), Link: "/runs/" + last.RunID, When: began(last)})
	}
	if p.o.Running != nil {
		if since, on := p.o.Running(); on {
			out = append(out, fact{Name: "Running now", Text: "for " + span(p.o.Now().Sub(since)), When: since})
		}
	}
	if p.o.Next == nil {
		return append(out, fact{Name: "Next run", Text: "none is scheduled here"})
	}
	if at, ok := p.o.Next(); ok {
		return append(out, fact{Name: "Next run", Text: "in " + span(at.Sub(p.o.Now())), When: at})
	}
	return append(out, fact{Name: "Next run", Text: "none is scheduled"})
}

// matters are for a person: what the last run left, or why there is none. What it could not come to, the run of the current version tells.
func matters(runs []*pipeline.Summary, current *pipeline.Summary) []report.Matter {
	var out []report.Matter
	looked := current
	if len(runs) > 0 {
		last := runs[0]
		switch last.Status {
		case pipeline.Failed:
			mend := "rollcall doctor checks credentials, permissions and disk"
			if current != nil {
				mend += "; the version before is still current"
			}
			out = append(out, report.Matter{What: "the last run failed: " + last.Error, Mend: mend})
		case pipeline.Interrupted:
			out = append(out, report.Matter{What: "the last run was interrupted", Mend: "rollcall sync goes on from there, and asks for nothing twice"})
		default:
			looked = last
		}
	}
	if looked != nil {
		out = append(out, report.Attention(looked)...)
	}
	return out
}

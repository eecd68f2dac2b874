package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
)

// chartRuns is how many runs the charts show.
const chartRuns = 90

// The charts' own units: they are stretched to the room there is.
const (
	chartStep   = 10
	chartHeight = 100
)

// chart is one measure over the runs: a picture for the eye, the same numbers in a table.
type chart struct {
	ID, Title   string
	Says        string // the picture in a sentence
	Low, High   string // what its lower and upper edge stand for
	From, To    time.Time
	Width       int
	Line        string // points of a line; empty: bars
	Points      []point
	LineOnly    bool
	LabelColumn string
}

// point is a run.
type point struct {
	Run     string
	When    time.Time
	Text    string
	X, Y, H float64 // of its bar
}

// measure is what a chart shows of a run.
type measure struct {
	id, title, column string
	line              bool
	of                func(*pipeline.Summary) (value float64, ok bool)
	text              func(float64) string
}

func counted(n int64, s *pipeline.Summary) (float64, bool) { return float64(n), finished(s) }

// added leaves out a first run: beside everybody nobody else could be seen.
func added(s *pipeline.Summary) (float64, bool) {
	v, ok := counted(s.Added, s)
	return v, ok && s.Added < s.Users
}

func inNumbers(v float64) string { return report.Count(int64(v)) }

func inTime(v float64) string { return span(time.Duration(v * float64(time.Second))) }

var measures = []measure{
	{"users", "Users", "users", true, func(s *pipeline.Summary) (float64, bool) { return counted(s.Users, s) }, inNumbers},
	{"added", "Added", "added", false, added, inNumbers},
	{"changed", "Changed", "changed", false, func(s *pipeline.Summary) (float64, bool) { return counted(s.Changed, s) }, inNumbers},
	{"deleted", "Deleted", "deleted", false, func(s *pipeline.Summary) (float64, bool) { return counted(s.Deleted, s) }, inNumbers},
	{"duration", "Duration of a run", "duration", false, func(s *pipeline.Summary) (float64, bool) { return s.Seconds, true }, inTime},
	{"requests", "Requests", "requests", false, func(s *pipeline.Summary) (float64, bool) { return float64(requests(s)), true }, inNumbers},
	{"staleness", "Age of the oldest models", "age", true, func(s *pipeline.Summary) (float64, bool) { return counted(s.Models.OldestAgeSeconds, s) }, inTime},
}

// requests is how many the server saw.
func requests(s *pipeline.Summary) int64 {
	r := s.Requests
	return int64(r.List + r.Model + r.SignIn + r.Lookup + r.Role + r.Memory + r.SQL + r.Other)
}

// charts draws the runs, which come newest first.
func charts(runs []*pipeline.Summary) []chart {
	var out []chart
	for _, m := range measures {
		if c, ok := m.draw(runs); ok {
			out = append(out, c)
		}
	}
	return out
}

func (m measure) draw(runs []*pipeline.Summary) (chart, bool) {
	var values []float64
	c := chart{ID: m.id, Title: m.title, LineOnly: m.line, LabelColumn: m.column}
	for i := len(runs) - 1; i >= 0; i-- {
		if v, ok := m.of(runs[i]); ok {
			values = append(values, v)
			c.Points = append(c.Points, point{Run: runs[i].RunID, When: began(runs[i]), Text: m.text(v)})
		}
	}
	if len(values) == 0 {
		return chart{}, false
	}
	low, high := bounds(values)
	c.Says = fmt.Sprintf("Between %s and %s in %s; %s in the last.", m.text(low), m.text(high), report.Plural(len(values), "run", "runs"), c.Points[len(values)-1].Text)
	if !m.line {
		low = 0
	}
	c.Low, c.High = m.text(low), m.text(high)
	c.From, c.To = c.Points[0].When, c.Points[len(values)-1].When
	c.Width = chartStep * len(values)
	c.place(values, low, high)
	return c, true
}

// place gives each value its height between the bounds. A value above nothing is never drawn as nothing.
func (c *chart) place(values []float64, low, high float64) {
	var line strings.Builder
	for i, v := range values {
		share := 0.5 // all are the same
		if high > low {
			share = (v - low) / (high - low)
		} else if !c.LineOnly && v == 0 {
			share = 0
		}
		h := 2 + share*(chartHeight-4)
		if v == 0 && !c.LineOnly {
			h = 0
		}
		p := &c.Points[i]
		p.X, p.Y, p.H = float64(i*chartStep+1), chartHeight-h, h
		fmt.Fprintf(&line, "%d,%.1f ", i*chartStep+chartStep/2, p.Y)
		if len(values) == 1 {
			fmt.Fprintf(&line, "%d,%.1f ", chartStep, p.Y)
		}
	}
	if c.LineOnly {
		c.Line = strings.TrimSpace(line.String())
	}
}

func bounds(values []float64) (low, high float64) {
	low, high = values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}

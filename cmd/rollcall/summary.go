package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
)

// The terminal's words are those of the status page.
var (
	readSummary = report.Summary
	count       = report.Count
	plural      = report.Plural
	size        = report.Size
)

// summaryText is a run in a few lines for people.
func summaryText(s *pipeline.Summary, warehouse string) string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	line(string(s.Status), "%s users of %s: %s added, %s changed, %s deleted", count(s.Users), strings.Join(s.Orgs, ", "), count(s.Added), count(s.Changed), count(s.Deleted))
	line("run", "%s, %s, %s received", s.RunID, time.Duration(s.Seconds*float64(time.Second)).Round(100*time.Millisecond), size(s.BytesReceived))
	switch {
	case s.Version == nil:
		line("version", "none yet in %s", warehouse)
	case s.Published:
		line("version", "%s in %s", *s.Version, warehouse)
	default:
		line("version", "%s in %s, as before", *s.Version, warehouse)
	}
	if proof := s.Certificate.Proof; proof != "" {
		line("proof", "%s: %s over the list, %s; asked as %s", proof, plural(s.Sweeps, "pass", "passes"), plural(s.Shifts, "shift", "shifts"), s.Certificate.As)
	}
	for _, c := range s.Copies {
		if c.Version != nil {
			line("copy", "%s at %s: %s sent, %s", *c.Version, c.URL, plural(c.Sent, "object", "objects"), size(c.Bytes))
		}
	}
	for _, c := range s.Lake {
		if c.Version != nil {
			line("lake", "%s at %s, namespace %s%s", *c.Version, c.Location, c.Namespace, lakeDid(c))
		}
	}
	m := s.Models
	line("models", "%s fetched, %s reused, %s in the list, %s forbidden, %s pending", count(m.Fetched), count(m.Reused), count(m.Listed), count(m.Forbidden), count(m.Pending))
	line("requests", "%s", report.Requests(s.Requests))
	for _, matter := range report.Attention(s) {
		line("look at", "%s", matter)
	}
	return b.String()
}

// lakeDid is what was done for a lake to show the version.
func lakeDid(c pipeline.LakeCopy) string {
	if c.Did == "" {
		return ", as before"
	}
	return ": " + c.Did + " in " + time.Duration(c.Seconds*float64(time.Second)).Round(100*time.Millisecond).String()
}

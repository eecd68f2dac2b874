package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
)

// readSummary reads a run's record or the copy of it in a manifest.
func readSummary(raw []byte) (*pipeline.Summary, error) {
	var s pipeline.Summary
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("read a run's summary: %w", err)
	}
	return &s, nil
}

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
	m := s.Models
	line("models", "%s fetched, %s reused, %s in the list, %s forbidden, %s pending", count(m.Fetched), count(m.Reused), count(m.Listed), count(m.Forbidden), count(m.Pending))
	line("requests", "%s", requestsText(s.Requests))
	for _, reason := range attention(s) {
		line("look at", "%s", reason)
	}
	return b.String()
}

// attention is what a person should look at, and how.
func attention(s *pipeline.Summary) []string {
	var out []string
	if s.Status == pipeline.Uncertified {
		out = append(out, "not certified: "+strings.Join(s.Certificate.Reasons, "; "))
	}
	if s.DeletesHeld > 0 {
		out = append(out, fmt.Sprintf("%s held back, more than max_delete_percent: if they are right, rollcall sync --accept-deletes", plural(int(s.DeletesHeld), "deletion", "deletions")))
	}
	if n := s.QuarantinedRows + s.QuarantinedCells; n > 0 {
		out = append(out, fmt.Sprintf("%s and %s in quarantine: rollcall query \"SELECT reason, path, count(*) FROM _issues GROUP BY ALL\"",
			plural(int(s.QuarantinedRows), "row", "rows"), plural(int(s.QuarantinedCells), "cell", "cells")))
	}
	for _, reason := range pipeline.Outstanding(s.Copies) {
		out = append(out, reason+" (the next run goes on with it)")
	}
	return out
}

func requestsText(r pipeline.Requests) string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{r.List, "list"}, {r.Lookup, "look-up"}, {r.Model, "model"}, {r.Role, "role"}, {r.Memory, "memory"}, {r.SQL, "SQL"}, {r.SignIn, "sign-in"}, {r.Other, "other"},
	} {
		if p.n > 0 {
			parts = append(parts, count(int64(p.n))+" "+p.what)
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	text := strings.Join(parts, ", ")
	if r.Retried+r.Throttled > 0 {
		text += fmt.Sprintf("; %s retried, %s throttled", count(int64(r.Retried)), count(int64(r.Throttled)))
	}
	if r.Replayed > 0 {
		text += fmt.Sprintf("; %s answered by the journal", count(int64(r.Replayed)))
	}
	return text
}

// count writes 5000 as 5,000.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(int64(n)) + " " + many
}

// size writes bytes in units of 1000.
func size(n int64) string {
	f := float64(n)
	for _, unit := range []string{"bytes", "kB", "MB", "GB"} {
		if f < 1000 && unit == "bytes" {
			return fmt.Sprintf("%d bytes", n)
		}
		if f < 1000 {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
		f /= 1000
	}
	return fmt.Sprintf("%.1f TB", f)
}

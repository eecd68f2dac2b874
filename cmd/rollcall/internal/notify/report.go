package notify

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

// The events, worst first.
const (
	Failed      = "failed"
	Uncertified = "uncertified"
	Held        = "held"
	Quarantined = "quarantined"
	Recovered   = "recovered"
)

// Run is a run that has ended.
type Run struct {
	Summary *pipeline.Summary // nil where it left none
	Exit    int               // its exit code
	Err     error             // what it ended with; may be nil where the summary has it
	Overdue bool              // it was interrupted for taking longer than the deadline
}

// Report is the document that a webhook gets.
type Report struct {
	Event            string   `json:"event"`  // the worst of events
	Events           []string `json:"events"` // failed, uncertified, held, quarantined, recovered
	Text             string   `json:"text"`   // the same in a line for people
	Host             string   `json:"host"`
	Warehouse        string   `json:"warehouse"`
	Command          string   `json:"command,omitempty"`
	RunID            string   `json:"run_id,omitempty"` // empty where the run ended before it had one
	Status           string   `json:"status,omitempty"`
	ExitCode         int      `json:"exit_code"`
	Source           string   `json:"source,omitempty"`
	Orgs             []string `json:"orgs"`
	Certified        bool     `json:"certified"`
	Reasons          []string `json:"reasons"` // why it is not certified
	Users            int64    `json:"users"`
	Added            int64    `json:"added"`
	Changed          int64    `json:"changed"`
	Deleted          int64    `json:"deleted"`
	DeletesHeld      int64    `json:"deletes_held"`
	QuarantinedRows  int64    `json:"quarantined_rows"`
	QuarantinedCells int64    `json:"quarantined_cells"`
	StartedAt        string   `json:"started_at,omitempty"` // RFC 3339, UTC
	Seconds          float64  `json:"seconds"`
	Error            string   `json:"error,omitempty"`
}

// good tells whether the run did its work.
func (r Run) good() bool { return r.Exit == cli.ExitDone || r.Exit == cli.ExitAttention }

// certified tells whether it ended with certified users: what a ping says.
func (r Run) certified() bool { return r.good() && r.Summary != nil && r.Summary.Certificate.Certified }

// troubles are the events of the run itself. One that a person interrupted has none, and one that another run kept out neither: that run tells for itself.
func (r Run) troubles() []string {
	var out []string
	switch {
	case !r.good() && (r.Exit != cli.ExitInterrupted || r.Overdue) && r.Exit != cli.ExitLocked:
		return []string{Failed}
	case !r.good() || r.Summary == nil:
		return nil
	}
	s := r.Summary
	if s.Status == pipeline.Uncertified {
		out = append(out, Uncertified)
	}
	if s.Status == pipeline.Held || s.DeletesHeld > 0 {
		out = append(out, Held)
	}
	if s.QuarantinedRows+s.QuarantinedCells > 0 {
		out = append(out, Quarantined)
	}
	return out
}

// report makes the document about a run with those events.
func report(w *publish.Warehouse, r Run, events []string) Report {
	out := Report{Event: events[0], Events: events, Warehouse: w.Dir(), ExitCode: r.Exit, Orgs: []string{}, Reasons: []string{}, Error: errorText(r)}
	if host, err := os.Hostname(); err == nil {
		out.Host = host
	}
	if s := r.Summary; s != nil {
		out.Command, out.RunID, out.Status, out.Source, out.StartedAt, out.Seconds = s.Command, s.RunID, string(s.Status), s.Source, s.StartedAt, s.Seconds
		out.Orgs = append(out.Orgs, s.Orgs...)
		out.Certified = s.Certificate.Certified
		for _, reason := range s.Certificate.Reasons {
			out.Reasons = append(out.Reasons, withoutAddresses(reason))
		}
		out.Users, out.Added, out.Changed, out.Deleted, out.DeletesHeld = s.Users, s.Added, s.Changed, s.Deleted, s.DeletesHeld
		out.QuarantinedRows, out.QuarantinedCells = s.QuarantinedRows, s.QuarantinedCells
	}
	out.Text = out.line()
	return out
}

// line is the report for people.
func (r Report) line() string {
	var about []string
	if slices.Contains(r.Events, Failed) {
		about = append(about, fmt.Sprintf("exit code %d", r.ExitCode))
	}
	if r.Error != "" {
		about = append(about, r.Error)
	}
	if slices.Contains(r.Events, Uncertified) {
		about = append(about, "not certified: "+strings.Join(r.Reasons, "; "))
	}
	if slices.Contains(r.Events, Held) {
		about = append(about, fmt.Sprintf("%d deletions held back", r.DeletesHeld))
	}
	if slices.Contains(r.Events, Quarantined) {
		about = append(about, fmt.Sprintf("%d rows and %d cells in quarantine", r.QuarantinedRows, r.QuarantinedCells))
	}
	if slices.Contains(r.Events, Recovered) {
		about = append(about, fmt.Sprintf("%d users, %s", r.Users, r.Status))
	}
	subject := r.Warehouse + " on " + r.Host
	if len(r.Orgs) > 0 {
		subject = strings.Join(r.Orgs, ", ") + " in " + subject
	}
	if r.RunID != "" {
		subject = "run " + r.RunID + " of " + subject
	}
	return fmt.Sprintf("rollcall %s: %s: %s", strings.Join(r.Events, ", "), subject, strings.Join(about, "; "))
}

// maxError is how much of an error's text is told.
const maxError = 500

// errorText is why a run failed. Of the user's own checks it is their names alone.
func errorText(r Run) string {
	var failed *pipeline.CheckError
	text := ""
	switch {
	case r.good():
		return ""
	case r.Overdue:
		return "it took longer than schedule.deadline and was interrupted; the next run goes on with it"
	case errors.As(r.Err, &failed):
		names := make([]string, len(failed.Failed))
		for i, f := range failed.Failed {
			names[i] = f.Name
		}
		return "the version is not published: check " + strings.Join(names, ", ")
	case r.Err != nil:
		text = r.Err.Error()
	case r.Summary != nil && len(r.Summary.Checks) > 0 && slices.ContainsFunc(r.Summary.Checks, func(c pipeline.CheckResult) bool { return !c.Passed }):
		var names []string
		for _, c := range r.Summary.Checks {
			if !c.Passed {
				names = append(names, c.Name)
			}
		}
		return "the version is not published: check " + strings.Join(names, ", ")
	case r.Summary != nil:
		text = r.Summary.Error
	}
	text = withoutAddresses(strings.Join(strings.Fields(text), " "))
	if runes := []rune(text); len(runes) > maxError {
		text = string(runes[:maxError]) + "…"
	}
	return text
}

var address = regexp.MustCompile(`[^\s"'<>(),;:=/]+@[^\s"'<>(),;:=/]+`)

// withoutAddresses takes out what no error should have in the first place: the log stays on the machine, and this does not.
func withoutAddresses(s string) string { return address.ReplaceAllString(s, "…") }

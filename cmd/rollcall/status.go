package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) statusCommand() *cobra.Command {
	var open bool
	cmd := &cobra.Command{
		Use:     "status",
		GroupID: groupOperate,
		Short:   "One screen: certified or not, age, users",
		Long: `One screen about the warehouse: the current version, whether it is certified and how that is
known, its age, its users, how old their models are, what the lake shows as far as is on record
(rollcall lake status asks it), and how the last run ended.

With --open, the same as a page in a browser, with charts, runs, the schema and a box for
read-only SQL: served to this machine alone, on a free port, until it is interrupted. The address
is printed; so is the token that opens the SQL box, which is a new one each time. The daemon,
rollcall schedule, serves the same page.`,
		Example: `  rollcall status
  rollcall status --open`,
		Args: atMost(0, "rollcall status"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			if open {
				return a.openStatus(cmd.Context(), c)
			}
			wh := publish.Open(c.Warehouse)
			v, err := wh.Current()
			if err != nil {
				return err
			}
			lakes, err := pipeline.Lakes(c, wh)
			if err != nil {
				return err
			}
			text, err := statusText(wh, v, lakes, time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.stdout, text)
			return err
		},
	}
	cmd.Flags().BoolVar(&open, "open", false, "serve it as a page to this machine, and open that in a browser")
	return cmd
}

func statusText(wh *publish.Warehouse, v publish.Version, lakes []pipeline.LakeState, now time.Time) (string, error) {
	s, err := report.Summary(v.Manifest.Summary)
	if err != nil {
		return "", fmt.Errorf("version %s: %w", v.Run, err)
	}
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	certified := "NOT certified: " + strings.Join(s.Certificate.Reasons, "; ")
	if s.Certificate.Certified {
		certified = "certified by " + s.Certificate.Proof + ", as " + s.Certificate.As
	}
	line("version", "%s", v.Run)
	line("", "%s", certified)
	if seen, err := time.Parse(time.RFC3339Nano, v.Manifest.CreatedAt); err == nil {
		line("age", "%s", now.Sub(seen).Round(time.Second))
	}
	line("users", "%s", count(s.Users))
	line("models", "%s fetched, %s listed, %s forbidden, %s pending; the oldest %s old", count(s.Models.Fetched+s.Models.Reused), count(s.Models.Listed),
		count(s.Models.Forbidden), count(s.Models.Pending), time.Duration(s.Models.OldestAgeSeconds)*time.Second)
	if n := s.QuarantinedRows + s.QuarantinedCells; n > 0 {
		line("issues", "%s quarantined: SELECT * FROM _issues", count(n))
	}
	for _, l := range lakes {
		line("lake", "%s", lakeText(l, v.Run))
	}
	ids, err := runIDs(wh)
	if err != nil {
		return "", err
	}
	last, err := report.Record(wh, ids[0])
	if err != nil {
		return "", err
	}
	line("last run", "%s: %s", last.RunID, last.Status)
	if last.Error != "" {
		line("", "%s", last.Error)
	}
	return b.String(), nil
}

// lakeText is what is on record about a lake.
func lakeText(l pipeline.LakeState, current string) string {
	switch {
	case l.Erase != "":
		return "BEHIND: what was erased here on " + l.Erase + " may still be in " + l.Name
	case l.Version == current:
		return "shows this version: " + l.Name
	case l.Version != "":
		return "BEHIND: " + l.Name + " shows " + l.Version
	}
	return "BEHIND: it is not known what " + l.Name + " shows; the next sync publishes to it"
}

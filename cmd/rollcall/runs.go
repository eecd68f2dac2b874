package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) runsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "runs [RUN]",
		GroupID: groupOperate,
		Short:   "List the runs, or show one with its certificate",
		Long: `List the runs, newest first: those that published a version, and those that did not. With the
id of a run, show that one: what it did, and the certificate with its proof.

The same facts about runs that published are in the table _runs.`,
		Example: `  rollcall runs
  rollcall runs 20260102T020000Z-…
  rollcall runs --json | jq -r '.[] | select(.status != "unchanged") | .run_id'`,
		Args:              atMost(1, "rollcall runs [RUN] [--json]"),
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			wh := publish.Open(c.Warehouse)
			if len(args) == 1 {
				return a.oneRun(wh, args[0], asJSON)
			}
			return a.allRuns(wh, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// runIDs are the runs on record, newest first.
func runIDs(wh *publish.Warehouse) ([]string, error) {
	ids, err := wh.RunRecords()
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, publish.ErrNoVersion
	}
	slices.Reverse(ids)
	return ids, nil
}

func (a *app) allRuns(wh *publish.Warehouse, asJSON bool) error {
	ids, err := runIDs(wh)
	if err != nil {
		return err
	}
	records := make([]json.RawMessage, len(ids))
	for i, id := range ids {
		if records[i], err = os.ReadFile(wh.RunRecord(id)); err != nil {
			return fmt.Errorf("read run %s: %w", id, err)
		}
	}
	if asJSON {
		return a.printJSON(records)
	}
	summaries := make([]*pipeline.Summary, len(records))
	for i, raw := range records {
		if summaries[i], err = readSummary(raw); err != nil {
			return err
		}
	}
	current := ""
	if v, err := wh.Current(); err == nil {
		current = v.Run
	}
	_, err = fmt.Fprintln(a.stdout, runsTable(summaries, current))
	return err
}

// runsTable lists runs; the one whose version is current has a star.
func runsTable(summaries []*pipeline.Summary, current string) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"run", "command", "status", "users", "added", "changed", "deleted", "held", "took"})
	var right []table.ColumnConfig
	for _, name := range []string{"users", "added", "changed", "deleted", "held", "took"} {
		right = append(right, table.ColumnConfig{Name: name, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	for _, s := range summaries {
		id := s.RunID
		if id == current {
			id += " *"
		}
		t.AppendRow(table.Row{id, s.Command, s.Status, count(s.Users), count(s.Added), count(s.Changed), count(s.Deleted), count(s.DeletesHeld), took(s)})
	}
	return t.Render()
}

func took(s *pipeline.Summary) string {
	return time.Duration(s.Seconds * float64(time.Second)).Round(100 * time.Millisecond).String()
}

func (a *app) oneRun(wh *publish.Warehouse, id string, asJSON bool) error {
	ids, err := runIDs(wh)
	if err != nil {
		return err
	}
	if !slices.Contains(ids, id) {
		return &cli.UsageError{Message: fmt.Sprintf("run %q: there is no such run", id), Advice: []string{"rollcall runs lists them"}}
	}
	raw, err := os.ReadFile(wh.RunRecord(id))
	if err != nil {
		return fmt.Errorf("read run %s: %w", id, err)
	}
	if asJSON {
		return a.printJSON(json.RawMessage(raw))
	}
	s, err := readSummary(raw)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, summaryText(s, wh.Dir())+certificateText(s))
	return err
}

// certificateText is the certificate in lines for people.
func certificateText(s *pipeline.Summary) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %s\n", "command", s.Command)
	fmt.Fprintf(&b, "%-12s %s\n", "started", s.StartedAt)
	if s.Certificate.UsersSHA256 != "" {
		fmt.Fprintf(&b, "%-12s %s\n", "users_sha256", s.Certificate.UsersSHA256)
	}
	for _, o := range s.Certificate.Orgs {
		verdict := "not certified: " + strings.Join(o.Reasons, "; ")
		if o.Certified {
			verdict = "certified by " + o.Proof
		}
		fmt.Fprintf(&b, "%-12s %s: %s, %s, %s, %s; %s\n", "certificate", o.Org, plural(o.Users, "user", "users"), plural(o.Sweeps, "pass", "passes"),
			plural(o.Pages, "page", "pages"), plural(o.Shifts, "shift", "shifts"), verdict)
	}
	if s.Error != "" {
		fmt.Fprintf(&b, "%-12s %s\n", "error", s.Error)
	}
	return b.String()
}

// completeRuns offers the runs to the shell.
func (a *app) completeRuns(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := a.load(cmd)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ids, err := runIDs(publish.Open(c.Warehouse))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
)

func (a *app) planCommand() *cobra.Command {
	var asJSON, sandboxed bool
	cmd := &cobra.Command{
		Use:     "plan",
		GroupID: groupRun,
		Short:   "Say what a sync would do, and change nothing",
		Long: `Say what a sync would do: requests by reason, time at the rate limits, models that are due and
why, the oldest models afterwards. Nothing is changed. Where nothing was published yet, the API is
asked how long the list is, in a few requests; else it is not asked at all.`,
		Example: `  rollcall plan
  rollcall plan --model-budget 8h --json`,
		Args: atMost(0, "rollcall plan [flags]"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	cmd.Flags().BoolVar(&sandboxed, "sandbox", false, "plan for a made-up API within this process (implies --rpm none)")
	config.AddFlags(cmd.Flags(), config.SourceCommands)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		c, stop, err := a.loadSource(cmd, sandboxed)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		p, err := pipeline.MakePlan(cmd.Context(), pipeline.Options{Config: c, Command: pipeline.Sync, Log: a.logger(c, a.stderr), Now: time.Now})
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(p)
		}
		_, err = fmt.Fprint(a.stdout, planText(p))
		return err
	}
	return cmd
}

// planText is a plan in lines for people.
func planText(p *pipeline.Plan) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	version := "none yet"
	if p.Version != nil {
		version = *p.Version
	}
	line("upon", "version %s", version)
	line("requests", "%d, in %s at the rate limits", p.Requests, minutes(p.Minutes))
	for _, o := range p.Orgs {
		line("", "")
		line(o.Org, "%s", plural(o.Users, "user", "users"))
		line("list", "%s, %s", plural(o.ListRequests, "request", "requests"), minutes(o.ListMinutes))
		if o.SQLRequests > 0 {
			line("sql", "%s, %s", plural(o.SQLRequests, "request", "requests"), minutes(o.SQLMinutes))
		}
		m := o.Models
		line("models", "%d never asked for, %d grown old, %d forbidden and asked for again, %d because of --models all; %s",
			m.NeverAsked, m.GrownOld, m.Forbidden, m.AskedFor, minutes(o.ModelMinutes))
		if o.LeftOver > 0 {
			line("left over", "%d, beyond the budget of %s: for later runs", o.LeftOver, p.Budget)
		}
		if o.OldestAfter > 0 {
			line("oldest then", "%s", time.Duration(o.OldestAfter*float64(time.Second)).Round(time.Minute))
		}
	}
	for _, n := range p.Notes {
		line("note", "%s", n)
	}
	return b.String()
}

func minutes(m float64) string {
	return time.Duration(m * float64(time.Minute)).Round(time.Second).String()
}

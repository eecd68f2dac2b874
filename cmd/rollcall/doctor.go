package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/doctor"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/output"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON, sandboxed bool
	cmd := &cobra.Command{
		Use:     "doctor",
		GroupID: groupSettings,
		Short:   "Check the set-up before a night depends on it",
		Long: `Check the configuration, the credentials and what they are granted, the API as it answers (region,
paging, clock, rate limits), the warehouse (disk, file modes, lock), and the places that versions
and news go to. One line a check: ok, warn, fail or skip, what was found, and what mends it.

Nothing is changed. Each organization is asked five to seven requests at most: a sign-in, a page of
two users, their models, the roles, and SQL where sql_columns asks for it; object storage is asked
one. No check takes longer than 20 seconds.

Exit codes: 0 no check failed; 12 credentials or a permission are refused; 1 another check failed;
64 wrong usage or configuration.`,
		Example: `  rollcall doctor
  rollcall doctor --json | jq '.checks[] | select(.status != "ok")'`,
		Args: atMost(0, "rollcall doctor [flags]"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	cmd.Flags().BoolVar(&sandboxed, "sandbox", false, "check against a made-up API within this process (implies --rpm none)")
	addSourceFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		c, stop, err := a.loadSource(cmd, sandboxed)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		return a.examine(cmd, c, asJSON)
	}
	return cmd
}

func (a *app) examine(cmd *cobra.Command, c *config.Config, asJSON bool) error {
	report, err := doctor.Examine(cmd.Context(), c, time.Now)
	if err != nil {
		return err
	}
	if asJSON {
		err = a.printJSON(report)
	} else {
		_, err = io.WriteString(a.stdout, reportText(report))
	}
	return errors.Join(err, report.Err())
}

// reportText is a report with a line for each check.
func reportText(r *doctor.Report) string {
	names, widest := make([]string, len(r.Checks)), 0
	for i, c := range r.Checks {
		names[i] = output.Visible(strings.TrimSpace(c.Check + " " + c.Org))
		widest = max(widest, len(names[i]))
	}
	var b strings.Builder
	for i, c := range r.Checks {
		fmt.Fprintf(&b, "%-4s  %-*s  %s", c.Status, widest, names[i], output.Visible(c.Found))
		if c.Mend != "" {
			fmt.Fprintf(&b, " → %s", output.Visible(c.Mend))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

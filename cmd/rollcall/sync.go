package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/output"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) syncCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sync",
		GroupID: groupRun,
		Short:   "Fetch the users and publish a new version",
		Long: `Fetch the users and publish a new version: sweep the user list until it is proved that nobody
is missing, refresh models within the budget, confirm deletions, and switch readers over at once.

A run that dies goes on where it was when sync is run again, and asks for nothing twice. A run
that finds nothing changed publishes nothing.

Exit codes: 0 certified; 3 published, but something needs a person (the summary says what);
1 failed and 130 interrupted: the version before is still current; 11 another run holds the
warehouse; 12 credentials or permission refused; 64 wrong usage or configuration.`,
		Example: `  rollcall sync --sandbox                     # 5,000 made-up users, to try it
  rollcall sync --org acme-health             # credentials from the environment
  rollcall sync --models none                 # the list alone; models are kept as they were
  rollcall sync --accept-deletes              # let held deletions through, having looked at them
  rollcall sync --json --log-format json      # from cron`,
		Args: atMost(0, "rollcall sync [flags]"),
	}
	a.makeRun(cmd, pipeline.Sync)
	return cmd
}

func (a *app) backfillCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "backfill",
		GroupID: groupRun,
		Short:   "Fetch every user and every model, however long it takes",
		Long: `Fetch every user and every model, however long it takes. It can be stopped and run again at
any time: it goes on where it was, and asks for nothing twice.

With --replay nothing is asked at all: every table is built anew from the journal, which holds
the API's answers as they came.`,
		Example: `  rollcall backfill
  rollcall backfill --replay                  # after an upgrade: the same answers, today's tables`,
		Args: atMost(0, "rollcall backfill [--replay] [flags]"),
	}
	a.makeRun(cmd, pipeline.Backfill)
	return cmd
}

// runFlags are the flags of a run beside its configuration.
type runFlags struct {
	json, sandbox, replay bool
	breakLock             bool
	profiles              profiles
}

func (a *app) makeRun(cmd *cobra.Command, command string) {
	var f runFlags
	cmd.Flags().BoolVar(&f.json, "json", false, "print the summary as one JSON document")
	cmd.Flags().BoolVar(&f.sandbox, "sandbox", false, "fetch from a made-up API within this process (implies --rpm none)")
	f.profiles.addFlags(cmd)
	addBreakLock(cmd, &f.breakLock)
	if command == pipeline.Backfill {
		cmd.Flags().BoolVar(&f.replay, "replay", false, "build the tables anew from the journal, without the API")
		cmd.MarkFlagsMutuallyExclusive("sandbox", "replay")
	}
	addSourceFlags(cmd)
	addRunFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.run(cmd, command, f) }
}

// loadFor is the configuration of a run; a replay asks no source.
func (a *app) loadFor(cmd *cobra.Command, f runFlags) (c *config.Config, stop func() error, err error) {
	if f.replay {
		c, err = a.load(cmd)
		return c, func() error { return nil }, err
	}
	return a.loadSource(cmd, f.sandbox)
}

// garbage is how much of it a run may hold, in percent of what it needs, before it is collected. What a run needs is buffers for the most part, in
// which there is nothing to look for: collecting more often than Go does by itself costs little, and saves a third of the memory.
const garbage = 40

func (a *app) run(cmd *cobra.Command, command string, f runFlags) (err error) {
	ctx := cmd.Context()
	c, stop, err := a.loadFor(cmd, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if _, set := a.env("GOGC"); !set {
		debug.SetGCPercent(garbage)
	}
	progress := cli.NewProgress(a.stderr)
	log := a.logger(c, progress)
	after, err := a.afterRun(ctx, c, log)
	if err != nil {
		return err
	}
	stopProfiles, err := f.profiles.start(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopProfiles()) }()
	summary, runErr := pipeline.Run(ctx, pipeline.Options{
		Config: c, Command: command, Replay: f.replay, BreakLock: f.breakLock, Now: time.Now,
		Log:        log,
		OnProgress: func(p pipeline.Progress) { show(progress, p) },
	})
	progress.Close()
	after.ended(ctx, summary, runErr)
	if err := errors.Join(runErr, a.report(ctx, c, summary, f)); err != nil {
		return err
	}
	if summary.NeedsPerson() {
		return cli.ErrAttention
	}
	return nil
}

// things are what each phase of a run counts.
var things = map[string]string{"models": "models", "build": "rows", "verify": "tables"}

func show(bar *cli.Progress, p pipeline.Progress) {
	if p.Waiting > 0 {
		bar.Wait(p.Waiting)
	}
	if p.Phase == "" {
		return
	}
	counted, ok := things[p.Phase]
	if !ok {
		counted = "users"
	}
	bar.Update(p.Phase, counted, p.Done, p.Total)
}

// report prints the summary. A run that ended before it had a name has none.
func (a *app) report(ctx context.Context, c *config.Config, s *pipeline.Summary, f runFlags) error {
	switch {
	case s == nil || s.RunID == "":
		return nil
	case f.json:
		return a.printJSON(s)
	}
	if _, err := a.stdout.Write([]byte(summaryText(s, c.Warehouse))); err != nil {
		return fmt.Errorf("print the summary: %w", err)
	}
	if s.Error != "" || !f.sandbox && !a.stdout.Terminal {
		return nil
	}
	return a.firstRows(ctx, c.Warehouse)
}

// shownRows is how many users are shown after a run.
const shownRows = 5

// firstRows shows the first rows of the documented query.
func (a *app) firstRows(ctx context.Context, warehouse string) (err error) {
	v, err := publish.Open(warehouse).Current()
	if errors.Is(err, publish.ErrNoVersion) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := duckdb.OpenReader(ctx, v.Database(), duckdb.ReaderOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	rows, err := r.Query(ctx, fmt.Sprintf("FROM (%s) LIMIT %d", documentedQuery, shownRows))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if _, err := fmt.Fprintf(a.stdout, "\n%s\n", documentedQuery); err != nil {
		return err
	}
	screen := a.screen()
	if screen.Width == 0 {
		screen = output.Screen{Terminal: true, Width: 120} // whole preferences would fill a page of the log
	}
	_, err = output.Write(a.stdout, output.Table, rows, screen)
	return err
}

func (a *app) screen() output.Screen {
	return output.Screen{Terminal: a.stdout.Terminal, Width: a.stdout.Width}
}

// sandboxOrg is the organization of --sandbox: the one that a flag names. One from the environment or a file is real, and must not get made-up users.
func sandboxOrg(c *config.Config) (string, error) {
	if c.Origin("org").Place != config.FromFlag {
		return "", nil
	}
	if len(c.Orgs) > 1 {
		return "", &cli.UsageError{Message: fmt.Sprintf("--org %q: --sandbox has one organization", c.Orgs[1])}
	}
	return c.Orgs[0], nil
}

// refuseRealWarehouse keeps made-up users out of a warehouse of real ones.
func refuseRealWarehouse(dir, sandboxOrg string) error {
	v, err := publish.Open(dir).Current()
	if errors.Is(err, publish.ErrNoVersion) {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := readSummary(v.Manifest.Summary)
	if err != nil {
		return fmt.Errorf("version %s: %w", v.Run, err)
	}
	if slices.Equal(s.Orgs, []string{sandboxOrg}) {
		return nil
	}
	return &cli.UsageError{
		Message: fmt.Sprintf("--sandbox: the warehouse %s holds the users of %q, not of the sandbox's %q", dir, s.Orgs, sandboxOrg),
		Advice:  []string{"name a folder of its own for the made-up users: --warehouse ./sandbox-warehouse"},
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
	_ "time/tzdata" // for machines and images that have no time zones

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/daemon"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/metrics"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/notify"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/status"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) scheduleCommand() *cobra.Command {
	var sandboxed bool
	cmd := &cobra.Command{
		Use:     "schedule",
		GroupID: groupRun,
		Short:   "Run a sync every night, and serve the status page, metrics and health",
		Long: `Stay, and run a sync whenever schedule.cron says so, in schedule.time_zone, each in a process of
its own and with the same flags. Serve the status page, /metrics and /healthz on
schedule.listen (127.0.0.1:9180).

A time that the clock skips when it is put forward is at the first instant after the gap; one that
comes twice when it is put back is the first of the two. Where minute or hour is * or */N, runs go
on at that interval while the hour is repeated.

One run at a time: a time that comes while a run is on is counted as missed and left out. A run
that fails is tried again after 5, 10, 20… minutes, schedule.retries times at most and until the
next is due; refused credentials (12) and a wrong configuration (64) are not.

The first SIGTERM or SIGINT lets the run that is on finish; the second interrupts it, for the next
to go on with; the third ends it at once.`,
		Example: `  rollcall schedule --config /etc/rollcall.yaml
  ROLLCALL_SCHEDULE_CRON='*/10 * * * *' rollcall schedule --sandbox     # to try it`,
		Args: atMost(0, "rollcall schedule [flags]"),
	}
	cmd.Flags().BoolVar(&sandboxed, "sandbox", false, "run over a made-up API (implies --rpm none)")
	addSourceFlags(cmd)
	addRunFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.schedule(cmd, sandboxed) }
	return cmd
}

// addRunFlags gives a command the flags that are about the end of a run.
func addRunFlags(cmd *cobra.Command) {
	config.AddFlags(cmd.Flags(), config.RunCommands)
	must(config.AddCompletions(cmd, config.RunCommands))
	must(cmd.MarkFlagFilename("metrics-file", "prom"))
}

func (a *app) schedule(cmd *cobra.Command, sandboxed bool) (err error) {
	ctx := cmd.Context()
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	if sandboxed {
		c.MuteForSandbox()
	} else if err := c.RequireSource(); err != nil {
		return err
	}
	log := a.logger(c, a.stderr)
	after, err := a.afterRun(ctx, c, log)
	if err != nil {
		return err
	}
	process, err := a.process(cmd, c, log)
	if err != nil {
		return err
	}
	d, err := a.daemon(c, process, after, log)
	if err != nil {
		return err
	}
	drain := cli.Draining(ctx, process.Kill)
	stop, err := serveDaemon(ctx, c, d, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return d.Loop(ctx, drain)
}

// process is how a sync with this command's flags is run.
func (a *app) process(cmd *cobra.Command, c *config.Config, log zerolog.Logger) (*daemon.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	_, flags, err := cmd.Root().Find(a.args) // what the command line says beside the command's name
	if err != nil {
		return nil, fmt.Errorf("read the command line again: %w", err)
	}
	wh := publish.Open(c.Warehouse)
	if err := daemon.RemoveLeftovers(wh); err != nil {
		return nil, err
	}
	return &daemon.Process{
		Path: self, Args: append(append([]string{pipeline.Sync}, flags...), "--json", "--log-format", "json"), Env: append(os.Environ(), supervised+"=1"),
		Warehouse: wh, Log: log, Lines: cli.LogWriter(a.stderr, c.LogFormat),
	}, nil
}

func (a *app) daemon(c *config.Config, process *daemon.Process, after *aftermath, log zerolog.Logger) (*daemon.Daemon, error) {
	times, err := c.Times()
	if err != nil {
		return nil, err
	}
	facts, err := metrics.Read(process.Warehouse)
	if err != nil {
		return nil, err
	}
	var last time.Time
	if facts.Good != nil {
		last = metrics.Ended(facts.Good)
	}
	log.Info().Str("schedule", times.String()).Dur("later_by", times.Shift()).Msg("the night shift begins")
	return daemon.New(daemon.Options{
		Schedule: times, CatchUp: c.Schedule.CatchUp, Last: last, Deadline: c.Schedule.Deadline, Retries: c.Schedule.Retries, Run: process, Log: log,
		GaveUp: func(ctx context.Context, out daemon.Outcome) { after.tell(ctx, failure(c, out)) },
	}), nil
}

// failure is what to tell about a run that failed. Where it left no summary, what is known is what it was to do, and what it said last.
func failure(c *config.Config, out daemon.Outcome) notify.Run {
	r := notify.Run{Summary: out.Summary, Exit: out.Exit, Overdue: out.Overdue}
	if out.Summary == nil {
		r.Summary = &pipeline.Summary{Command: pipeline.Sync, Status: pipeline.Failed, Source: string(c.Source), Orgs: c.Orgs, StartedAt: out.Began.UTC().Format(time.RFC3339Nano),
			Seconds: out.Ended.Sub(out.Began).Seconds(), Error: out.Message}
		if out.Message == "" {
			r.Summary.Error = "the run's process crashed or was killed; its log says more"
		}
	}
	return r
}

// serveDaemon serves the daemon's pages until stop is called. Where nothing is to be listened on it does nothing.
func serveDaemon(ctx context.Context, c *config.Config, d *daemon.Daemon, log zerolog.Logger) (stop func() error, err error) {
	address := c.Schedule.Address()
	if address == "" {
		return func() error { return nil }, nil
	}
	page, err := statusPage(ctx, c, d, log)
	if err != nil {
		return nil, err
	}
	wh := publish.Open(c.Warehouse)
	registry, err := metrics.NewRegistry(daemonMetrics(wh, d))
	if err != nil {
		return nil, errors.Join(err, page.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: metricsLog{log}}))
	mux.Handle("GET /healthz", d.HealthHandler(c.Schedule.HealthyWithin, func() (time.Time, error) { return lastCertified(wh) }))
	mux.Handle("/", page)
	server, err := daemon.Serve(ctx, address, mux, log)
	if err != nil {
		return nil, errors.Join(err, page.Close())
	}
	log.Info().Stringer("address", server.Addr()).Msg("serving the status page, /metrics and /healthz")
	if !config.Loopback(server.Addr().String()) {
		log.Warn().Stringer("address", server.Addr()).Msg("other machines reach the status page, without a password and in plain HTTP: put a proxy with TLS in front of it, or set schedule.listen to 127.0.0.1")
	}
	return func() error { return errors.Join(server.Close(ctx), page.Close()) }, nil
}

func statusPage(ctx context.Context, c *config.Config, d *daemon.Daemon, log zerolog.Logger) (*status.Page, error) {
	token, err := c.StatusToken(ctx)
	if err != nil {
		return nil, err
	}
	return status.New(status.Options{
		Warehouse: c.Warehouse, SQLToken: token, Log: log,
		Next: func() (time.Time, bool) { return d.State().Next, true },
		Running: func() (time.Time, bool) {
			s := d.State()
			return s.Since, s.Running
		},
	})
}

// daemonMetrics are those of a warehouse with what its daemon knows.
func daemonMetrics(wh *publish.Warehouse, d *daemon.Daemon) metrics.Options {
	o := metricsOptions(wh)
	o.Daemon = func() metrics.Daemon {
		s := d.State()
		return metrics.Daemon{Next: s.Next, Running: s.Running, Runs: s.Runs, Missed: s.Missed, Retries: s.Retries}
	}
	o.Attempt = func() *metrics.Attempt {
		last := d.State().Last
		if last == nil {
			return nil
		}
		return &metrics.Attempt{Status: last.Status(), Ended: last.Ended}
	}
	return o
}

func lastCertified(wh *publish.Warehouse) (time.Time, error) {
	f, err := metrics.Read(wh)
	if err != nil || f.Certified == nil {
		return time.Time{}, err
	}
	return metrics.Observed(f.Certified), nil
}

// metricsLog takes what the metrics' handler has to complain about.
type metricsLog struct{ log zerolog.Logger }

func (l metricsLog) Println(v ...any) { l.log.Error().Msg(fmt.Sprint(v...)) }

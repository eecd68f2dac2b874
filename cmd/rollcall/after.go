package main

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/daemon"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/metrics"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/notify"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/tracing"
	"github.com/rollcall-data/rollcall/load/publish"
)

// supervised is the variable that tells a run that a daemon began it: the daemon tells people of failures, for it knows whether there is another try.
const supervised = "ROLLCALL_SUPERVISED"

// aftermath is what follows a run: metrics, a trace, notifications. Nothing in it changes how the run ended.
type aftermath struct {
	warehouse  *publish.Warehouse
	metrics    string // file; empty: none
	notifier   *notify.Notifier
	supervised bool
	traces     bool
	log        zerolog.Logger
}

// afterRun reads beforehand what will be needed, so that a mistake in it shows before the run and not after.
func (a *app) afterRun(ctx context.Context, c *config.Config, log zerolog.Logger) (*aftermath, error) {
	places, err := c.Notifications(ctx)
	if err != nil {
		return nil, err
	}
	wh := publish.Open(c.Warehouse)
	_, by := a.env(supervised)
	return &aftermath{warehouse: wh, metrics: c.MetricsFile, notifier: notify.New(places, wh, nil), supervised: by, traces: tracing.Enabled(a.env), log: log}, nil
}

// ended tells monitors and people about the run, which may have no summary.
func (m *aftermath) ended(ctx context.Context, s *pipeline.Summary, err error) {
	exit := cli.ExitCode(err)
	switch {
	case err != nil && ctx.Err() != nil:
		exit = cli.ExitInterrupted
	case err == nil && s.NeedsPerson():
		exit = cli.ExitAttention
	}
	out := daemon.Outcome{Exit: exit, Summary: s}
	if m.metrics != "" {
		attempt := metrics.Attempt{Status: out.Status(), Ended: time.Now()}
		o := metricsOptions(m.warehouse)
		o.Attempt = func() *metrics.Attempt { return &attempt }
		if err := metrics.WriteFile(m.metrics, o); err != nil {
			m.log.Warn().Err(err).Msg("the metrics are those of before")
		}
	}
	if m.traces && s.RunID != "" {
		if err := tracing.Send(ctx, s, metricsOptions(m.warehouse).Release); err != nil {
			m.log.Warn().Err(err).Msg("the run has no trace")
		}
	}
	if !out.Good() && m.supervised {
		return
	}
	m.tell(ctx, notify.Run{Summary: s, Exit: exit, Err: err})
}

func (m *aftermath) tell(ctx context.Context, r notify.Run) {
	for _, err := range m.notifier.Tell(ctx, r) {
		m.log.Warn().Err(err).Msg("somebody was not told how the run ended")
	}
}

// metricsOptions are those of every teller of metrics.
func metricsOptions(w *publish.Warehouse) metrics.Options {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return metrics.Options{Warehouse: w, Release: release(info), Statuses: daemon.Statuses()}
}

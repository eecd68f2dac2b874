package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/night"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/version"
)

// workerFlags are those of a worker beside where nights are.
type workerFlags struct {
	nightFlags
	rollcall, listen, until        string
	jobs                           int
	beat, deadAfter, snooze, grace time.Duration
	noPublish, allowMissing        bool
}

func (a *app) workerCommand() *cobra.Command {
	var w workerFlags
	cmd := &cobra.Command{
		Use:   "worker [flags] [-- ARGS OF ROLLCALL SYNC]",
		Short: "Fetch organizations of the night that are in the queue, and publish it when all are in",
		Long: `Take jobs from the queue, run rollcall sync for each organization in a warehouse of its own, and record
each one's result once. When the last one is in, one of the workers publishes them all, one commit a table.

Any number of workers run on any number of machines that share --warehouses (a folder) and --results. What
follows -- goes to rollcall sync; {org} in it is the organization as a file's name, so that each can have a
configuration and a key of its own: -- --config /etc/rollcall/orgs/{org}.yaml. It should not name a lake.

A worker may be killed, stopped or cut off at any time: its jobs are given to others when it was not heard of
for --dead-after, go on from the warehouse's journal, and are put off while a process of it still holds the
warehouse. Where a machine died with a warehouse on a shared file system, its lock stays: a person who knows
that nothing runs there any more gives it back with rollcall sync --break-lock.

What rollcall's exit code does: 0 and 3, the result; 12 and 64, the organization has failed; 10 and 11, it is put off;
any other, it is tried again later, each time later.`,
		Example: `  rollcall-lake worker --warehouses /srv/rollcall/warehouses --results /srv/rollcall/results \
    -- --config /etc/rollcall/orgs/{org}.yaml
  rollcall-lake worker --until 2026-11-23 …    # ends with that night`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return &usageError{fmt.Sprintf("argument %q", args[0]), []string{"what is for rollcall sync comes behind --"}}
			}
			return a.work(cmd.Context(), w, args)
		},
	}
	f := cmd.Flags()
	w.add(f)
	f.StringVar(&w.rollcall, "rollcall", "", "the program rollcall (default: beside this program, else on the PATH)")
	f.IntVar(&w.jobs, "jobs", 2, "organizations at once")
	f.StringVar(&w.until, "until", "", "end when this night has ended, as 2026-11-23")
	f.StringVar(&w.listen, "listen", "", "HOST:PORT to serve the nights' status page on")
	f.BoolVar(&w.noPublish, "no-publish", false, "leave it to others to publish the night")
	f.BoolVar(&w.allowMissing, "allow-missing", false, "publish the night although organizations failed; they keep the rows of before")
	f.DurationVar(&w.beat, "beat", 5*time.Second, "time between two signs of life")
	f.DurationVar(&w.deadAfter, "dead-after", time.Minute, "time without one after which a worker's jobs are given to others")
	f.DurationVar(&w.snooze, "put-off", time.Minute, "time that an organization is put off when another process holds its warehouse")
	f.DurationVar(&w.grace, "grace", 2*time.Minute, "time that rollcall has to stop")
	return cmd
}

func (w workerFlags) check() error {
	switch {
	case w.warehouses == "":
		return &usageError{"warehouses: it is missing", []string{"--warehouses DIR, or ROLLCALL_LAKE_WAREHOUSES: a folder that all workers share"}}
	case w.jobs < 1 || w.jobs > 1000:
		return &usageError{message: fmt.Sprintf("jobs: %d is not between 1 and 1000", w.jobs)}
	case w.beat <= 0 || w.deadAfter < 3*w.beat:
		return &usageError{message: fmt.Sprintf("dead-after: %s is not three times --beat (%s) or more", w.deadAfter, w.beat)}
	case w.snooze < 0:
		return &usageError{message: fmt.Sprintf("put-off: %s is negative", w.snooze)}
	case w.grace < 0:
		return &usageError{message: fmt.Sprintf("grace: %s is negative", w.grace)}
	case w.until != "":
		return night.CheckDate(w.until)
	}
	return nil
}

// findRollcall is the program's path.
func findRollcall(named string) (string, error) {
	if named == "" {
		if self, err := os.Executable(); err == nil {
			if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), "rollcall")); err == nil {
				return path, nil
			}
		}
		named = "rollcall"
	}
	path, err := exec.LookPath(named)
	if err != nil {
		return "", &usageError{fmt.Sprintf("rollcall: %v", err), []string{"--rollcall PATH, or ROLLCALL_LAKE_ROLLCALL"}}
	}
	return path, nil
}

func (a *app) work(ctx context.Context, w workerFlags, args []string) error {
	if err := w.check(); err != nil {
		return err
	}
	if !w.noPublish {
		if err := a.settings.Validate(); err != nil {
			return err
		}
	}
	program, err := findRollcall(w.rollcall)
	if err != nil {
		return err
	}
	p, err := a.place(ctx, w.nightFlags)
	if err != nil {
		return err
	}
	q, err := a.queue(ctx)
	if err != nil {
		return err
	}
	defer q.Close()
	id := workerID()
	log := a.log.With().Str("worker", id).Logger()
	a.log = log
	r := night.Rollcall{
		Path: program, Args: args, Warehouses: w.warehouses, Grace: w.grace, Warn: func(org, line string) { log.Warn().Str("org", org).Msg(visible(line)) },
	}
	worker := &night.Worker{
		Queue: q, Place: p, Rollcall: r, ID: id, Jobs: w.jobs, Beat: w.beat, DeadAfter: w.deadAfter, Snooze: w.snooze, Until: w.until, Hooks: a.workerHooks(),
	}
	if !w.noPublish {
		quiet := *a
		quiet.stdout = io.Discard // the log says it
		worker.Publish = func(ctx context.Context, date string) error {
			err := quiet.publishNight(ctx, p, date, r, w.allowMissing, id)
			if older := new(lake.OlderError); errors.As(err, &older) {
				log.Warn().Str("night", date).Str("because", visible(err.Error())).Msg("night is not published: a later one was")
				return nil
			}
			if errors.Is(err, errAttention) {
				return nil
			}
			return err
		}
	}
	log.Info().Int("jobs", w.jobs).Msg("worker begins")
	return a.serveWhile(ctx, w.listen, p, q, worker.Run)
}

// workerID is a name that no other worker has or had.
func workerID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	var nonce [4]byte
	_, _ = rand.Read(nonce[:]) // it never fails
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), hex.EncodeToString(nonce[:]))
}

func (a *app) workerHooks() night.Hooks {
	log := a.log
	return night.Hooks{
		Recorded: func(r night.Result) {
			log.Info().Str("night", r.Night).Str("org", r.Org).Str("run", r.Run).Str("status", r.Status).Int64("users", r.Users).Int("requests", r.Requests).
				Float64("seconds", r.Seconds).Float64("rate_share", r.RateShare).Bool("found", r.Found).Msg("organization done")
		},
		Late: func(org, run string) {
			log.Warn().Str("org", org).Str("run", run).Msg("late: the organization has a result already, and this one is not taken")
		},
		Retried: func(org string, code int, reason string) {
			log.Warn().Str("org", org).Int("exit", code).Str("because", visible(reason)).Msg("organization is tried again later")
		},
		PutOff: func(org, reason string) {
			log.Info().Str("org", org).Str("because", visible(reason)).Msg("organization is put off")
		},
		Failed: func(org string, code int, reason string) {
			log.Error().Str("org", org).Int("exit", code).Str("because", visible(reason)).Msg("failed; nobody tries it again")
		},
		TookOver: func(jobs int64) {
			log.Warn().Int64("jobs", jobs).Msg("took over jobs of a worker that is heard of no more")
		},
		Trouble: func(doing string, err error) {
			log.Warn().Str("doing", doing).Str("because", visible(err.Error())).Msg("tried again")
		},
	}
}

// publishNight publishes a night's versions to the lake.
func (a *app) publishNight(ctx context.Context, p *night.Place, date string, r night.Rollcall, allowMissing bool, by string) error {
	var missing []string
	first, err := night.PublishTo(ctx, p, date, r, allowMissing, by, func(ctx context.Context, d night.Decision) error {
		missing = d.Missing
		in, err := nightInput(d, r)
		if err != nil {
			return err
		}
		return a.withLake(ctx, true, func(ctx context.Context, l *lake.Lake) error {
			return a.report("night publish", d.Run, func(done func(lake.Result)) error { return l.Publish(ctx, in, done) })
		})
	})
	if err != nil {
		return err
	}
	a.log.Info().Str("night", date).Bool("first", first).Int("missing", len(missing)).Msg("night published")
	if len(missing) > 0 {
		return errAttention
	}
	return nil
}

// nightInput is what a night is to the lake: the versions that were decided on, under the night's run id.
func nightInput(d night.Decision, r night.Rollcall) (lake.Input, error) {
	var versions []*version.Version
	for _, folder := range d.Folders(r) {
		v, err := version.Open(folder)
		if err != nil {
			return lake.Input{}, err
		}
		versions = append(versions, v)
	}
	in := input(versions...)
	in.Run, in.Certificate = d.Run, lake.Certificate(d.Certificate)
	return in, nil
}

// serveWhile serves the status page, where there is an address for it, while f runs.
func (a *app) serveWhile(ctx context.Context, listen string, p *night.Place, q *night.Queue, f func(context.Context) error) error {
	if listen == "" {
		return f(ctx)
	}
	stop, err := night.Serve(ctx, listen, p, q, func(err error) {
		a.log.Warn().Str("because", visible(err.Error())).Msg("the status page could not be shown")
	})
	if err != nil {
		return err
	}
	return errors.Join(f(ctx), stop())
}

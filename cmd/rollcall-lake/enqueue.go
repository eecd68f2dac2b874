package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/night"
)

// nightFlags are where nights are kept. Flags are taken from variables too, as everywhere here.
type nightFlags struct {
	results, warehouses string
}

func (n *nightFlags) add(f *pflag.FlagSet) {
	f.StringVar(&n.results, "results", "", "where plans and results are: a folder that all workers share, or s3://BUCKET/PREFIX")
	f.StringVar(&n.warehouses, "warehouses", "", "folder that all workers share, a warehouse an organization in it")
}

// place opens the place of the results.
func (a *app) place(ctx context.Context, n nightFlags) (*night.Place, error) {
	if n.results == "" {
		return nil, &usageError{"results: it is missing", []string{"--results DIR or s3://BUCKET/PREFIX, or ROLLCALL_LAKE_RESULTS"}}
	}
	return night.Open(ctx, n.results, night.ObjectStorage{Endpoint: a.settings.Endpoint, Region: a.settings.Region, PathStyle: a.settings.PathStyle})
}

// queueAddress is where the queue is: it may hold a password, and is no flag.
func (a *app) queueAddress() catalog.Secret {
	if v, ok := a.env("ROLLCALL_LAKE_QUEUE"); ok && v != "" {
		return catalog.Secret(v)
	}
	if uri := a.settings.URI; strings.HasPrefix(uri.Reveal(), "postgres") {
		return uri
	}
	return ""
}

// queue opens the queue. The caller closes it.
func (a *app) queue(ctx context.Context) (*night.Queue, error) {
	at := a.queueAddress()
	if at == "" {
		return nil, &usageError{"queue: it is missing", []string{"ROLLCALL_LAKE_QUEUE: postgres://USER:PASSWORD@HOST:PORT/DATABASE; else a ROLLCALL_LAKE_URI that is one"}}
	}
	return night.OpenQueue(ctx, at.Reveal(), a.riverLog())
}

// riverLog is what the queue's library says by itself, from warnings up.
func (a *app) riverLog() *slog.Logger {
	return slog.New(zerolog.NewSlogHandler(a.log.Level(max(zerolog.WarnLevel, a.log.GetLevel())).With().Str("from", "river").Logger()))
}

func (a *app) enqueueCommand() *cobra.Command {
	var n nightFlags
	var date, orgs string
	var attempts int
	var allowRemoved bool
	cmd := &cobra.Command{
		Use:   "enqueue --night DATE --orgs FILE",
		Short: "Begin a night: one job an organization, for the workers",
		Long: `Begin a night: freeze its list of organizations, and put one job for each of them into the queue in
Postgres, for rollcall-lake worker to take.

The list is the night's plan (nights/DATE/plan.json among the results). It never changes. Enqueued again, the
same night skips what has a job or a result; organizations that failed for good are tried again. What a
night publishes is all there is: a list that lacks organizations of the night before is refused without
--allow-removed, for their rows would go from the lake.

The queue is at ROLLCALL_LAKE_QUEUE (postgres://…), else at the SQL catalog's ROLLCALL_LAKE_URI.`,
		Example: `  rollcall-lake enqueue --night 2026-11-23 --orgs /etc/rollcall/orgs --results /srv/rollcall/results
  rollcall-lake enqueue --night "$(date +%F)" --orgs - < orgs`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := readOrgs(cmd.InOrStdin(), orgs)
			if err != nil {
				return err
			}
			return a.enqueue(cmd.Context(), n, date, list, attempts, allowRemoved)
		},
	}
	n.add(cmd.Flags())
	cmd.Flags().StringVar(&date, "night", "", "the night's date, as 2026-11-23 (default: today's, in this machine's time zone)")
	cmd.Flags().StringVar(&orgs, "orgs", "", "`file` with an organization a line; -: standard input")
	cmd.Flags().IntVar(&attempts, "attempts", 10, "how often an organization is tried before it has failed; the tenth comes three hours and more after the first")
	cmd.Flags().BoolVar(&allowRemoved, "allow-removed", false, "organizations of the night before may be missing")
	a.jsonFlag(cmd)
	return cmd
}

func readOrgs(stdin io.Reader, path string) (orgs []string, err error) {
	switch path {
	case "":
		return nil, &usageError{"orgs: it is missing", []string{"--orgs FILE: one organization a line; - reads standard input"}}
	case "-":
		return night.ReadOrgs(stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &usageError{message: "orgs: " + err.Error()}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return night.ReadOrgs(f)
}

// enqueued is what enqueue prints with --json.
type enqueued struct {
	Night string `json:"night"`
	Run   string `json:"run_id"`
	Orgs  int    `json:"orgs"`
	Made  bool   `json:"plan_made"`
	night.Enqueued
}

func (a *app) enqueue(ctx context.Context, n nightFlags, date string, orgs []string, attempts int, allowRemoved bool) error {
	if attempts < 1 || attempts > 25 {
		return &usageError{message: fmt.Sprintf("attempts: %d is not between 1 and 25", attempts)}
	}
	if date == "" {
		date = time.Now().Format(time.DateOnly)
	}
	p, err := a.place(ctx, n)
	if err != nil {
		return err
	}
	q, err := a.queue(ctx)
	if err != nil {
		return err
	}
	defer q.Close()
	plan, made, err := night.Freeze(ctx, p, date, orgs, time.Now(), allowRemoved)
	if err != nil {
		return err
	}
	done, err := q.Enqueue(ctx, p, plan, attempts)
	if err != nil {
		return err
	}
	if a.json {
		return a.document(enqueued{plan.Night, plan.Run, len(plan.Orgs), made, done})
	}
	_, err = fmt.Fprintf(a.stdout, "night %s, run %s: %d organizations, %d jobs inserted, %d skipped: in the queue already, or done\n",
		plan.Night, plan.Run, len(plan.Orgs), done.Inserted, done.Skipped)
	return err
}

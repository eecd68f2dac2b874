package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/night"
)

func (a *app) nightCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "night",
		Short: "Look at a night, or publish it by hand",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Sprintf("unknown command %q", "night "+args[0]), []string{"rollcall-lake night -h lists them"}}
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.nightStatusCommand(), a.nightPublishCommand(), a.nightEraseCommand(), a.nightServeCommand())
	return cmd
}

func (a *app) nightStatusCommand() *cobra.Command {
	var n nightFlags
	var date string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "How far a night is, one row an organization",
		Long: `How far a night is: one row an organization, those that want somebody first. The states: failed
(nobody tries it any more), not in the queue (enqueue again), retrying, held off (another process
holds its warehouse), running, waiting, done. Without ROLLCALL_LAKE_QUEUE, what has no outcome is
waiting. RATE is the share of the requests allowed in the run's minutes that the run made.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.nightStatus(cmd.Context(), n, date) },
	}
	n.add(cmd.Flags())
	cmd.Flags().StringVar(&date, "night", "", "the night's date (default: the latest)")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) nightStatus(ctx context.Context, n nightFlags, date string) error {
	p, err := a.place(ctx, n)
	if err != nil {
		return err
	}
	if date, err = a.nightOr(ctx, p, date); err != nil {
		return err
	}
	var q *night.Queue
	if a.queueAddress() != "" {
		if q, err = a.queue(ctx); err != nil {
			return err
		}
		defer q.Close()
	}
	s, err := night.StatusOf(ctx, p, q, date)
	if err != nil {
		return noNight(err, date)
	}
	if a.json {
		return a.document(s)
	}
	return a.printNight(s)
}

func (a *app) printNight(s night.Status) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ORGANIZATION\tSTATE\tCERTIFIED\tUSERS\tREQUESTS\tRATE\tATTEMPTS\tAGE\tERROR")
	for _, r := range s.Rows {
		state := r.State
		if r.Status != "" {
			state = r.Status
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.0f%%\t%d\t%s\t%s\n", visible(r.Org), state, yes(r.Certified), comma(r.Users), comma(int64(r.Requests)),
			100*r.RateShare, r.Attempts, time.Since(r.Since).Round(time.Second), visible(a.settings.Redact(r.Error)))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	published := "not published"
	if s.Published != nil {
		published = "published " + s.Published.At.Format(time.RFC3339)
		if len(s.Missing) > 0 {
			published += fmt.Sprintf(" without %d organizations", len(s.Missing))
		}
	}
	_, err := fmt.Fprintf(a.stdout, "night %s, run %s: %d of %d done, %d certified, %s users, %s\n",
		s.Night, s.Run, s.States[night.StateDone], len(s.Rows), s.Certified, comma(s.Users), published)
	return err
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// nightOr is the night that was named, else the latest.
func (a *app) nightOr(ctx context.Context, p *night.Place, date string) (string, error) {
	if date != "" {
		return date, nil
	}
	nights, err := night.Nights(ctx, p)
	if err == nil && len(nights) == 0 {
		err = &noNightError{}
	}
	if err != nil {
		return "", err
	}
	return nights[len(nights)-1], nil
}

// noNightError says that there is no such night.
type noNightError struct{ date string }

func (e *noNightError) Error() string {
	if e.date == "" {
		return "there is no night yet"
	}
	return "there is no night of " + e.date
}

// Hints says what to do.
func (e *noNightError) Hints() []string {
	return []string{"rollcall-lake enqueue begins one; --results names another place"}
}

func noNight(err error, date string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &noNightError{date}
	}
	return err
}

func (a *app) nightPublishCommand() *cobra.Command {
	var n nightFlags
	var date string
	var allowMissing bool
	cmd := &cobra.Command{
		Use:   "publish --night DATE",
		Short: "Publish a night to the lake, all organizations in one commit a table",
		Long: `Publish a night to the lake: the versions of all organizations, in one commit a table, marked with the
night's run id. Workers do this by themselves when the last result is in; any number may, at once, and
one commits.

It is refused until every organization has a result or has failed, and, where some failed, without
--allow-missing: with it, those keep the rows of their last version. What is published is decided once
(nights/DATE/publish.json); an organization that is fetched later is in the next night.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := (workerFlags{nightFlags: n, jobs: 1, beat: 1, deadAfter: 3}).check(); err != nil {
				return err
			}
			p, err := a.place(cmd.Context(), n)
			if err != nil {
				return err
			}
			if date == "" {
				return &usageError{"night: it is missing", []string{"--night 2026-11-23"}}
			}
			return noNight(a.publishNight(cmd.Context(), p, date, night.Rollcall{Warehouses: n.warehouses}, allowMissing, workerID()), date)
		},
	}
	n.add(cmd.Flags())
	cmd.Flags().StringVar(&date, "night", "", "the night's date")
	cmd.Flags().BoolVar(&allowMissing, "allow-missing", false, "publish although organizations failed; they keep the rows of before")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) nightEraseCommand() *cobra.Command {
	var n nightFlags
	var date string
	cmd := &cobra.Command{
		Use:   "erase",
		Short: "Leave no byte in the lake of anybody who is not in the published night's versions",
		Long: `Leave no byte in the lake of anybody who is not in the versions of the night that was published last, or that
was about to be: run after rollcall forget in the warehouse of an organization, which rewrote its versions. It is
rollcall-lake erase over all organizations; that command alone would take one organization's warehouse for all
there is.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := (workerFlags{nightFlags: n, jobs: 1, beat: 1, deadAfter: 3}).check(); err != nil {
				return err
			}
			p, err := a.place(cmd.Context(), n)
			if err != nil {
				return err
			}
			d, err := night.LastDecided(cmd.Context(), p, date)
			if err != nil {
				return noNight(err, date)
			}
			return a.eraseNight(cmd.Context(), d, night.Rollcall{Warehouses: n.warehouses})
		},
	}
	n.add(cmd.Flags())
	cmd.Flags().StringVar(&date, "night", "", "the night that the lake shows (default: the latest that was published, or that a killed worker left on the way)")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) eraseNight(ctx context.Context, d night.Decision, r night.Rollcall) error {
	in, err := nightInput(d, r)
	if err != nil {
		return err
	}
	return a.withLake(ctx, true, func(ctx context.Context, l *lake.Lake) error {
		return a.report("night erase", d.Run, func(done func(lake.Result)) error { return a.erase(ctx, l, in, done) })
	})
}

func (a *app) nightServeCommand() *cobra.Command {
	var n nightFlags
	var listen string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the nights' status page",
		Long: `Serve a page with one row an organization of the latest night, or of /DATE, and the same as JSON at
/DATE.json. It shows names of organizations and numbers, nothing of users, and asks nobody who he is: it
is for a loopback address, or for behind a proxy that asks.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.place(cmd.Context(), n)
			if err != nil {
				return err
			}
			var q *night.Queue
			if a.queueAddress() != "" {
				if q, err = a.queue(cmd.Context()); err != nil {
					return err
				}
				defer q.Close()
			}
			return a.serveWhile(cmd.Context(), listen, p, q, func(ctx context.Context) error {
				<-ctx.Done()
				return nil // being interrupted is how a server ends
			})
		},
	}
	n.add(cmd.Flags())
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9190", "HOST:PORT")
	return cmd
}

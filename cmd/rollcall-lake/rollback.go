package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/version"
)

func (a *app) rollbackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollback [RUN]",
		Short: "Make the tables show an earlier run",
		Long: `Make the tables show an earlier run, by default the one before: each is pointed at the snapshot whose
summary names the run, which costs nothing. Columns are those of that snapshot. Where a table has no such
snapshot any more, it is made equal to the warehouse's version of that run, if there is one.

Every table is looked at before the first is changed: where one cannot go back, none does. Interrupted, it goes
on when it is run again.

The lake then stays as it is until a newer run comes than the one that it was rolled back from: publishing that
one again changes nothing. rollback to it takes the rollback back.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
				return &usageError{message: err.Error()}
			}
			if len(args) == 1 && !version.IsRun(args[0]) {
				return &usageError{"this is no run's id: " + args[0], []string{"rollcall runs lists them"}}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLake(cmd.Context(), true, func(ctx context.Context, l *lake.Lake) error { return a.rollback(ctx, l, args) })
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) rollback(ctx context.Context, l *lake.Lake, args []string) error {
	var run string
	if len(args) == 1 {
		run = args[0]
	} else {
		before, err := l.Before(ctx)
		if err != nil {
			return err
		}
		if before == "" {
			return &usageError{"no earlier run is left in the snapshots of all tables", []string{"rollcall-lake rollback RUN takes a version of the warehouse"}}
		}
		run = before
	}
	var from *lake.Input
	switch v, err := version.OfRun(a.warehouse, run); {
	case err == nil:
		in := input(v)
		from = &in
	case !errors.Is(err, version.ErrNone):
		return err
	}
	return a.report("rollback", run, func(done func(lake.Result)) error { return l.Rollback(ctx, run, from, done) })
}

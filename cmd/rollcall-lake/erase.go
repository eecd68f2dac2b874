package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/version"
)

func (a *app) eraseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "erase",
		Short: "Leave no byte of anybody who is not in the current version",
		Long: `Leave no byte of anybody who is not in the current version: run after rollcall forget, which rewrote the
versions of the warehouse, and by it.

It takes no ids. The tables are made equal to the current version, compared by content even where they show its run
already; files in which rows were deleted are written anew; all other snapshots, and all branches and tags
but main, expire; and every file that then belongs to nobody is removed, however young. After it there is
nothing to roll back to but the versions of the warehouse.

The tables that jobs of rollcall-lake run made (lake_history, lake_people, lake_values) are removed with all
their files, for they hold what users were: run the jobs again.

It can be run again at any time, and goes on. It ends with 11 when another publisher is at work, whose files could
hold what should be gone: run it again then. No other program may write to the tables meanwhile. Versions
that a bucket keeps of removed objects are the bucket's: give it a lifecycle rule.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := version.Current(a.warehouse)
			if err != nil {
				return err
			}
			return a.withLake(cmd.Context(), true, func(ctx context.Context, l *lake.Lake) error {
				return a.report("erase", v.Run, func(done func(lake.Result)) error { return a.erase(ctx, l, input(v), done) })
			})
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

// erase leaves nothing of anybody who is not in the input: neither in our tables nor in those of jobs.
func (a *app) erase(ctx context.Context, l *lake.Lake, in lake.Input, done func(lake.Result)) error {
	err := l.Erase(ctx, in, done, func(e lake.Erased) {
		a.log.Info().Str("table", e.Table).Int("files_rewritten", e.Rewritten).Int("snapshots_expired", e.Expired).Int("files_removed", e.Removed).Msg("erased")
	})
	if err != nil {
		return err
	}
	return a.forgetJobs(ctx, l)
}

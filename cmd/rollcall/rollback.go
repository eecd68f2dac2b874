package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) rollbackCommand() *cobra.Command {
	var breakLock bool
	cmd := &cobra.Command{
		Use:     "rollback [RUN]",
		GroupID: groupOperate,
		Short:   "Make an earlier version current",
		Long: `Make an earlier version current: the one before, or that of a run. Readers switch at once, by
one rename; no version is removed. The next sync goes on from the version that is current then,
and brings it up to date. The copy in object storage and the lake follow; where one cannot be
reached, the exit code is 3, and the next sync goes on.`,
		Example: `  rollcall rollback
  rollcall rollback "$(rollcall runs --json | jq -r '.[1].run_id')"`,
		Args:              atMost(1, "rollcall rollback [RUN]"),
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			wh := publish.Open(c.Warehouse)
			if _, err := wh.Current(); err != nil {
				return err
			}
			return pipeline.Locked(wh, "rollback", breakLock, func() error {
				run, err := rollbackTarget(wh, args)
				if err != nil {
					return err
				}
				if err := wh.SetCurrent(run); err != nil {
					return err
				}
				if _, err = fmt.Fprintf(a.stderr, "version %s is current\n", run); err != nil {
					return fmt.Errorf("print: %w", err)
				}
				return a.publishCopies(cmd.Context(), c, wh)
			})
		},
	}
	addBreakLock(cmd, &breakLock)
	return cmd
}

// rollbackTarget is the version named, or the one before the current one.
func rollbackTarget(wh *publish.Warehouse, args []string) (string, error) {
	if len(args) == 1 {
		if _, err := wh.Version(args[0]); errors.Is(err, fs.ErrNotExist) {
			return "", &cli.UsageError{Message: fmt.Sprintf("run %q has no version here", args[0]), Advice: []string{"rollcall runs lists the runs; keep_versions says how many versions are kept"}}
		} else if err != nil {
			return "", err
		}
		return args[0], nil
	}
	current, err := wh.Current()
	if err != nil {
		return "", err
	}
	runs, err := wh.Versions()
	if err != nil {
		return "", err
	}
	i := slices.Index(runs, current.Run)
	if i <= 0 {
		return "", errors.New("there is no version before the current one")
	}
	return runs[i-1], nil
}

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) gcCommand() *cobra.Command {
	var breakLock bool
	cmd := &cobra.Command{
		Use:     "gc",
		GroupID: groupOperate,
		Short:   "Remove what retention no longer keeps, and say what was kept and why",
		Long: `Remove versions beyond keep_versions, but for the current one, those that somebody has open in
DuckDB, and those that were current within keep_for; and of journals older than keep_journal
everything but the answers that the models of live users come from, so that backfill --replay can
always rebuild the present. Every sync does the same when it has published. With journal: off it
removes the journal of every run that is done.`,
		Example: `  rollcall gc
  ROLLCALL_KEEP_VERSIONS=2 ROLLCALL_KEEP_FOR=0s rollcall gc        # make room now`,
		Args: atMost(0, "rollcall gc"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			wh := publish.Open(c.Warehouse)
			if _, err := wh.Current(); err != nil {
				return err
			}
			return pipeline.Locked(wh, "gc", breakLock, func() error {
				kept, err := pipeline.CollectGarbage(cmd.Context(), c, wh, time.Now())
				for _, k := range kept {
					did := "kept   "
					if k.Removed {
						did = "removed"
					}
					if _, err := fmt.Fprintf(a.stdout, "%s  %-7s  %s  %s\n", did, k.What, k.Run, k.Why); err != nil {
						return fmt.Errorf("print: %w", err)
					}
				}
				return err
			})
		},
	}
	addBreakLock(cmd, &breakLock)
	return cmd
}

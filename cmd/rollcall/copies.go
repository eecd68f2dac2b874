package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

// publishCopies has object storage and the lake follow what a command did to the warehouse, whose lock the caller holds, and says what is outstanding.
func (a *app) publishCopies(ctx context.Context, c *config.Config, wh *publish.Warehouse) error {
	log := a.logger(c, a.stderr)
	copies, err := pipeline.PublishCopies(ctx, c, wh, log, time.Now())
	if err != nil {
		return err
	}
	lakes, err := pipeline.PublishLakes(ctx, c, wh, log)
	if err != nil {
		return err
	}
	outstanding := append(pipeline.Outstanding(copies), pipeline.OutstandingLakes(lakes)...)
	for _, left := range outstanding {
		if _, err := fmt.Fprintf(a.stderr, "outstanding: %s (the next run goes on with it)\n", left); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	if len(outstanding) > 0 {
		return cli.ErrAttention
	}
	return nil
}

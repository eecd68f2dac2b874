package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) redactCommand() *cobra.Command {
	var breakLock bool
	cmd := &cobra.Command{
		Use:     "redact",
		GroupID: groupOperate,
		Short:   "Apply the rules about personal data to the versions made before them",
		Long: `Apply the pii rules in force to every version that was not made under them: each is rebuilt and
put in the place of the old one, history, changes and quarantine included. Every sync applies the
rules to what it fetches; only what was published before a rule was added needs this command.

The journal keeps the API's answers as they came. Interrupted, it goes on when run again. Copies in
object storage and the lake follow; where they cannot be reached, the exit code is 3, and the next
sync goes on.`,
		Example: `  rollcall redact`,
		Args:    atMost(0, "rollcall redact"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			if len(c.PII) == 0 {
				return &cli.UsageError{Message: "pii: no rule is configured", Advice: []string{"for example, in the configuration file: pii: {email: mask}"}}
			}
			done, err := pipeline.Redact(cmd.Context(), c, a.logger(c, a.stderr), time.Now(), breakLock)
			for _, run := range done {
				if _, err := fmt.Fprintf(a.stdout, "redacted  version  %s\n", run); err != nil {
					return fmt.Errorf("print: %w", err)
				}
			}
			if err == nil && len(done) == 0 {
				_, err = fmt.Fprintln(a.stderr, "every version was made under these rules")
			}
			if err != nil {
				return err
			}
			wh := publish.Open(c.Warehouse)
			return pipeline.Locked(wh, "redact", breakLock, func() error { return a.publishCopies(cmd.Context(), c, wh) })
		},
	}
	addBreakLock(cmd, &breakLock)
	return cmd
}

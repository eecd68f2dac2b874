package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) verifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "verify",
		GroupID: groupOperate,
		Short:   "Prove, offline, that DuckDB, Parquet and journal say the same",
		Long: `Prove, offline, that the current version is what was published: every file against the
manifest's hashes, every table in DuckDB against its Parquet files, the canonical hash of every
user against the certificate, every block of the journal against its checksums, and the answers
in the journal against the tables. What differs is named: the file, and the column where it is
one column's. The answers are skipped where journal: off has kept none, or where the journal is
encrypted and journal_identity is not set.

Exit codes: 0 all the same; 1 something differs; 10 nothing published yet.`,
		Example: `  rollcall verify
  rollcall verify --json | jq '.checks[] | select(.ok | not)'`,
		Args: atMost(0, "rollcall verify [--json]"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			v, err := pipeline.Verify(cmd.Context(), publish.Open(c.Warehouse), c.IdentityOfJournals())
			if err != nil {
				return err
			}
			return a.printVerification(v, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// differencesError says that a verification found differences.
type differencesError struct{ errs []error }

func (e *differencesError) Error() string { return errors.Join(e.errs...).Error() }

// Hints says what to do.
func (e *differencesError) Hints() []string {
	return []string{"rollcall rollback makes an earlier version current; rollcall backfill --replay builds the tables anew from the journal"}
}

func (a *app) printVerification(v *pipeline.Verification, asJSON bool) error {
	var wrong []error
	for _, c := range v.Checks {
		if !c.OK {
			wrong = append(wrong, fmt.Errorf("%s: %s", c.What, c.Wrong))
		}
		if !asJSON {
			mark, what := "ok  ", c.What
			switch {
			case !c.OK:
				mark = "FAIL"
			case c.Skipped != "":
				mark, what = "skip", what+" ("+c.Skipped+")"
			}
			if _, err := fmt.Fprintln(a.stdout, mark, what); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
	}
	if asJSON {
		if err := a.printJSON(v); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return &differencesError{wrong}
	}
	return nil
}

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
)

func (a *app) forgetCommand() *cobra.Command {
	var org string
	var suppress, asJSON, breakLock bool
	cmd := &cobra.Command{
		Use:     "forget USER_ID…",
		GroupID: groupOperate,
		Short:   "Erase users from everything in the warehouse",
		Long: `Erase users: every version that held them is rebuilt without them, history, deletions, changes
and quarantine included; the API's answers about them go from the journal; certificates are
computed anew and marked superseded; copies in object storage and the lake follow. What is left is
a record of the erasure, in erasures/, that names nobody. With - as the USER_ID, ids are read from
standard input, one a line.

Interrupted at any point, it goes on when forget is run again, for whomever; without a USER_ID it
does only that. Until then every sync ends in 3.

If the API still lists a user, the next sync brings them back as a new one. --suppress leaves them
out for good: the warehouse keeps a keyed hash that knows them again and says nothing.

Exit codes: 0 erased; 3 erased, but the API still lists somebody, cannot be asked, or something is
outstanding; 64 an id is unknown, or in several organizations; 11 a run holds the warehouse.`,
		Example: `  rollcall forget 65f1c0ffee00000000000042
  rollcall forget --suppress --org acme-health - < leavers.txt`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			users, err := userIDs(args, a.stdin)
			if err != nil {
				return err
			}
			if err := forgetsSomebody(c.Warehouse, users); err != nil {
				return err
			}
			done, err := pipeline.Forget(cmd.Context(), pipeline.ForgetOptions{
				Config: c, Users: users, Org: org, Suppress: suppress, BreakLock: breakLock, Log: a.logger(c, a.stderr), Now: time.Now,
			})
			if err != nil {
				return usageOf(err)
			}
			return a.printForgotten(done, suppress, asJSON)
		},
	}
	cmd.Flags().StringVar(&org, "org", "", "`organization` the users are in, where an id is in several")
	cmd.Flags().BoolVar(&suppress, "suppress", false, "leave them out of every later sync too")
	addBreakLock(cmd, &breakLock)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the records of the erasures as one JSON document")
	return cmd
}

// userIDs are the ids on the command line, each once; - stands for those on standard input.
func userIDs(args []string, stdin io.Reader) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	add := func(id string) {
		if id != "" && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	for _, arg := range args {
		if arg != "-" {
			add(arg)
			continue
		}
		lines := bufio.NewScanner(stdin)
		for lines.Scan() {
			add(strings.TrimSuffix(lines.Text(), "\r"))
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read the user_ids: %w", err)
		}
	}
	return out, nil
}

// forgetsSomebody refuses a command line that names nobody, unless an erasure waits to be finished.
func forgetsSomebody(warehouse string, users []string) error {
	if len(users) > 0 {
		return nil
	}
	waiting, err := pipeline.UnfinishedErasure(warehouse)
	if err != nil || waiting != "" {
		return err
	}
	return &cli.UsageError{Message: "no user is named", Advice: []string{"rollcall forget USER_ID…, or - to read user_ids from standard input"}}
}

// usageOf makes what is wrong with the ids given an error of usage.
func usageOf(err error) error {
	var nobody *pipeline.NobodyError
	var ambiguous *pipeline.AmbiguousError
	switch {
	case errors.As(err, &nobody):
		return &cli.UsageError{Message: nobody.Error(), Advice: nobody.Hints()}
	case errors.As(err, &ambiguous):
		return &cli.UsageError{Message: ambiguous.Error(), Advice: ambiguous.Hints()}
	}
	return err
}

func (a *app) printForgotten(f *pipeline.Forgotten, suppressed, asJSON bool) error {
	if asJSON {
		if err := a.printJSON(f.Erasures); err != nil {
			return err
		}
	}
	attention := false
	var b strings.Builder
	for _, e := range f.Erasures {
		rows := int64(0)
		for _, file := range e.Files {
			rows += file.Rows
		}
		fmt.Fprintf(&b, "erased %s: %s in %s\n", plural(e.Users, "user", "users"), plural(int(rows), "row or answer", "rows and answers"),
			plural(len(e.Files), "version, journal or record", "versions, journals and records"))
		for _, left := range e.Outstanding {
			attention = true
			fmt.Fprintf(&b, "outstanding: %s\n", left)
		}
	}
	switch {
	case suppressed:
	case f.Listed == pipeline.StillListed:
		attention = true
		b.WriteString("the API still lists them: the next sync brings them back, unless they are deleted there or forgotten with --suppress\n")
	case f.Listed == pipeline.Unanswered:
		attention = true
		b.WriteString("the API could not be asked whether it still lists them: if it does, the next sync brings them back\n")
	case f.Listed == pipeline.NotAsked && len(f.Erasures) > 0:
		b.WriteString("the API was not asked whether it still lists them: if it does, the next sync brings them back (--suppress leaves them out)\n")
	}
	if _, err := io.WriteString(a.stderr, b.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if attention {
		return cli.ErrAttention
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
)

// The groups of commands in the help.
const (
	groupRun      = "run"
	groupRead     = "read"
	groupOperate  = "operate"
	groupSettings = "settings"
)

// execute runs a command line.
func (a *app) execute(ctx context.Context, args []string) error {
	root := a.root()
	began := false
	watch(root, &began)
	root.SetArgs(args)
	a.args = args
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil || began {
		return err
	}
	// Nothing ran: the command line itself is at fault, in words of cobra's.
	if usage := new(cli.UsageError); errors.As(err, &usage) {
		return err
	}
	return &cli.UsageError{Message: firstLine(err.Error()), Advice: a.advice(root, cmd, args)}
}

// watch notes when a command, past all checks of the command line, begins to run.
func watch(cmd *cobra.Command, began *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*began = true
			return run(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		watch(c, began)
	}
}

// firstLine drops the suggestions that cobra adds to a message; they are hints here.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (a *app) advice(root, cmd *cobra.Command, args []string) []string {
	if cmd == root && len(args) > 0 {
		if near := root.SuggestionsFor(args[0]); len(near) > 0 {
			return []string{"did you mean " + strings.Join(near, " or ") + "?"}
		}
	}
	return []string{cmd.CommandPath() + " -h shows what there is"}
}

// root is the whole command. A new command is one line here and a file of its own.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "rollcall",
		Short: "Every user, accounted for",
		Long: `rollcall turns an organization's users, as a SaaS API pages them out, into a users table
that analysts query with SQL: a DuckDB file and Parquet beside it, with a proof that nobody is
missing.`,
		Example: `  # Try it: no account, no configuration, no network
  rollcall sync --sandbox
  rollcall query

  # Your organization
  export AMIGO_ORGANIZATION_ID=… AMIGO_API_KEY=… AMIGO_API_KEY_ID=… AMIGO_USER_ID=…
  rollcall sync
  rollcall query "SELECT role, count(*) FROM users GROUP BY ALL"`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		DisableSuggestions:         true, // they are hints: see advice
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.NoArgs,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &cli.UsageError{Message: firstLine(err.Error()), Advice: []string{cmd.CommandPath() + " -h shows what there is"}}
	})
	config.AddFlags(root.PersistentFlags(), config.EveryCommand)
	must(config.AddCompletions(root, config.EveryCommand))
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Fetching users:"}, &cobra.Group{ID: groupRead, Title: "Reading the tables:"},
		&cobra.Group{ID: groupOperate, Title: "Looking after the warehouse:"}, &cobra.Group{ID: groupSettings, Title: "Setting up:"})
	root.SetHelpCommandGroupID(groupSettings)
	root.SetCompletionCommandGroupID(groupSettings)
	root.AddCommand(
		a.syncCommand(), a.backfillCommand(), a.scheduleCommand(), a.planCommand(),
		a.queryCommand(), a.schemaCommand(), a.pathCommand(),
		a.runsCommand(), a.statusCommand(), a.verifyCommand(), a.rollbackCommand(), a.forgetCommand(), a.redactCommand(), a.gcCommand(), a.lakeCommand(),
		a.initCommand(), a.doctorCommand(), a.sandboxCommand(), a.configCommand(), a.versionCommand(), a.manCommand(),
	)
	return root
}

// addSourceFlags gives a command the flags that say whom to ask, and how.
func addSourceFlags(cmd *cobra.Command) {
	config.AddFlags(cmd.Flags(), config.SourceCommands)
	must(config.AddCompletions(cmd, config.SourceCommands))
}

// must is for what can only fail by a mistake of this program, at every start.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// load is the configuration in force for a command.
func (a *app) load(cmd *cobra.Command) (*config.Config, error) {
	return config.Load(cmd.Flags(), a.env)
}

// loadSource is load for a command that asks a source, which there must be: with the sandbox, the made-up one, until stop is called.
func (a *app) loadSource(cmd *cobra.Command, sandboxed bool) (c *config.Config, stop func() error, err error) {
	if c, err = a.load(cmd); err != nil {
		return nil, nil, err
	}
	stop = func() error { return nil }
	if sandboxed {
		if stop, err = useSandbox(cmd.Context(), c); err != nil {
			return nil, nil, err
		}
	}
	if err := c.RequireSource(); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return c, stop, nil
}

// logger logs to w, which stands for standard error.
func (a *app) logger(c *config.Config, w io.Writer) zerolog.Logger {
	to := a.stderr
	to.Writer = w
	return cli.NewLogger(to, c.LogLevel, c.LogFormat)
}

// printJSON prints the one document of --json.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// atMost limits a command's arguments.
func atMost(n int, usage string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return &cli.UsageError{Message: fmt.Sprintf("%q is one argument too many for %s", args[n], cmd.CommandPath()), Advice: []string{usage}}
		}
		return nil
	}
}

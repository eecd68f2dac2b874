package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/lake"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) lakeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "lake COMMAND [ARG…]",
		GroupID: groupOperate,
		Short:   "Look after the Iceberg tables that versions are published to",
		Long: `Run rollcall-lake, the program that publishes versions to Apache Iceberg tables, with the lake of
this configuration and this warehouse:

  publish       make the tables show the current version
  status        what the tables show, and whether that is the current version
  maintain      compact files, expire snapshots, remove what failed writers left
  rollback RUN  make the tables show an earlier version
  erase         leave no byte of anybody who is not in the current version

Every sync publishes by itself where lake: is configured, and catches up on what it could not do
before; rollback, forget and redact reach the lake too. So maintain is what is left to do by hand, or
by a timer, about once a week.

publish is on record then, as a sync's is: rollcall status knows of it, and forget and redact reach the
lake; no run can be at work meanwhile. Given settings of another lake (--location …), it is not.

Everything after COMMAND is for rollcall-lake: rollcall lake COMMAND -h says what it takes. Its input,
output, signals and exit code are its own. It is found beside rollcall, else on the PATH, else where
lake.command says; the settings are handed to it in variables (ROLLCALL_LAKE_…), which also set the
keys of the configuration (lake.uri).`,
		Example: `  rollcall lake status
  rollcall lake maintain --config /etc/rollcall/rollcall.yaml
  rollcall lake publish -h`,
		DisableFlagParsing: true,
		RunE:               a.runLake,
	}
}

// runLake becomes rollcall-lake: streams, signals and the exit code need nobody in between.
func (a *app) runLake(cmd *cobra.Command, args []string) error {
	rest, err := ownFlags(cmd, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 || rest[0] == "-h" || rest[0] == "--help" {
		return cmd.Help()
	}
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	command, err := c.LakeCommand()
	if err != nil {
		return err
	}
	path, err := lake.Find(command)
	if err != nil {
		return err
	}
	access := config.LakeAccess{}
	if c.Lake.IsSet() {
		if access, err = c.LakeAccess(cmd.Context()); err != nil {
			return err
		}
	}
	var ours []string
	for _, k := range config.Keys() {
		if strings.HasPrefix(k.Name, "lake.") {
			ours = append(ours, k.Env()...)
		}
	}
	argv := append([]string{lake.Program, rest[0], "--warehouse", c.Warehouse}, rest[1:]...)
	env := lake.Environ(os.Environ(), ours, access.Variables())
	if rest[0] == "publish" && c.Lake.IsSet() && thisLake(rest[1:]) {
		wh := publish.Open(c.Warehouse)
		if _, err := wh.Current(); err != nil {
			return err
		}
		return pipeline.Locked(wh, "lake publish", false, func() error {
			return pipeline.PublishByHand(c, wh, access, func() error { return attend(cmd.Context(), path, argv[1:], env) })
		})
	}
	return fmt.Errorf("run %s: %w", path, syscall.Exec(path, argv, env)) //nolint:gosec // the program that the configuration names, or ours
}

// thisLake tells whether arguments of publish say how it speaks and works alone, and not which lake it publishes to, or that it only explains itself.
func thisLake(args []string) bool {
	for i := 0; i < len(args); i++ {
		name, _, given := strings.Cut(args[i], "=")
		switch name {
		case "--json", "--path-style":
		case "--log-level", "--log-format", "--held-rows", "--buckets", "--region":
			if !given {
				i++
			}
		default:
			return false
		}
	}
	return true
}

// attend runs the program to its end, with our streams. What interrupts us asks it to stop, once, wherever the signal came from.
func attend(ctx context.Context, path string, args, env []string) error {
	child := exec.CommandContext(ctx, path, args...) //nolint:gosec // the program that the configuration names, or ours
	child.Env, child.Stdin, child.Stdout, child.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal would send it the signal too, and the second one aborts
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGINT) }
	if err := child.Start(); err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	err := child.Wait()
	switch state := child.ProcessState; {
	case state != nil && state.Success(): // also when we were interrupted meanwhile: it had done its work
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case state != nil && state.Exited():
		return &cli.EndedError{Code: state.ExitCode()}
	}
	return fmt.Errorf("run %s: %w", path, err)
}

// ownFlags takes those flags out of a command line that say which configuration and which warehouse, wherever they stand.
func ownFlags(cmd *cobra.Command, args []string) (rest []string, err error) {
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		switch {
		case args[i] == "--":
			return append(rest, args[i:]...), nil
		case name != "--config" && name != "--warehouse":
			rest = append(rest, args[i])
			continue
		case !given && i+1 == len(args):
			return nil, &cli.UsageError{Message: "flag needs an argument: " + name}
		case !given:
			i++
			value = args[i]
		}
		if err := cmd.Flags().Set(strings.TrimPrefix(name, "--"), value); err != nil {
			return nil, &cli.UsageError{Message: err.Error()}
		}
	}
	return rest, nil
}

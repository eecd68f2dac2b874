package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) initCommand() *cobra.Command {
	var said answers
	var force bool
	cmd := &cobra.Command{
		Use:     "init",
		GroupID: groupSettings,
		Short:   "Write a configuration after five questions",
		Long: `Ask five questions and write a configuration with comments to ./rollcall.yaml, or where --config
says, for the owner alone to read. Each answer is also a flag, and is not asked for then; without a
terminal nothing is asked, and what no flag says is the default.

No secret is written: the API key comes from the environment, or from a file or a command that the
configuration names. A file that is there already is left alone without --force.`,
		Example: `  rollcall init
  rollcall init --org acme-health --region eu-central-1 --credentials file:/etc/rollcall/key --at 02:00`,
		Args: atMost(0, "rollcall init [flags]"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			said.warehouse = cmd.Flags().Lookup("warehouse").Value.String()
			path := a.configPath(cmd)
			if _, err := os.Lstat(path); err == nil && !force {
				return &cli.UsageError{Message: path + " is there already", Advice: []string{"--force replaces it; --config names another"}}
			}
			if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				i := &interview{in: bufio.NewScanner(a.stdin), out: a.stderr, given: cmd.Flags().Changed}
				if err := i.ask(&said); err != nil {
					return err
				}
			}
			return a.writeConfig(path, said, force)
		},
	}
	f := cmd.Flags()
	f.StringVar(&said.source, "source", string(config.Amigo), "1. API the users come from: amigo, amigo-sql or freddy")
	f.StringSliceVar(&said.orgs, "org", nil, "2. `organization` to ask; may be repeated")
	f.StringVar(&said.region, "region", "", "3. the organization's region, as eu-central-1, or the API's address (default: the source's own)")
	f.StringVar(&said.credentials, "credentials", fromEnvironment, "4. where the API key is: environment, file:`PATH` or command:COMMAND")
	f.StringVar(&said.keyID, "api-key-id", "", "4. `id` of the API key; not said: AMIGO_API_KEY_ID in the environment")
	f.StringVar(&said.userID, "user-id", "", "4. `user` to sign in as with the key; not said: AMIGO_USER_ID in the environment")
	f.StringVar(&said.at, "at", "02:00", "5. when the nightly run begins, in this machine's time zone, as `HH:MM`; where to: --warehouse")
	f.BoolVar(&force, "force", false, "replace a file that is there")
	must(cmd.RegisterFlagCompletionFunc("source", cobra.FixedCompletions([]string{string(config.Amigo), string(config.AmigoSQL), string(config.Freddy)}, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// configPath is where the configuration goes: where it would be looked for.
func (a *app) configPath(cmd *cobra.Command) string {
	if f := cmd.Flags().Lookup("config"); f != nil && f.Changed {
		return f.Value.String()
	}
	if path, ok := a.env("ROLLCALL_CONFIG"); ok && path != "" {
		return path
	}
	return config.DefaultFile
}

// writeConfig writes the file, and says what comes next. What is written was loaded before.
func (a *app) writeConfig(path string, said answers, force bool) (err error) {
	draft, err := said.draft(path)
	if err != nil {
		return err
	}
	if err := write(path, draft.YAML(), force); err != nil {
		return err
	}
	name := ""
	if filepath.Dir(path) != "." || filepath.Base(path) != config.DefaultFile {
		name = " --config " + path
	}
	missing := ""
	for _, v := range said.missing() {
		missing += fmt.Sprintf("  export %s=…\n", v)
	}
	_, err = fmt.Fprintf(a.stdout, `wrote %s, for you alone to read. Next:

%s  rollcall doctor%s      # checks it, and what the credentials are granted
  rollcall sync%s        # the first run; rollcall query shows the users
  rollcall schedule%s    # every night at %s; or cron, or a systemd timer: packaging/README.md
`, path, missing, name, name, name, said.at)
	return err
}

// write writes the text aside, loads it, and gives it its name: over a file that is there only with force.
func write(path, text string, force bool) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".rollcall-init-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left of it says nothing secret
	aside := filepath.Join(dir, filepath.Base(path))
	if err := publish.WriteFile(aside, []byte(text)); err != nil {
		return err
	}
	flags := pflag.NewFlagSet("init", pflag.ContinueOnError)
	config.AddFlags(flags, config.EveryCommand)
	if err := flags.Set("config", aside); err != nil {
		return fmt.Errorf("read %s again: %w", path, err)
	}
	if _, err := config.Load(flags, func(string) (string, bool) { return "", false }); err != nil {
		return err
	}
	if force {
		return os.Rename(aside, path)
	}
	if err := os.Link(aside, path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return &cli.UsageError{Message: path + " is there already"}
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

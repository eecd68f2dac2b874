package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sandbox"
)

// useSandbox starts a sandbox and makes it the source. stop ends it.
func useSandbox(ctx context.Context, c *config.Config) (stop func() error, err error) {
	if o := c.Origin("base_url"); o.Place == config.FromFlag {
		return nil, &cli.UsageError{Message: fmt.Sprintf("--base-url %q: --sandbox has an address of its own", c.BaseURL)}
	}
	org, err := sandboxOrg(c)
	if err != nil {
		return nil, err
	}
	options := sandbox.Options{Org: org}
	if c.Paging == config.PagingOffset {
		options.Dialect = sandbox.DialectOffset
	}
	if c.Source == config.Freddy {
		options.Freddy = sandbox.DefaultUsers
	}
	s, err := sandbox.New(options)
	if err != nil {
		return nil, &cli.UsageError{Message: err.Error()}
	}
	org = s.Org()
	if c.Source == config.Freddy { // whose organizations are others
		org = s.FreddyOrg()
	}
	if err := refuseRealWarehouse(c.Warehouse, org); err != nil {
		return nil, err
	}
	address, err := s.Start(ctx, "")
	if err != nil {
		return nil, err
	}
	c.UseSandbox(address, org, config.Credentials{
		AmigoAPIKey: extract.Secret(s.APIKey()), AmigoAPIKeyID: s.APIKeyID(), AmigoUserID: s.UserID(), FreddyAPIKey: extract.Secret(s.FreddyKey()),
	})
	return s.Close, nil
}

func (a *app) sandboxCommand() *cobra.Command {
	var o sandbox.Options
	var addr, scenario string
	cmd := &cobra.Command{
		Use:     "sandbox",
		GroupID: groupSettings,
		Short:   "Serve a local API over made-up users",
		Long: `Serve a local API that behaves as the real one is documented to, over a made-up population
that follows from the seed: the same options give the same users, for ever. Writes change what
the list then shows. It prints how to reach it as export lines for a shell, and serves until it
is interrupted.

A scenario scripts faults and changes by request, to rehearse bad nights.`,
		Example: `  rollcall sandbox --users 200 --addr 127.0.0.1:8080
  rollcall sandbox --limits documented --dialect offset
  rollcall sandbox --scenario night.yaml`,
		Args: atMost(0, "rollcall sandbox [flags]"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("users") {
				o.Users = sandbox.DefaultUsers
			} else if o.Users == 0 {
				o.Users = sandbox.NoUsers
			}
			if err := readScenario(scenario, &o); err != nil {
				return err
			}
			return a.serveSandbox(cmd.Context(), o, addr)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Users, "users", sandbox.DefaultUsers, "users in the list")
	f.Uint64Var(&o.Seed, "seed", sandbox.DefaultSeed, "what the population and the credentials follow from")
	f.StringVar(&o.Org, "org", sandbox.DefaultOrg, "organization")
	f.StringVar(&addr, "addr", "127.0.0.1:0", "address to listen on; port 0: any free one")
	f.StringVar(&o.Dialect, "dialect", sandbox.DialectToken, "paging of the list: token, offset")
	f.StringVar(&o.Items, "items", sandbox.ItemsSpec, "what a list item carries: spec, full")
	f.StringVar(&o.Limits, "limits", sandbox.LimitsNone, "rate limits: documented, none")
	f.StringVar(&o.SQL, "sql", sandbox.SQLText, "the SQL endpoint: disabled, text, nested")
	f.IntVar(&o.Freddy, "freddy", 0, "users behind Freddy's endpoints; 0: no such endpoints")
	f.StringVar(&scenario, "scenario", "", "YAML `file` that scripts faults and changes")
	return cmd
}

func readScenario(path string, o *sandbox.Options) (err error) {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return &cli.UsageError{Message: "--scenario: " + err.Error()}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if o.Scenario, err = sandbox.ParseScenario(f); err != nil {
		return &cli.UsageError{Message: fmt.Sprintf("--scenario %q: %v", path, err)}
	}
	return nil
}

func (a *app) serveSandbox(ctx context.Context, o sandbox.Options, addr string) error {
	s, err := sandbox.New(o)
	if err != nil {
		return &cli.UsageError{Message: err.Error()}
	}
	address, err := s.Start(ctx, addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(a.stdout, strings.Join(s.Exports(address), "\n")); err != nil {
		return errors.Join(fmt.Errorf("print how to reach the sandbox: %w", err), s.Close())
	}
	if _, err := fmt.Fprintf(a.stderr, "serving %s; interrupt to stop\n", address); err != nil {
		return errors.Join(err, s.Close())
	}
	<-ctx.Done()
	return s.Close() // being interrupted is how a server ends
}

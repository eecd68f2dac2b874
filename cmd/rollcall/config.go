package main

import (
	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	var schema, asJSON bool
	cmd := &cobra.Command{
		Use:     "config",
		GroupID: groupSettings,
		Short:   "Print the configuration in force and where each value came from",
		Long: `Print the configuration in force, as a configuration file, and where each value came from:
a flag, the environment, the file, or the built-in default, in this order of precedence.
Secrets are redacted.

Every key is also an environment variable: page_size is ROLLCALL_PAGE_SIZE. Credentials come
from the environment (AMIGO_API_KEY, AMIGO_API_KEY_ID, AMIGO_USER_ID, or AMIGO_TOKEN;
FREDDY_API_KEY), or from a file or command that the configuration names:

  amigo_api_key: file:/run/secrets/amigo_api_key
  amigo_token: command:pass show amigo/token

A command runs only from a configuration file that nobody else can write.`,
		Example: `  rollcall config
  rollcall config --page-size 50          # what a flag would change
  rollcall config --schema > rollcall.schema.json   # for an editor`,
		Args: atMost(0, "rollcall config [--schema | --json]"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if schema {
				raw, err := config.JSONSchema()
				if err == nil {
					_, err = a.stdout.Write(raw)
				}
				return err
			}
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(c.Settings())
			}
			return c.WriteYAML(a.stdout)
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the configuration file instead")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	cmd.MarkFlagsMutuallyExclusive("schema", "json")
	addSourceFlags(cmd)
	return cmd
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/load/publish"
)

func (a *app) pathCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "path",
		GroupID: groupRead,
		Short:   "Print the current version's real path",
		Long: `Print the real path of the current version: the folder with users.duckdb and parquet/.

current is a link that the next run moves. A program that opens several Parquet files resolves
it once, with this command, and reads one whole version even if a run publishes meanwhile.`,
		Example: `  duckdb -readonly "$(rollcall path)/users.duckdb"
  duckdb -c "SELECT count(*) FROM '$(rollcall path)/parquet/users/*.parquet'"`,
		Args: atMost(0, "rollcall path"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := a.current(cmd)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.stdout, v.Dir)
			return err
		},
	}
}

// current is the version that readers see now.
func (a *app) current(cmd *cobra.Command) (publish.Version, error) {
	c, err := a.load(cmd)
	if err != nil {
		return publish.Version{}, err
	}
	return publish.Open(c.Warehouse).Current()
}

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		GroupID: groupSettings,
		Short:   "Print the version of rollcall and of what it is made with",
		Args:    atMost(0, "rollcall version"),
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				info = &debug.BuildInfo{}
			}
			_, err := fmt.Fprintf(a.stdout, "rollcall %s\n%s %s/%s\n", release(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// release names the build: its version, else its commit, else that nobody knows.
func release(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = ", modified"
		}
	}
	if commit == "" {
		return "(built from a source tree without a version)"
	}
	return "(built from commit " + commit + dirty + ")"
}

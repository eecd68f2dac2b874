package main

import "github.com/spf13/cobra"

// addBreakLock gives a command that writes to the warehouse the flag for a lock that a dead process on another host left.
func addBreakLock(cmd *cobra.Command, at *bool) {
	cmd.Flags().BoolVar(at, "break-lock", false, "take the lock that a process on another host left; only where it certainly runs no more")
}

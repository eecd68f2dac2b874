// Rollcall-bench measures rollcall: what a run costs in time, CPU and memory, beside what any program would have to spend on it.
//
//	make bench                  # 10,000, 100,000 and 1,000,000 users
//	make bench USERS=200000 ROUNDS=3
//
// It makes up an organization and serves it from the memory of a process on loopback, so that nothing but rollcall is slow; measures two
// floors, bytes down the same socket and DuckDB's own SQL making the same tables of the same pages; and runs the program rollcall: a full load,
// a run in which nothing changed, a replay of the journal, a run in which one user in a hundred changed. Whatever is measured is a process of
// its own, by the kernel's account of it. That the floor made what rollcall made is checked, row by row.
//
// rollcall-bench gate is for CI: it compares CPU time, as a ratio to the floor in the same run, and allocations with a recorded baseline.
//
// It fails where a run of rollcall fails, or publishes anything but everybody, certified. A bar that is missed is no failure.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(os.Stdin, os.Stdout, os.Stderr).ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

// The parts of the bench that are processes of their own.
const (
	partServe   = "serve"
	partSocket  = "socket"
	partSave    = "save"
	partSQL     = "sql"
	partCompare = "compare"
)

func command(in io.Reader, out, progress io.Writer) *cobra.Command {
	b := bench{progress: progress}
	var asJSON bool
	var sizes []int
	root := &cobra.Command{
		Use: "rollcall-bench", Short: "Measure rollcall beside what its work costs at least", SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.rounds < 1 {
				return errors.New("--rounds: one at least")
			}
			return b.prepared(func(b bench) error { return b.all(cmd.Context(), sizes, out, asJSON) })
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&b.rollcall, "rollcall", "./rollcall", "the `program` to measure")
	flags.StringVar(&b.dir, "dir", "", "`folder` for the warehouses; about 10 kB a user (default: the system's for temporary files)")
	root.Flags().IntSliceVar(&sizes, "users", []int{10_000, 100_000, 1_000_000}, "sizes of the organization")
	root.Flags().IntVar(&b.rounds, "rounds", 1, "measure everything so many times, and report medians: a machine's speed may move by a fifth within minutes")
	root.Flags().BoolVar(&b.stages, "stages", false, "do every run once more with a profile, and say what its stages cost")
	root.Flags().BoolVar(&b.shuffled, "shuffled", false, "list the users in no order of their ids")
	root.Flags().BoolVar(&asJSON, "json", false, "print everything that was measured as one JSON document")
	root.AddCommand(gateCommand(&b, out))
	for _, part := range parts(in, out) {
		part.Hidden = true
		root.AddCommand(part)
	}
	return root
}

// prepared calls do with a bench whose paths are absolute and whose folder is removed afterwards.
func (b bench) prepared(do func(bench) error) (err error) {
	if b.rollcall, err = filepath.Abs(b.rollcall); err != nil {
		return err
	}
	if _, err := os.Stat(b.rollcall); err != nil {
		return fmt.Errorf("--rollcall: %w (make build makes it)", err)
	}
	if b.dir, err = os.MkdirTemp(b.dir, "rollcall-bench-"); err != nil {
		return err
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	return do(b)
}

// parts are the commands that the bench starts itself with. Each prints one JSON document.
func parts(in io.Reader, out io.Writer) []*cobra.Command {
	var users, threads int
	var shuffled bool
	var url, to, pages, version, floor string
	part := func(name string, run func(ctx context.Context) (any, error)) *cobra.Command {
		c := &cobra.Command{Use: name, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := run(cmd.Context())
			if err != nil || v == nil {
				return err
			}
			return json.NewEncoder(out).Encode(v)
		}}
		c.Flags().IntVar(&users, "users", 0, "how many")
		c.Flags().StringVar(&url, "url", "", "the server's address")
		c.Flags().StringVar(&to, "to", "", "folder to write to")
		return c
	}
	serving := part(partServe, func(ctx context.Context) (any, error) { return nil, serve(ctx, in, out, users, shuffled) })
	serving.Flags().BoolVar(&shuffled, "shuffled", false, "in no order of ids")
	socket := part(partSocket, func(ctx context.Context) (any, error) { return socketFloor(ctx, url, users) })
	save := part(partSave, func(ctx context.Context) (any, error) { return savePages(ctx, url, users, to) })
	sql := part(partSQL, func(ctx context.Context) (any, error) { return runSQLFloor(ctx, pages, to, threads) })
	sql.Flags().StringVar(&pages, "pages", "", "folder to read")
	sql.Flags().IntVar(&threads, "threads", runtime.NumCPU(), "for Parquet")
	comparing := part(partCompare, func(ctx context.Context) (any, error) { return compare(ctx, databaseOf(version), databaseOf(floor)) })
	comparing.Flags().StringVar(&version, "version", "", "folder of rollcall's version")
	comparing.Flags().StringVar(&floor, "floor", "", "folder of the floor")
	return []*cobra.Command{serving, socket, save, sql, comparing}
}

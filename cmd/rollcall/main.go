// Rollcall turns an organization's users, as a SaaS API pages them out, into a users table for SQL, with a proof that nobody is missing.
//
//	rollcall sync --sandbox   # 5,000 made-up users into ./warehouse
//	rollcall query            # the users table
//
// Every command says what it does with -h. Data goes to standard output, everything else to standard error. The exit codes are in
// internal/cli.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/term"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/status"
)

func main() {
	syscall.Umask(0o077)                                          // what is written here is personal data
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // no core: memory holds secrets
	if code, is := status.Worker(); is {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	a := &app{stdin: os.Stdin, stdout: stream(os.Stdout), stderr: stream(os.Stderr), env: os.LookupEnv}
	ctx, stop := cli.Interruptible(context.Background(), a.stderr, os.Exit)
	defer stop()
	err := a.execute(ctx, args)
	if err != nil && errors.Is(context.Cause(ctx), cli.ErrInterrupted) {
		err = errors.Join(err, cli.ErrInterrupted)
	}
	if err != nil {
		cli.PrintError(a.stderr, err)
	}
	return cli.ExitCode(err)
}

func stream(f *os.File) cli.Stream {
	s := cli.Stream{Writer: f, Terminal: term.IsTerminal(int(f.Fd()))}
	if s.Terminal {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			s.Width = width
		}
	}
	s.Color = cli.WantsColor(s.Terminal)
	return s
}

// app is what the commands share: the streams and the environment.
type app struct {
	stdin          io.Reader
	stdout, stderr cli.Stream
	env            func(string) (string, bool)
	args           []string // of the command line
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
)

// Program is the program's name.
const Program = "rollcall-lake"

// grace is the time that the program has to stop.
const grace = 30 * time.Second

// MissingError says that there is no program to run.
type MissingError struct {
	Command string // as the configuration names it; empty: it does not
	err     error
}

func (e *MissingError) Error() string {
	if e.Command == "" {
		return Program + " is neither beside this program nor on the PATH"
	}
	return fmt.Sprintf("%s cannot be run: %v", e.Command, e.err)
}

// Unwrap is what the system said.
func (e *MissingError) Unwrap() error { return e.err }

// Hints says what to do.
func (e *MissingError) Hints() []string {
	return []string{"install it beside rollcall (in the source tree: cd cmd/rollcall-lake && go build), or say where it is: lake.command, ROLLCALL_LAKE_COMMAND"}
}

// Find is the program's path: the command that the configuration names, else the one beside this program, else the one on the PATH. The error is a
// *MissingError.
func Find(command string) (string, error) {
	if command != "" {
		path, err := exec.LookPath(command)
		if err != nil {
			return "", &MissingError{command, cause(err)}
		}
		return path, nil
	}
	if self, err := os.Executable(); err == nil {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), Program)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(Program)
	if err != nil {
		return "", &MissingError{err: err}
	}
	return path, nil
}

// cause is an error without the path, which the message has already.
func cause(err error) error {
	if what := new(exec.Error); errors.As(err, &what) {
		err = what.Err
	}
	if what := new(fs.PathError); errors.As(err, &what) {
		err = what.Err
	}
	return err
}

// Environ is an environment without the variables of some names, and with others set (NAME=VALUE).
func Environ(inherited, without, set []string) []string {
	out := slices.DeleteFunc(slices.Clone(inherited), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(without, name)
	})
	return append(out, set...)
}

// FailedError says that the program ended with another exit code than 0.
type FailedError struct {
	Code   int    // 128 and the signal's number where a signal ended it
	Reason string // what it said
	Advice []string
}

func (e *FailedError) Error() string { return e.Reason }

// Hints says what the program said to do.
func (e *FailedError) Hints() []string { return e.Advice }

// Process is the program about to run. It prints nothing where we do.
type Process struct {
	Path    string
	Env     []string
	Secrets []extract.Secret // that are not to be in any line of it
	Log     zerolog.Logger
}

// For is the program as the configuration has it, about to reach a lake. It gets the environment that we have, without our own settings and secrets: of
// those, only what it takes. The error is a *MissingError or a *config.FieldError.
func For(c *config.Config, a config.LakeAccess, log zerolog.Logger) (Process, error) {
	command, err := c.LakeCommand()
	if err != nil {
		return Process{}, err
	}
	path, err := Find(command)
	if err != nil {
		return Process{}, err
	}
	var ours []string
	for _, k := range config.Keys() {
		ours = append(ours, k.Env()...)
	}
	return Process{Path: path, Env: Environ(os.Environ(), ours, a.Variables()), Secrets: a.Secrets(), Log: log}, nil
}

// Run runs the program to its end. The error is a *FailedError, that of the context, which ended first, or says why it could not be started.
func (p Process) Run(ctx context.Context, args ...string) error {
	said := &lines{log: p.Log, secrets: p.Secrets}
	cmd := exec.CommandContext(ctx, p.Path, args...) //nolint:gosec // the program that the configuration names, or ours
	cmd.Env, cmd.Stderr = p.Env, said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", Program, err)
	}
	waited := cmd.Wait()
	said.end()
	switch state := cmd.ProcessState; {
	case state != nil && state.Success():
		return nil // also when the context ended meanwhile: it had done its work
	case ctx.Err() != nil:
		return ctx.Err()
	case state == nil:
		return fmt.Errorf("wait for %s: %w", Program, waited)
	default:
		return said.failure(state)
	}
}

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/load/publish"
)

// The exit codes, for ever: scripts rely on them.
const (
	ExitDone        = 0   // the published version is certified
	ExitFailed      = 1   // the previous version is still current
	ExitAttention   = 3   // published, but something needs a person
	ExitNoVersion   = 10  // no warehouse, or nothing published yet
	ExitLocked      = 11  // another run holds the warehouse
	ExitRefused     = 12  // credentials or permission
	ExitUsage       = 64  // wrong usage or configuration
	ExitInterrupted = 130 // by a signal; the next run goes on from here
)

// ErrInterrupted is the cause of a context that a signal cancelled.
var ErrInterrupted = errors.New("interrupted")

// ErrAttention ends a command that did its work and left something for a person. The command has said what; nothing more is printed.
var ErrAttention = errors.New("something needs a person")

// EndedError ends a command whose work was another program's: its exit code is ours, and it has said why.
type EndedError struct{ Code int }

func (e *EndedError) Error() string { return fmt.Sprintf("the program ended with %d", e.Code) }

// UsageError is a command line that cannot be understood.
type UsageError struct {
	Message string
	Advice  []string
}

func (e *UsageError) Error() string { return e.Message }

// Hints says what a person can do.
func (e *UsageError) Hints() []string { return e.Advice }

// codes maps errors to exit codes; the first that fits decides. What fits none has failed.
var codes = []struct {
	fits func(error) bool
	code int
}{
	{is(ErrInterrupted), ExitInterrupted},
	{is(context.Canceled), ExitInterrupted}, // nothing but a signal cancels the command's context
	{is(ErrAttention), ExitAttention},
	{as[*UsageError], ExitUsage},
	{as[*config.FieldError], ExitUsage},
	{as[*config.FileError], ExitUsage},
	{as[*config.NoCredentialsError], ExitRefused},
	{as[*extract.RefusedError], ExitRefused},
	{as[*publish.LockedError], ExitLocked},
	{is(publish.ErrNoVersion), ExitNoVersion},
}

// ExitCode is the code that a command which ended with err exits with.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	for _, c := range codes {
		if c.fits(err) {
			return c.code
		}
	}
	if ended := new(EndedError); errors.As(err, &ended) {
		return ended.Code
	}
	return ExitFailed
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

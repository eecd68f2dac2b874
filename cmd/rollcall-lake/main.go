// Rollcall-lake publishes versions of a rollcall warehouse to Apache Iceberg tables.
//
//	rollcall-lake publish --warehouse DIR --catalog sql --uri sqlite:/srv/lake/catalog.db --location file:///srv/lake
//	rollcall-lake status
//
// Settings come from flags and from variables (ROLLCALL_LAKE_…); rollcall sets the variables from its configuration and runs this program after it has
// published a version. Every command says what it does with -h. Data goes to standard output, everything else to standard error. Exit codes are rollcall's:
//
//	0    done
//	1    failed; every table is as it was before, or as it was to become
//	3    published, but something needs a person: organizations of a night failed
//	10   the warehouse has no such version, or the lake no tables
//	11   another publisher is at work
//	12   the catalog, the storage or an engine refuses the credentials
//	64   wrong usage
//	130  interrupted; run again, it goes on
//
// How tables are laid out, compared and committed is said in internal/lake.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"github.com/apache/iceberg-go/catalog/rest"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/engine"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/night"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/version"
)

func main() {
	syscall.Umask(0o077)                                          // what is written is personal data
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // no core: memory holds secrets
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr, os.LookupEnv))
}

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitAttention   = 3
	exitNothing     = 10
	exitBusy        = 11
	exitRefused     = 12
	exitUsage       = 64
	exitInterrupted = 130
)

var errInterrupted = errors.New("interrupted")

// errAttention ends a command that did its work and left something for a person. The log has said what.
var errAttention = errors.New("something needs a person")

func run(ctx context.Context, args []string, stdout, stderr io.Writer, env func(string) (string, bool)) int {
	ctx, stop := interruptible(ctx, stderr)
	defer stop()
	a := &app{stdout: stdout, stderr: stderr, env: env}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if errors.Is(context.Cause(ctx), errInterrupted) {
		err = errors.Join(errInterrupted, err)
	}
	a.printError(err)
	return exitCode(err)
}

// interruptible cancels the context at the first SIGINT or SIGTERM; the second ends the process.
func interruptible(ctx context.Context, messages io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-signals:
			}
			if n > 0 {
				os.Exit(exitInterrupted)
			}
			cancel(errInterrupted)
			_, _ = fmt.Fprintln(messages, "stopping; once more to abort")
		}
	}()
	return ctx, func() { signal.Stop(signals); close(done); cancel(nil) }
}

func exitCode(err error) int {
	switch {
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case is[*usageError](err), is[*catalog.SettingError](err), is[*night.UsageError](err):
		return exitUsage
	case errors.Is(err, version.ErrNone), errors.Is(err, lake.ErrNone), is[*noNightError](err):
		return exitNothing
	case errors.Is(err, errAttention):
		return exitAttention
	case is[*lake.BusyError](err):
		return exitBusy
	case refused(err):
		return exitRefused
	}
	return exitFailed
}

// refused tells whether a catalog or an object store said that it does not let us in.
func refused(err error) bool {
	if is[*engine.RefusedError](err) {
		return true
	}
	if errors.Is(err, rest.ErrUnauthorized) || errors.Is(err, rest.ErrForbidden) || errors.Is(err, rest.ErrAuthorizationExpired) {
		return true
	}
	if pg := new(pgconn.PgError); errors.As(err, &pg) { // https://www.postgresql.org/docs/current/errcodes-appendix.html
		return strings.HasPrefix(pg.Code, "28") || pg.Code == "42501"
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "Forbidden":
			return true
		}
	}
	return false
}

func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// usageError says what is wrong with the command line.
type usageError struct {
	message string
	advice  []string
}

func (e *usageError) Error() string { return e.message }

// Hints says what to do.
func (e *usageError) Hints() []string { return e.advice }

// printError prints the error and what to do about it.
func (a *app) printError(err error) {
	if exitCode(err) == exitAttention {
		return
	}
	message := err.Error()
	var hints []string
	var advised interface{ Hints() []string }
	switch {
	case exitCode(err) == exitInterrupted:
		message, hints = "interrupted", []string{"run it again: what was committed stays, and it goes on from there"}
	case errors.As(err, &advised):
		hints = advised.Hints()
		if busy := new(lake.BusyError); errors.As(err, &busy) && busy.Unwrap() != nil {
			hints = append(hints, "what it was told last: "+busy.Unwrap().Error())
		}
	case errors.Is(err, version.ErrNone):
		hints = []string{"rollcall sync publishes one; --warehouse names another folder"}
	case errors.Is(err, lake.ErrNone):
		hints = []string{"rollcall-lake publish makes them; --namespace, --uri and --location say where they are"}
	case refused(err):
		hints = []string{"check ROLLCALL_LAKE_TOKEN or ROLLCALL_LAKE_CREDENTIAL of the catalog, and the AWS credentials in force of the storage"}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s\n", visible(a.settings.Redact(message)))
	for _, h := range hints {
		fmt.Fprintf(&b, "hint: %s\n", visible(a.settings.Redact(h)))
	}
	_, _ = io.WriteString(a.stderr, b.String())
}

// visible is a text on one line, without what would draw on a terminal.
func visible(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

func usage(_ *cobra.Command, err error) error { return &usageError{message: err.Error()} }

func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usage(cmd, err)
	}
	return nil
}

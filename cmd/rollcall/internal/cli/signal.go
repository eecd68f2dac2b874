package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Interruptible cancels the context, with the cause ErrInterrupted, at the first SIGINT or SIGTERM; the second ends the process at once by abort. Nothing
// is lost by that: what was received is in the journal, and a version that is not whole is never current. stop ends the watch.
func Interruptible(ctx context.Context, messages io.Writer, abort func(code int)) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-signals:
			}
			if context.Cause(ctx) != nil {
				abort(ExitInterrupted)
				return
			}
			cancel(ErrInterrupted)
			_, _ = fmt.Fprintln(messages, "stopping; once more to abort")
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-ended
		cancel(nil)
	}
}

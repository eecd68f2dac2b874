package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// watchKey is where a context has its watch.
type watchKey struct{}

// watch is what signals do to a command.
type watch struct {
	mu      sync.Mutex
	drain   chan struct{} // closed at the first signal; nil: the command does not drain
	drained bool
	killed  func()
}

// Interruptible cancels the context, with the cause ErrInterrupted, at the first SIGINT or SIGTERM; the second ends the process at once by abort. Nothing
// is lost by that: what was received is in the journal, and a version that is not whole is never current. A command that calls Draining has a signal more.
// stop ends the watch.
func Interruptible(ctx context.Context, messages io.Writer, abort func(code int)) (_ context.Context, stop func()) {
	w := &watch{}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, watchKey{}, w))
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
			if w.begin() {
				_, _ = fmt.Fprintln(messages, "stopping when the run that is on has ended; once more to interrupt it")
				continue
			}
			if context.Cause(ctx) != nil {
				w.kill()
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

// Draining gives the command of this context a signal more: the first closes the channel, for it to begin nothing new; the second cancels the context, and
// the third calls kill before it ends the process. Where nothing watches for signals the channel is nil.
func Draining(ctx context.Context, kill func()) <-chan struct{} {
	w, ok := ctx.Value(watchKey{}).(*watch)
	if !ok {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.drain == nil {
		w.drain = make(chan struct{})
	}
	w.killed = kill
	return w.drain
}

// begin begins to drain where the command does, and has not begun yet.
func (w *watch) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.drain == nil || w.drained {
		return false
	}
	w.drained = true
	close(w.drain)
	return true
}

func (w *watch) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.killed != nil {
		w.killed()
	}
}

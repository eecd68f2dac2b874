package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/schedule"
)

const (
	nap       = 2 * time.Minute // the longest sleep: a clock that is set, or a machine that slept, is noticed within it
	tolerance = 5 * time.Minute // a run that is due for longer was missed
	firstWait = 5 * time.Minute // before a run that failed is tried again; then twice as long each time
	lastWait  = 2 * time.Hour
	heartbeat = 3 * nap // a loop that is silent for longer hangs
)

// runner does one run at a time. When the context ends the run is interrupted; it has ended when Run returns. The error is why there was no run at all.
type runner interface {
	Run(ctx context.Context) (Outcome, error)
}

// Outcome is how a run ended.
type Outcome struct {
	Exit    int               // the exit code; -1: it was killed, or crashed
	Summary *pipeline.Summary // nil where it ended before it could print one
	Message string            // the error that it ended with, in a line; empty: it said none
	Overdue bool              // it was interrupted for taking longer than the deadline
	Began   time.Time
	Ended   time.Time
}

// Status is the summary's, or what stands for it: interrupted, locked, refused, misconfigured, crashed.
func (o Outcome) Status() string {
	switch {
	case o.Exit == cli.ExitLocked:
		return "locked"
	case o.Exit == cli.ExitRefused:
		return "refused"
	case o.Exit == cli.ExitUsage:
		return "misconfigured"
	case o.Exit == cli.ExitInterrupted:
		return string(pipeline.Interrupted)
	case o.Summary == nil || o.Exit < 0:
		return "crashed"
	case o.Exit == cli.ExitFailed:
		return string(pipeline.Failed)
	}
	return string(o.Summary.Status)
}

// Statuses are all that Status can be.
func Statuses() []string {
	return []string{string(pipeline.Certified), string(pipeline.Uncertified), string(pipeline.Held), string(pipeline.Unchanged), string(pipeline.Failed),
		string(pipeline.Interrupted), "locked", "refused", "misconfigured", "crashed"}
}

// Good tells whether the run did its work.
func (o Outcome) Good() bool { return o.Exit == cli.ExitDone || o.Exit == cli.ExitAttention }

// Retriable tells whether the same run may go better a little later. Who interrupted a run wanted it to end.
func (o Outcome) Retriable() bool {
	switch o.Exit {
	case cli.ExitDone, cli.ExitAttention, cli.ExitRefused, cli.ExitUsage, cli.ExitInterrupted:
		return false
	}
	return true
}

// Options are what a daemon is made of.
type Options struct {
	Schedule *schedule.Schedule
	CatchUp  bool          // one run makes up for those that were missed
	Last     time.Time     // when the last run that did its work ended; zero: there was none
	Deadline time.Duration // 0: a run may take as long as it does
	Retries  int           // of a run that fails
	Run      runner
	GaveUp   func(context.Context, Outcome) // a run failed and is not tried again before the next is due; may be nil
	Log      zerolog.Logger
	Now      func() time.Time // nil: time.Now
}

// Daemon runs what is due. Make one with New; Loop may be called once.
type Daemon struct {
	o     Options
	state state
}

// New makes a daemon that is not running yet.
func New(o Options) *Daemon {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.GaveUp == nil {
		o.GaveUp = func(context.Context, Outcome) {}
	}
	d := &Daemon{o: o}
	d.state.runs = map[string]uint64{}
	d.state.next = o.Schedule.Next(d.now())
	d.state.beat = d.now()
	return d
}

// now is what the clock on the wall shows: the monotonic one stands still while a machine sleeps.
func (d *Daemon) now() time.Time { return d.o.Now().Round(0) }

// errDrained ends a loop that is to begin nothing more.
var errDrained = errors.New("drained")

// Loop begins runs until drain is closed, and a run that is on has ended; or until the context ends, which interrupts that run.
func (d *Daemon) Loop(ctx context.Context, drain <-chan struct{}) error {
	err := d.loop(ctx, drain)
	if errors.Is(err, errDrained) {
		d.o.Log.Info().Msg("stopped; no run is on")
		return nil
	}
	return err
}

func (d *Daemon) loop(ctx context.Context, drain <-chan struct{}) error {
	if d.owed() {
		if d.o.Last.IsZero() {
			d.o.Log.Info().Msg("no run is on record that did its work: one begins now")
		} else {
			d.o.Log.Info().Time("last_run", d.o.Last).Msg("a run was missed: making up for it")
		}
		if err := d.night(ctx, drain); err != nil {
			return err
		}
	}
	for {
		due := d.state.due()
		d.o.Log.Info().Time("next_run", due).Msg("waiting")
		if err := d.sleep(ctx, drain, due); err != nil {
			return err
		}
		now := d.now()
		passed, last := d.state.pass(d.o.Schedule, now)
		if now.Sub(last) > tolerance && !d.o.CatchUp {
			d.missed(passed, "the machine slept or its clock was set")
			continue
		}
		if passed > 1 {
			d.missed(passed-1, "one run stands for them")
		}
		if err := d.night(ctx, drain); err != nil {
			return err
		}
	}
}

// owed tells whether a run was due since the last one that did its work, and nobody was there to begin it.
func (d *Daemon) owed() bool {
	return d.o.CatchUp && (d.o.Last.IsZero() || !d.o.Schedule.Next(d.o.Last).After(d.now()))
}

func (d *Daemon) missed(n int, why string) {
	d.state.miss(n)
	d.o.Log.Warn().Int("missed", n).Str("why", why).Msg("a run was due and is left out")
}

// sleep waits until the clock shows that time.
func (d *Daemon) sleep(ctx context.Context, drain <-chan struct{}, until time.Time) error {
	for {
		now := d.now()
		d.state.alive(now)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-drain:
			return errDrained
		default:
		}
		left := until.Sub(now)
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(min(left, nap))
		select {
		case <-ctx.Done():
		case <-drain:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// night is a run that is due, and what is tried again after it.
func (d *Daemon) night(ctx context.Context, drain <-chan struct{}) error {
	wait := firstWait
	for left := d.o.Retries; ; left-- {
		out := d.attempt(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		at := d.now().Add(wait)
		switch {
		case out.Good():
			return nil
		case !out.Retriable(), left <= 0, !at.Before(d.state.due()):
			d.o.Log.Error().Int("exit_code", out.Exit).Str("status", out.Status()).Bool("overdue", out.Overdue).Time("next_run", d.state.due()).
				Msg("the run failed, and is not tried again before the next is due")
			d.o.GaveUp(ctx, out)
			return nil
		}
		d.o.Log.Warn().Int("exit_code", out.Exit).Str("status", out.Status()).Time("again_at", at).Msg("the run failed, and is tried again")
		if err := d.sleep(ctx, drain, at); err != nil {
			return err
		}
		d.state.retry()
		wait = min(2*wait, lastWait)
	}
}

// attempt is one run, from begin to end. What becomes due meanwhile is missed.
func (d *Daemon) attempt(ctx context.Context) Outcome {
	began := d.now()
	d.state.begin(began)
	d.o.Log.Info().Msg("a run begins")
	inTime, cancel := ctx, context.CancelFunc(func() {})
	if d.o.Deadline > 0 {
		inTime, cancel = context.WithTimeout(ctx, d.o.Deadline)
	}
	defer cancel()
	done := make(chan Outcome, 1)
	go func() {
		out, err := d.o.Run.Run(inTime)
		if err != nil {
			d.o.Log.Error().Err(err).Msg("the run could not be begun")
			out.Exit = cli.ExitFailed
		}
		out.Overdue = out.Exit == cli.ExitInterrupted && errors.Is(inTime.Err(), context.DeadlineExceeded)
		done <- out
	}()
	for {
		now := d.now()
		d.state.alive(now)
		timer := time.NewTimer(max(0, min(d.state.due().Sub(now), nap)))
		select {
		case out := <-done:
			timer.Stop()
			out.Began, out.Ended = began, d.now()
			d.state.end(out)
			e := d.o.Log.Info().Int("exit_code", out.Exit).Str("status", out.Status()).Dur("took", out.Ended.Sub(began))
			if out.Summary != nil {
				e = e.Str("run", out.Summary.RunID)
			}
			e.Msg("the run ended")
			return out
		case <-timer.C:
			if n, _ := d.state.pass(d.o.Schedule, d.now()); n > 0 {
				d.missed(n, "a run is on")
			}
		}
	}
}

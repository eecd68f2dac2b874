package night

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
)

// Worker takes jobs of any night and does them.
type Worker struct {
	Queue    *Queue
	Place    *Place
	Rollcall Rollcall
	Publish  func(ctx context.Context, night string) error // nil: it publishes nothing

	ID        string        // unique among all workers, ever
	Jobs      int           // at once
	Beat      time.Duration // between two signs of life
	DeadAfter time.Duration // without one, a worker's jobs are given to others
	Snooze    time.Duration // that an organization is put off when another holds its warehouse
	Until     string        // night after which the worker ends; empty: it goes on
	Hooks     Hooks

	mu    sync.Mutex
	at    map[int64]time.Time // jobs under way; when one that ended did, for as long as the queue may not have heard of it
	plans map[string]Plan
}

// Hooks are told what happens. Errors have no personal data in them.
type Hooks struct {
	Recorded func(r Result)
	Late     func(org, run string)                     // a result was refused: the shard has one
	Retried  func(org string, code int, reason string) // it is tried again
	PutOff   func(org, reason string)
	Failed   func(org string, code int, reason string) // for good
	TookOver func(jobs int64)
	Trouble  func(doing string, err error) // it is tried again
}

// Run works until the context ends, which interrupts what is under way and gives it back, or until the night that it is for has ended.
func (w *Worker) Run(ctx context.Context) error {
	w.at, w.plans = map[int64]time.Time{}, map[string]Plan{}
	workers := river.NewWorkers()
	river.AddWorker(workers, &shardWorker{w: w})
	kinds := []river.QueueConfig{{MaxWorkers: w.Jobs}}
	river.AddWorker(workers, &publishWorker{w: w})
	client, err := river.NewClient(riverpgxv5.New(w.Queue.pool), &river.Config{
		ID: w.ID, Workers: workers, Logger: w.Queue.log, JobTimeout: -1, // an organization takes as long as it takes; who does not live is found by his silence
		Queues: map[string]river.QueueConfig{river.QueueDefault: kinds[0]},
	})
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	if err := w.Queue.beat(ctx, w.ID, hostname()); err != nil {
		return &UnreachableError{err}
	}
	// The jobs' context is not ours: they are to be given back to the queue after ours has ended.
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	w.tend(ctx, client)
	return w.stop(ctx, client)
}

// stop interrupts what is under way and waits until the queue has it back.
func (w *Worker) stop(ctx context.Context, client *river.Client[pgxTx]) error {
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.Rollcall.Grace+time.Minute)
	defer cancel()
	if err := client.StopAndCancel(ending); err != nil {
		return fmt.Errorf("stop the worker: %w", err)
	}
	return ctx.Err()
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown host"
	}
	return host
}

// tend shows that we live and looks after those who do not, until the context ends or the night has.
func (w *Worker) tend(ctx context.Context, client *river.Client[pgxTx]) {
	tick := time.NewTicker(w.Beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ended, err := w.look(ctx, client)
		if err != nil && ctx.Err() == nil {
			w.Hooks.Trouble("look after the queue", &UnreachableError{err})
		}
		if ended {
			return
		}
	}
}

// look is what a worker does besides its jobs. ended says that the night it is for has ended.
func (w *Worker) look(ctx context.Context, client *river.Client[pgxTx]) (ended bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(w.DeadAfter, time.Second))
	defer cancel()
	if err := w.Queue.beat(ctx, w.ID, hostname()); err != nil {
		return false, err
	}
	taken, err := w.Queue.takeOver(ctx, w.ID, w.DeadAfter, w.underWay())
	if err != nil {
		return false, err
	}
	if taken > 0 {
		w.Hooks.TookOver(taken)
	}
	if w.Publish != nil {
		nights, err := w.Queue.ended(ctx)
		if err != nil {
			return false, err
		}
		for _, n := range nights {
			if _, err := client.Insert(ctx, n, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}); err != nil {
				return false, err
			}
		}
		if len(nights) > 0 {
			return false, nil
		}
	}
	if w.Until == "" {
		return false, nil
	}
	return w.over(ctx, w.Until)
}

// over tells whether a night has ended: one that has not begun has not.
func (w *Worker) over(ctx context.Context, night string) (bool, error) {
	jobs, open, err := w.Queue.count(ctx, night)
	if err != nil || jobs > 0 {
		return jobs > 0 && open == 0, err
	}
	return w.Place.isThere(ctx, publishedName(night), new(Published)) // and the queue has forgotten it since
}

// begin and end keep account of the jobs under way.
func (w *Worker) begin(job int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[job] = time.Time{}
}

func (w *Worker) end(job int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[job] = time.Now()
}

func (w *Worker) underWay() []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.at, func(_ int64, ended time.Time) bool { return !ended.IsZero() && time.Since(ended) > w.DeadAfter })
	return slices.Collect(maps.Keys(w.at))
}

// plan is a night's plan.
func (w *Worker) plan(ctx context.Context, night string) (Plan, error) {
	w.mu.Lock()
	plan, ok := w.plans[night]
	w.mu.Unlock()
	if ok {
		return plan, nil
	}
	plan, err := ReadPlan(ctx, w.Place, night)
	if err != nil {
		return plan, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plans[night] = plan
	return plan, nil
}

// publishWorker does the jobs that publish.
type publishWorker struct {
	river.WorkerDefaults[publishArgs]
	w *Worker
}

// Work publishes a night. One that lacks organizations is left to a person.
func (p *publishWorker) Work(ctx context.Context, job *river.Job[publishArgs]) error {
	p.w.begin(job.ID)
	defer p.w.end(job.ID)
	if p.w.Publish == nil {
		return river.JobSnooze(p.w.Snooze) // for a worker that does
	}
	done, err := p.w.Place.isThere(ctx, publishedName(job.Args.Night), new(Published))
	if done {
		return nil
	}
	if err == nil {
		err = p.w.Publish(ctx, job.Args.Night)
	}
	if missing := new(IncompleteError); errors.As(err, &missing) {
		p.w.Hooks.Failed("", 0, err.Error())
		return river.JobCancel(err)
	}
	if err != nil && ctx.Err() != nil {
		return river.JobSnooze(0)
	}
	if err != nil {
		p.w.Hooks.Trouble("publish the night", err)
	}
	return err
}

// NextRetry tries again soon: a night that all organizations wait for is not put off by hours.
func (p *publishWorker) NextRetry(job *river.Job[publishArgs]) time.Time {
	return time.Now().Add(min(time.Duration(job.Attempt)*10*time.Second, 5*time.Minute))
}

// lastAttempt tells whether nobody will try a job again.
func lastAttempt(job *rivertype.JobRow) bool { return job.Attempt >= job.MaxAttempts }

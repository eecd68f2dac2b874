package night

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

type pgxTx = pgx.Tx

// shardWorker does the jobs of organizations.
type shardWorker struct {
	river.WorkerDefaults[shardArgs]
	w *Worker
}

// Work brings a shard to its result, or says what is to become of the job.
func (s *shardWorker) Work(ctx context.Context, job *river.Job[shardArgs]) error {
	w := s.w
	w.begin(job.ID)
	defer w.end(job.ID)
	plan, err := w.plan(ctx, job.Args.Night)
	if err != nil {
		return s.again(ctx, job, exitFailed, fmt.Errorf("read the night's plan: %w", err))
	}
	var there Result
	done, err := w.Place.isThere(ctx, resultName(plan.Night, job.Args.Org), &there)
	if err != nil {
		return s.again(ctx, job, exitFailed, err)
	}
	if done {
		return nil
	}
	found, err := runSince(w.Rollcall.Warehouse(job.Args.Org), plan.Created)
	if err != nil {
		return s.again(ctx, job, exitFailed, err)
	}
	if found != nil {
		return s.record(ctx, job, found, found.attention(), true)
	}
	o, err := w.Rollcall.run(ctx, job.Args.Org)
	if err != nil {
		return s.again(ctx, job, exitFailed, err)
	}
	return s.decide(ctx, job, o)
}

// decide does what an exit code asks for.
func (s *shardWorker) decide(ctx context.Context, job *river.Job[shardArgs], o outcome) error {
	switch o.code {
	case exitDone, exitAttention:
		return s.record(ctx, job, o.summary, o.code == exitAttention, false)
	case exitNoVersion, exitLocked:
		s.w.Hooks.PutOff(job.Args.Org, o.reason)
		return river.JobSnooze(s.w.Snooze)
	case exitRefused, exitUsage:
		return s.fail(ctx, job, o.code, errors.New(o.reason), true)
	}
	return s.again(ctx, job, o.code, errors.New(o.reason))
}

// record writes the result. It is written although the worker stops: the work is done.
func (s *shardWorker) record(ctx context.Context, job *river.Job[shardArgs], sum *summary, attention, found bool) error {
	w := s.w
	r := Result{
		Night: job.Args.Night, Org: job.Args.Org, Run: sum.RunID, Version: *sum.Version, Status: sum.Status, Attention: attention,
		Certificate: sum.Certificate, Users: sum.Users, Requests: sum.Requests.all(), Seconds: sum.Seconds,
		RateShare: rateShare(sum.Requests, sum.Seconds, w.Rollcall.rpm()),
		Attempt:   job.Attempt, Worker: w.ID, Found: found, Finished: time.Now().UTC(),
	}
	recorded, err := Record(context.WithoutCancel(ctx), w.Place, r)
	switch {
	case err != nil:
		return s.again(ctx, job, exitFailed, err)
	case recorded:
		w.Hooks.Recorded(r)
	default:
		w.Hooks.Late(r.Org, r.Run)
	}
	return nil
}

// again has the queue try the job again; at once where it was we who stopped it.
func (s *shardWorker) again(ctx context.Context, job *river.Job[shardArgs], code int, err error) error {
	if ctx.Err() != nil {
		return river.JobSnooze(0)
	}
	if lastAttempt(job.JobRow) {
		return s.fail(ctx, job, code, err, false)
	}
	s.w.Hooks.Retried(job.Args.Org, code, err.Error())
	return err
}

// fail declares that nobody tries the shard any more.
func (s *shardWorker) fail(ctx context.Context, job *river.Job[shardArgs], code int, reason error, cancel bool) error {
	f := Failure{
		Format: format, Night: job.Args.Night, Org: job.Args.Org, Code: code, Error: reason.Error(), Attempt: job.Attempt, Worker: s.w.ID, At: time.Now().UTC(),
	}
	if _, err := s.w.Place.createDoc(ctx, failureName(f.Night, f.Org), f); err != nil {
		return fmt.Errorf("record a failure: %w", err)
	}
	s.w.Hooks.Failed(f.Org, code, f.Error)
	if cancel {
		return river.JobCancel(reason)
	}
	return reason
}

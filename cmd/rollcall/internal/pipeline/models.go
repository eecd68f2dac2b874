package pipeline

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/keyset"
	"github.com/rollcall-data/rollcall/transform"
)

// Reason is why a user's models are asked for, the most urgent first.
type Reason uint8

// The reasons.
const (
	NotNeeded   Reason = iota
	NeverAsked         // no run has had an answer yet
	StatsMoved         // user_stats are not what they were at the last answer
	GrownOld           // the answer is about to pass --model-max-age, or it is its turn
	AskedForAll        // --models all, backfill
)

// modelPolicy decides whose models are asked for.
type modelPolicy struct {
	mode     config.Models
	clock    time.Time
	maxAge   time.Duration
	interval time.Duration // since the run before: how long it may be until the next
}

// now is the reason to ask for a user's models at once; ageing is decided when all users are known. before is zero for a user whom the version
// before did not have.
func (p modelPolicy) now(e *entry, before transform.PriorUser) Reason {
	switch {
	case e.listed || p.mode == config.ModelsNone:
		return NotNeeded
	case p.mode == config.ModelsAll:
		return AskedForAll
	case before.State == "" || before.State == transform.Pending || before.State == transform.Listed:
		return NeverAsked
	case before.StatsAtLast != e.stats:
		return StatsMoved
	}
	return NotNeeded
}

// candidate is a user whose models were fetched before.
type candidate struct {
	user string
	at   int64 // microseconds; when they were
}

// aged chooses, oldest first, those whose models would pass the greatest age before the next run, and beyond them as many as keep the rounds
// even: the share of everybody that the time since the last run is of the greatest age.
func (p modelPolicy) aged(all []candidate) []candidate {
	times := make([]int64, len(all))
	for i, c := range all {
		times[i] = c.at
	}
	slices.Sort(times)
	due := p.clock.Add(p.interval - p.maxAge).UnixMicro()
	n, _ := slices.BinarySearch(times, due+1)
	if p.maxAge > 0 {
		n = max(n, int(float64(len(all))*float64(p.interval)/float64(p.maxAge)))
	}
	if n = min(n, len(all)); n == 0 {
		return nil
	}
	var chosen []candidate
	for _, c := range all {
		if c.at <= times[n-1] {
			chosen = append(chosen, c)
		}
	}
	slices.SortFunc(chosen, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.user, b.user)) })
	return chosen[:n]
}

// forbiddenDue tells whether it is a forbidden user's turn to be asked for again: once in every greatest age, each at an instant of its own.
func (p modelPolicy) forbiddenDue(user string) bool {
	if p.maxAge <= 0 || p.interval >= p.maxAge {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(user)) // a hash takes everything
	slot := time.Duration(h.Sum64() % uint64(p.maxAge))
	since := time.Duration(p.clock.UnixNano()%int64(p.maxAge)) - slot
	if since < 0 {
		since += p.maxAge
	}
	return since < p.interval
}

// The models of so many users may be asked for at once, and after so many failures in a row the server is left alone.
const (
	modelWorkers  = 16
	modelFailures = 10
)

// modelFetcher asks for models while the sweep goes on. Users are added by reason; the more urgent reason goes first.
type modelFetcher struct {
	r      *run
	o      *org
	source modeller      // nil: there are no models at a request each
	budget time.Duration // 0: none

	mu       sync.Mutex
	wake     *sync.Cond
	asked    keyset.Set
	queues   [AskedForAll + 1][]uint32 // their numbers
	closed   bool
	failures int
	stopped  bool // the budget is spent, or the server fails
	err      error

	workers sync.WaitGroup
	done    atomic.Int64
	added   atomic.Int64
}

func (r *run) newFetcher(ctx context.Context, o *org) *modelFetcher {
	f := &modelFetcher{r: r, o: o, budget: r.cfg.ModelBudget}
	f.asked.In(r.space)
	f.source, _ = o.source.(modeller)
	if r.o.Command == Backfill || r.offline {
		f.budget = 0
	}
	f.wake = sync.NewCond(&f.mu)
	for range modelWorkers {
		f.workers.Add(1)
		go func() {
			defer f.workers.Done()
			f.work(ctx)
		}()
	}
	return f
}

// add queues a user, once.
func (f *modelFetcher) add(user string, why Reason) {
	if f.source == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return
	}
	n, added := f.asked.Add(user)
	if !added {
		return
	}
	f.queues[why] = append(f.queues[why], uint32(n))
	f.added.Add(1)
	f.wake.Signal()
}

// next is the next user to ask for; false when there will be none.
func (f *modelFetcher) next(ctx context.Context) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if f.stopped || ctx.Err() != nil {
			return "", false
		}
		for why := range f.queues {
			if q := f.queues[why]; len(q) > 0 {
				f.queues[why] = q[1:]
				return f.asked.Key(int(q[0])), f.withinBudget()
			}
		}
		if f.closed {
			return "", false
		}
		f.wake.Wait()
	}
}

// withinBudget starts the clock at the first request and tells whether there is time left.
func (f *modelFetcher) withinBudget() bool {
	if f.budget <= 0 {
		return true
	}
	now := f.r.o.Now()
	if f.r.modelsUntil.IsZero() { // organizations come one after another, and share the budget
		f.r.modelsUntil = now.Add(f.budget)
	}
	if now.Before(f.r.modelsUntil) {
		return true
	}
	f.stop(nil)
	return false
}

// stop ends the fetching; the lock is held.
func (f *modelFetcher) stop(err error) {
	f.stopped = true
	if f.err == nil { // the others under way fail for the same reason
		f.err = err
	}
	f.wake.Broadcast()
}

// finish waits until everybody queued was asked for, or the fetching stopped. cancel makes it stop at once.
func (f *modelFetcher) finish(cancel bool) error {
	f.mu.Lock()
	f.closed = true
	if cancel {
		f.stop(nil)
	}
	f.wake.Broadcast()
	f.mu.Unlock()
	f.workers.Wait()
	return f.err
}

func (f *modelFetcher) work(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.wake.Broadcast()
	})
	defer stop()
	for {
		user, ok := f.next(ctx)
		if !ok {
			return
		}
		m, err := f.source.Model(ctx, user)
		if err := f.take(ctx, user, m, err); err != nil {
			f.mu.Lock()
			f.stop(err)
			f.mu.Unlock()
			return
		}
	}
}

// take keeps an answer. A server that fails for one user costs that user's models; one that fails for everybody ends the fetching.
func (f *modelFetcher) take(ctx context.Context, user string, m amigo.Model, err error) error {
	var unavailable *extract.UnavailableError
	var tooLarge *extract.TooLargeError
	switch {
	case errors.Is(err, extract.ErrNotRecorded):
		return nil
	case ctx.Err() != nil:
		return nil // the run itself says so
	case errors.As(err, &unavailable), errors.As(err, &tooLarge):
		f.mu.Lock()
		defer f.mu.Unlock()
		f.failures++
		if f.failures >= modelFailures {
			f.r.o.Log.Warn().Str("org", f.o.name).Int("failures", f.failures).Msg("user_model requests keep failing; the rest is left for the next run")
			f.stop(nil)
		}
		return nil
	case err != nil:
		return err
	}
	f.mu.Lock()
	f.failures = 0
	f.mu.Unlock()
	f.r.progress("models", f.done.Add(1), f.added.Load())
	return f.o.setModel(f.r.spill, user, m)
}

// setModel keeps the answer about a user's models.
func (o *org) setModel(s *spill, user string, m amigo.Model) error {
	o.mu.Lock()
	e := o.roster.find(user)
	o.mu.Unlock()
	at := transform.MicrosOf(m.At)
	switch m.State {
	case amigo.Fetched:
		m.Raw = o.pii.Record(m.Raw)
		where, err := s.put(m.Raw)
		if err != nil {
			return err
		}
		var row transform.Row
		row.SetModels(transform.DecodeModels(m.Raw, nil))
		o.mu.Lock()
		defer o.mu.Unlock()
		a := o.roster.answer(e)
		a.model, a.modelState, a.modelAt, e.modelsHash = where, transform.Fetched, at, row.ModelsHash
	case amigo.Forbidden:
		o.mu.Lock()
		defer o.mu.Unlock()
		a := o.roster.answer(e)
		a.modelState, a.modelAt = transform.Forbidden, at
	}
	return nil
}

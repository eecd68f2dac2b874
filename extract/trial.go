package extract

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// trial is one call on its way to an answer: what was tried so far, and the rules for trying again.
type trial struct {
	c        *Client
	call     Call
	accept   func(Answer) error
	retry    Retry
	header   http.Header // of every attempt, beside the credentials
	auth     authorizer  // nil: no credentials
	recorder recorder    // nil: nothing is kept

	attempts  int           // without those that met a 429 or the 401 that was mended
	failing   time.Duration // spent on failed attempts and between them
	renewals  int           // 401s met with credentials that others could replace
	throttles int           // 429s met
	throttled time.Time     // when the first of them came
}

func (t *trial) run(ctx context.Context) (Answer, error) {
	ep := t.c.endpoint(t.call.Org, t.call.Kind)
	for {
		a, generation, err := t.attempt(ctx, ep)
		if err == nil {
			return a, nil
		}
		var f *fault
		if !errors.As(err, &f) {
			return Answer{}, err
		}
		switch f.status {
		case http.StatusUnauthorized:
			err = t.renew(generation)
		case http.StatusTooManyRequests:
			err = t.rest(ep, f)
		default:
			err = t.backOff(ctx, ep, f)
		}
		if err != nil {
			return Answer{}, err
		}
	}
}

// attempt sends the call once and judges the answer. Its error is a *fault where trying again is a question, else final. The generation is
// that of the credentials used.
func (t *trial) attempt(ctx context.Context, ep *endpoint) (a Answer, generation int, err error) {
	h := make(http.Header)
	maps.Copy(h, t.header)
	// Signing in comes before waiting for a turn, so that the request then leaves on time; and once more after it, for a wait may outlast
	// a token.
	if _, err = t.authorize(ctx, h); err != nil {
		return Answer{}, 0, err
	}
	number, err := ep.acquire(ctx, func(d time.Duration) { t.c.o.Hooks.wait(t.call, d) })
	if err != nil {
		return Answer{}, 0, err
	}
	if generation, err = t.authorize(ctx, h); err != nil {
		return Answer{}, 0, err
	}
	start := time.Now()
	a, answered, err := t.c.send(ctx, t.call, h)
	ep.settle(number, answered)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return Answer{}, generation, timed(err, start)
	}
	t.c.o.Hooks.answer(t.call, a, time.Since(start))
	verdict := timed(t.judge(a, answered), start)
	if t.recorder != nil {
		if err := t.recorder.Record(ctx, t.call, a, verdict == nil); err != nil {
			return Answer{}, generation, fmt.Errorf("record the answer to a %s request to %s: %w", t.call.Kind, t.call.Org, err)
		}
	}
	return a, generation, verdict
}

func (t *trial) authorize(ctx context.Context, h http.Header) (generation int, err error) {
	if t.auth == nil {
		return 0, nil
	}
	return t.auth.Authorize(ctx, t.c, t.call.Org, h)
}

// timed notes on a fault how long the attempt took.
func timed(err error, start time.Time) error {
	var f *fault
	if errors.As(err, &f) {
		f.took = time.Since(start)
	}
	return err
}

// judge says whether a whole answer is usable: nil, or why not.
func (t *trial) judge(a Answer, h http.Header) error {
	switch {
	case t.call.answeredBy(a.Status):
		if isSuccess(a.Status) && !plausibleType(a.ContentType) {
			return &fault{status: a.Status, label: "content type", hint: hintForeign, again: true}
		}
		if err := t.accept(a); err != nil {
			return &fault{status: a.Status, label: "content", hint: hintForeign, again: true, err: err}
		}
		return nil
	case a.Status == http.StatusForbidden:
		return &RefusedError{Org: t.call.Org, Kind: t.call.Kind, Status: a.Status}
	case a.Status == http.StatusNotFound:
		return &OrgNotFoundError{Org: t.call.Org, Kind: t.call.Kind, Host: t.c.Host(), Hosts: t.c.o.Hosts}
	}
	return statusFault(a.Status, h)
}

// maxRenewals is how often in a call other credentials may mend a 401. More than once, for beside other calls one can meet the end of a
// token and then that of its successor; seldom, for sign-ins are few (api/amigo.md §1.3).
const maxRenewals = 2

// renew handles a 401, which other credentials may mend.
func (t *trial) renew(generation int) error {
	if t.auth == nil || t.renewals == maxRenewals || !t.auth.Refused(t.call.Org, generation) {
		return &RefusedError{Org: t.call.Org, Kind: t.call.Kind, Status: http.StatusUnauthorized}
	}
	t.renewals++
	return nil
}

// rest handles a 429: the whole endpoint rests, this call and every other.
func (t *trial) rest(ep *endpoint, f *fault) error {
	t.throttles++
	now := time.Now()
	if t.throttles == 1 {
		t.throttled = now
	}
	met, wait := t.throttles, f.after
	if f.hasAfter {
		met--
	}
	if least := throttleFloor(met); wait < least {
		wait = least + t.retry.Jitter(least/4)
	}
	if wait > t.retry.MaxWait || t.throttles >= t.retry.Attempts && now.Sub(t.throttled) >= t.retry.Failing {
		t.c.o.Hooks.throttle(t.call, 0)
		return t.unavailable(f, t.throttles+t.attempts, now.Sub(t.throttled)+t.failing)
	}
	t.c.o.Hooks.throttle(t.call, wait)
	ep.block(now.Add(wait))
	return nil
}

// throttleFloor is the shortest rest after the n-th 429 of a call whose Retry-After is missing or did not help. Seven of them outlast
// a window of a minute.
func throttleFloor(n int) time.Duration {
	if n <= 0 {
		return 0
	}
	return min(30*time.Second, time.Second<<min(n-1, 5))
}

// backOff handles every other fault: wait and try again, within bounds.
func (t *trial) backOff(ctx context.Context, ep *endpoint, f *fault) error {
	t.attempts++
	t.failing += f.took
	wait := t.retry.Jitter(min(30*time.Second, 250*time.Millisecond<<min(t.attempts-1, 7)))
	wait = max(wait, f.after)
	if !f.again || t.attempts >= t.retry.Attempts || t.failing+wait > t.retry.Failing {
		return t.unavailable(f, t.attempts+t.throttles, t.failing)
	}
	t.failing += wait
	t.c.o.Hooks.retry(t.call, f.label, wait)
	if f.after > 0 {
		ep.block(time.Now().Add(f.after))
	}
	return sleep(ctx, wait)
}

func (t *trial) unavailable(f *fault, attempts int, failing time.Duration) error {
	e := &UnavailableError{Org: t.call.Org, Kind: t.call.Kind, Status: f.status, Attempts: attempts, Failing: failing,
		Reason: f.Error(), err: f.err}
	switch {
	case f.after > t.retry.MaxWait || f.after > t.retry.Failing:
		e.hints = []string{"the API asks to come back in " + f.after.Round(time.Second).String()}
	case f.hint == hintAddress:
		e.hints = append([]string{"check the network and the base URL"}, regionHint(t.c.o.Hosts)...)
	case f.hint != "":
		e.hints = []string{f.hint}
	}
	return e
}

// sleep waits for d or for the end of ctx, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

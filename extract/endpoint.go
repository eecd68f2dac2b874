package extract

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// slack is how much longer than a minute a minute's requests take: 1 %. A window, fixed or sliding, then holds no more than it may
	// even when requests reach the server up to 0.6 s sooner or later after sending than others did.
	slack = 1.01
	// resetMargin is waited beyond a reset, for the server's clock may be a little behind.
	resetMargin = 20 * time.Millisecond
)

// endpoint decides when the next request to one endpoint of one organization may go. Three things can hold it back: the schedule, which
// spaces requests evenly; a rest that the server asked for; and the server's budget, as its X-RateLimit headers tell it. Requests take turns,
// and only the one whose turn it is has a slot in the schedule: a slot that falls into closed time moves to its end, and those behind it
// with it, so that none is lost and nothing bursts when the endpoint opens.
//
// The requests of an endpoint are numbered as they go. An answer to number i that says r remain means that the server takes requests up to
// number i+r until its reset, whatever is in flight meanwhile; less if others draw on the budget, which later answers tell.
type endpoint struct {
	interval time.Duration // of the schedule; 0: none
	burst    int           // requests that may go at once after a pause, 1 or more
	paced    bool          // the server's headers may slow the schedule down

	turn chan struct{} // holds one element while somebody waits for a slot

	mu    sync.Mutex
	next  time.Time // when the schedule's next slot is
	rest  time.Time // nobody goes before
	sent  int       // the number of the last request, from 1
	last  int       // the number of the last request the server takes before reset
	reset time.Time // zero or past: no budget is known
}

// newEndpoint makes the schedule of an endpoint whose documented limit is documented requests a minute (0: none).
func newEndpoint(kind Kind, rpm RPM, documented int) *endpoint {
	e := &endpoint{burst: 1, paced: rpm == RPMAuto, turn: make(chan struct{}, 1)}
	perMinute := 0
	switch {
	case kind == KindSignIn:
		// A sign-in holds up everything else, and comes once in a token's lifetime: two may follow each other.
		if rpm == RPMAuto && documented > 2 {
			perMinute, e.burst = documented, 2
		}
	case rpm == RPMAuto:
		perMinute = documented
	case rpm > 0:
		perMinute = int(rpm)
	}
	if perMinute > 0 {
		e.interval = time.Duration(slack * float64(time.Minute) / float64(perMinute-e.burst+1))
	}
	return e
}

// acquire returns when a request may be sent, with its number; settle must follow. waiting is called before each wait.
func (e *endpoint) acquire(ctx context.Context, waiting func(time.Duration)) (number int, err error) {
	select {
	case e.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-e.turn }()
	arrived := time.Now()
	for {
		number, wait := e.enter(arrived)
		if wait <= 0 {
			return number, ctx.Err()
		}
		waiting(wait)
		if err := sleep(ctx, wait); err != nil {
			return 0, err
		}
	}
}

// enter numbers a request that has waited since arrived, or says how long it must wait at least.
func (e *endpoint) enter(arrived time.Time) (number int, wait time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	closed := e.closedUntil()
	slot := latest(e.next, arrived)
	credit := time.Duration(e.burst-1) * e.interval
	if wait = time.Until(latest(slot.Add(-credit), closed)); wait > 0 {
		return 0, wait
	}
	// Having slept a little too long does not move the schedule, closed time does.
	slot = latest(slot, closed)
	e.sent++
	e.next = slot.Add(e.pace(slot))
	return e.sent, 0
}

// pace is how long after slot the next one is. Where others draw on the same budget, what is left of it is spread over what is left of the
// window: the request after the last one falls on the reset. The caller holds mu.
func (e *endpoint) pace(slot time.Time) time.Duration {
	left := e.reset.Sub(slot)
	if !e.paced || left <= 0 {
		return e.interval
	}
	return max(e.interval, left/time.Duration(max(1, e.last-e.sent+1)))
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}

// closedUntil is when the endpoint opens or has opened, as far as is known. The caller holds mu.
func (e *endpoint) closedUntil() time.Time {
	if e.sent >= e.last && e.reset.After(e.rest) {
		return e.reset
	}
	return e.rest
}

// settle takes to heart what the headers of the answer to that request say of the budget.
func (e *endpoint) settle(number int, h http.Header) {
	now := time.Now()
	remaining, reset, ok := rateLimit(h, now)
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observe(number+remaining, reset.Add(resetMargin), now)
}

// observe takes over the server's budget: requests up to number last until reset. Answers overtake each other: within one window the
// smallest number is the truth, and a window that ends sooner than the one known is an older one. The caller holds mu.
func (e *endpoint) observe(last int, reset, now time.Time) {
	const same = time.Second // resets are told in whole seconds
	switch later := reset.Sub(e.reset); {
	case !e.reset.After(now) || later >= same:
		e.last, e.reset = last, reset
	case later > -same:
		e.last = min(e.last, last)
	}
}

// block keeps every request back until t.
func (e *endpoint) block(t time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.After(e.rest) {
		e.rest = t
	}
}

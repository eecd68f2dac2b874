package daemon

import (
	"maps"
	"sync"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/schedule"
)

// State is how the daemon stands at a moment.
type State struct {
	Next    time.Time         // when the next run is due
	Running bool              // a run is on
	Since   time.Time         // when that run began; zero: none is on
	Runs    map[string]uint64 // runs that ended since the daemon began, by Outcome.Status
	Missed  uint64            // times that a run was due and left out
	Retries uint64            // runs that were another try
	Last    *Outcome          // the run that ended last; nil: none did
	Alive   bool              // the loop goes round
}

// state is the daemon's, which the loop writes and others read.
type state struct {
	mu              sync.Mutex
	next, beat      time.Time
	running         time.Time // zero: none is
	runs            map[string]uint64
	missed, retries uint64
	last            *Outcome
}

// State is how the daemon stands now.
func (d *Daemon) State() State {
	s := &d.state
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{
		Next: s.next, Running: !s.running.IsZero(), Since: s.running, Runs: maps.Clone(s.runs), Missed: s.missed, Retries: s.retries, Last: s.last,
		Alive: d.now().Sub(s.beat) < heartbeat,
	}
}

func (s *state) due() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// pass moves on to what is due after now; it counts what was due until then, and says when the last of it was.
func (s *state) pass(times *schedule.Schedule, now time.Time) (passed int, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; !s.next.After(now); s.next = times.Next(s.next) {
		passed, last = passed+1, s.next
	}
	return passed, last
}

func (s *state) alive(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beat = now
}

func (s *state) miss(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missed += uint64(n)
}

func (s *state) retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retries++
}

func (s *state) begin(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = now
}

func (s *state) end(out Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = time.Time{}
	s.runs[out.Status()]++
	s.last = &out
}

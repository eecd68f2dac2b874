package night

import (
	"context"
	"slices"
	"time"
)

// The states of a shard.
const (
	StateFailed   = "failed"   // nobody tries it any more
	StateRetrying = "retrying" // after an error
	StateHeld     = "held off" // another process holds its warehouse
	StateRunning  = "running"
	StateWaiting  = "waiting"
	StateLost     = "not in the queue"
	StateDone     = "done"
)

func order(state string) int {
	return slices.Index([]string{StateFailed, StateLost, StateRetrying, StateHeld, StateRunning, StateWaiting, StateDone}, state)
}

// Row is one organization of a night.
type Row struct {
	Org       string    `json:"org"`
	State     string    `json:"state"`
	Status    string    `json:"status,omitempty"` // rollcall's, of one that is done
	Certified bool      `json:"certified"`
	Attention bool      `json:"attention"`
	Users     int64     `json:"users"`
	Requests  int       `json:"requests"`
	RateShare float64   `json:"rate_share"`
	Seconds   float64   `json:"seconds"`
	Attempts  int       `json:"attempts"`
	Worker    string    `json:"worker,omitempty"`
	Since     time.Time `json:"since"` // of the state
	Error     string    `json:"error,omitempty"`
}

// Status is how far a night is.
type Status struct {
	Night     string         `json:"night"`
	Run       string         `json:"run_id"`
	Created   time.Time      `json:"created"`
	States    map[string]int `json:"states"`
	Certified int            `json:"certified"`
	Users     int64          `json:"users"`
	Requests  int64          `json:"requests"`
	RateShare float64        `json:"rate_share"` // the most of an organization
	Published *Published     `json:"published"`
	Missing   []string       `json:"missing,omitempty"`
	Rows      []Row          `json:"orgs"` // those that want somebody first
}

// StatusOf is how far a night is. Without a queue, what has no outcome is waiting.
func StatusOf(ctx context.Context, p *Place, q *Queue, night string) (s Status, err error) {
	plan, err := ReadPlan(ctx, p, night)
	if err != nil {
		return s, err
	}
	var jobs map[string]jobState
	if q != nil { // before the outcomes: a shard that ends meanwhile is done
		if jobs, err = q.jobs(ctx, night); err != nil {
			return s, err
		}
	}
	results, failures, err := Outcomes(ctx, p, night)
	if err != nil {
		return s, err
	}
	s = Status{Night: night, Run: plan.Run, Created: plan.Created, States: map[string]int{}}
	for _, org := range plan.Orgs {
		row := rowOf(org, plan, results, failures, jobs, q != nil)
		s.States[row.State]++
		s.Users, s.Requests, s.RateShare = s.Users+row.Users, s.Requests+int64(row.Requests), max(s.RateShare, row.RateShare)
		if row.Certified {
			s.Certified++
		}
		s.Rows = append(s.Rows, row)
	}
	s.Rows = sorted(s.Rows)
	var d Decision
	if _, err := p.isThere(ctx, decisionName(night), &d); err != nil {
		return s, err
	}
	s.Missing = d.Missing
	var published Published
	there, err := p.isThere(ctx, publishedName(night), &published)
	if there {
		s.Published = &published
	}
	return s, err
}

func rowOf(org string, plan Plan, results map[string]Result, failures map[string]Failure, jobs map[string]jobState, queued bool) Row {
	job, inQueue := jobs[org]
	if r, ok := results[org]; ok {
		return Row{
			Org: org, State: StateDone, Status: r.Status, Certified: r.Certificate.Certified, Attention: r.Attention, Users: r.Users, Requests: r.Requests,
			RateShare: r.RateShare, Seconds: r.Seconds, Attempts: max(r.Attempt, job.Attempt), Worker: r.Worker, Since: r.Finished,
		}
	}
	if f, ok := failures[org]; ok {
		return Row{Org: org, State: StateFailed, Attempts: f.Attempt, Worker: f.Worker, Since: f.At, Error: f.Error}
	}
	row := Row{Org: org, State: StateWaiting, Attempts: job.Attempt, Worker: job.Worker, Since: plan.Created, Error: job.Error}
	if queued && !inQueue {
		row.State = StateLost
	}
	if job.Attempted != nil {
		row.Since = *job.Attempted
	}
	switch job.State {
	case "running":
		row.State = StateRunning
	case "retryable":
		row.State = StateRetrying
	case "scheduled":
		row.State = StateHeld
	case "cancelled", "discarded", "completed":
		row.State = StateLost // the queue is done with it, and nobody recorded what it came to
	}
	return row
}

// Package doctor looks whether a set-up can work before a night depends on it: the configuration, the credentials and what they are granted, the API as it
// answers, the warehouse, and the places that versions and news go to.
//
// It changes nothing and asks little: of each organization a sign-in, one page of two users, the model of one of them (of the second too where the first is
// forbidden), the roles, and the SQL endpoint where a run would ask it; of object storage current.json, and of the lake, by rollcall-lake, what it shows. A check has 20 seconds, whatever the network does. The
// lock is not touched: a run that begins meanwhile does not notice.
//
// Each check is a [Result]: what was found, and what mends it. Nothing of a secret or a user is in any, but the identity that signs in, as a certificate has it.
package doctor

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/load/publish"
)

// Status is how a check ended.
type Status string

// The ways.
const (
	OK   Status = "ok"
	Skip Status = "skip" // there was nothing to check, or no way to
	Warn Status = "warn" // a run works, and something is less than it could be
	Fail Status = "fail" // a run would fail, or people could read what they should not
)

// Result is one check.
type Result struct {
	Check  string `json:"check"`
	Org    string `json:"org,omitempty"` // where it is about one organization
	Status Status `json:"status"`
	Found  string `json:"found"`
	Mend   string `json:"mend,omitempty"`
}

// Report is all that was looked at, in order.
type Report struct {
	Status   Status   `json:"status"`   // the worst: ok, warn or fail
	Requests int      `json:"requests"` // that the API and object storage were asked
	Checks   []Result `json:"checks"`

	refused error
}

// Err is nil where no check failed, else an error that names those that did. It wraps the refusal where credentials or a permission are the matter.
func (r *Report) Err() error {
	var failed []string
	for _, c := range r.Checks {
		if c.Status == Fail {
			failed = append(failed, strings.TrimSpace(c.Check+" "+c.Org))
		}
	}
	if failed == nil {
		return nil
	}
	return &FailedError{Checks: failed, err: r.refused}
}

// FailedError says which checks failed.
type FailedError struct {
	Checks []string
	err    error
}

func (e *FailedError) Error() string {
	if len(e.Checks) == 1 {
		return "a check failed: " + e.Checks[0]
	}
	return "checks failed: " + strings.Join(e.Checks, ", ")
}

// Hints says where to look.
func (e *FailedError) Hints() []string { return []string{"each failed check says what mends it"} }

// Unwrap gives the refusal of credentials or of a permission, if that was it.
func (e *FailedError) Unwrap() error { return e.err }

// patience is how long a check may take.
const patience = 20 * time.Second

// examination is the checks under way.
type examination struct {
	c        *config.Config
	now      func() time.Time
	patience time.Duration // with each check
	report   Report

	mu       sync.Mutex // the hooks come from the client's goroutines
	requests int
	answers  map[extract.Kind]header
	skew     time.Duration // of the API's clock to ours, as the last answer says
	dated    bool          // an answer said
}

// header is what an answer says of its limit; -1: nothing.
type header struct{ limit, left int }

// Examine checks everything. The error is that of the context: what is found, however bad, is in the report.
func Examine(ctx context.Context, c *config.Config, now func() time.Time) (*Report, error) {
	e := newExamination(c, now)
	return e.run(ctx), ctx.Err()
}

func newExamination(c *config.Config, now func() time.Time) *examination {
	return &examination{c: c, now: now, patience: patience, answers: map[extract.Kind]header{}}
}

func (e *examination) run(ctx context.Context) *Report {
	e.file()
	e.api(ctx)
	e.clock()
	e.rate()
	wh := publish.Open(e.c.Warehouse)
	e.disk(wh)
	e.modes(wh)
	e.lock(wh)
	e.journal()
	e.engines(ctx)
	e.copies(ctx)
	e.lake(ctx)
	e.news(ctx)
	e.report.Requests += e.requests
	e.report.Status = OK
	for _, worse := range []Status{Warn, Fail} {
		if slices.ContainsFunc(e.report.Checks, func(r Result) bool { return r.Status == worse }) {
			e.report.Status = worse
		}
	}
	return &e.report
}

func (e *examination) add(r Result) { e.report.Checks = append(e.report.Checks, r) }

func (e *examination) say(check string, s Status, found, mend string) {
	e.add(Result{Check: check, Status: s, Found: found, Mend: mend})
}

// failed adds a check that ended with an error.
func (e *examination) failed(ctx context.Context, check, org string, err error) {
	e.trouble(ctx, Fail, check, org, err)
	if refusal(err) && e.report.refused == nil {
		e.report.refused = err
	}
}

// refusal tells whether credentials or a permission are the matter.
func refusal(err error) bool {
	var refused *extract.RefusedError
	var none *config.NoCredentialsError
	return errors.As(err, &refused) || errors.As(err, &none)
}

// trouble adds a check that met an error, with the error's own hints as the mend.
func (e *examination) trouble(ctx context.Context, s Status, check, org string, err error) {
	r := Result{Check: check, Org: org, Status: s, Found: err.Error()}
	var advised interface{ Hints() []string }
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		r.Found = "no answer within " + e.patience.String()
		r.Mend = "check the network, the base URL and the proxy (HTTPS_PROXY); run it again"
	case errors.As(err, &advised):
		r.Mend = strings.Join(advised.Hints(), "; ")
	}
	e.add(r)
}

// hooks watch the client.
func (e *examination) hooks() extract.Hooks {
	return extract.Hooks{
		OnRequest: func(extract.Kind, string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.requests++
		},
		OnHeader: func(k extract.Kind, _ string, h http.Header) {
			e.mu.Lock()
			defer e.mu.Unlock()
			if date, err := http.ParseTime(h.Get("Date")); err == nil {
				e.skew, e.dated = date.Sub(e.now()), true
			}
			if seen := (header{count(h, "X-RateLimit-Limit"), count(h, "X-RateLimit-Remaining")}); seen.limit >= 0 || seen.left >= 0 {
				e.answers[k] = seen
			}
		},
	}
}

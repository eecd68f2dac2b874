package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
)

// CheckResult is what one of the user's own checks came to. It says how many, never what.
type CheckResult struct {
	Name   string `json:"name"` // min_users, max_drop_percent, max_age, or the name of an SQL check
	Passed bool   `json:"passed"`
	Found  string `json:"found"`

	hints []string
	data  bool // it failed for what the API said, which it may say differently when asked anew
}

// CheckError says that a version was built and is not published, for the user's own checks fail.
type CheckError struct {
	Failed []CheckResult
}

func (e *CheckError) Error() string {
	texts := make([]string, len(e.Failed))
	for i, f := range e.Failed {
		texts[i] = fmt.Sprintf("check %s: %s", f.Name, f.Found)
	}
	return "the version is not published: " + strings.Join(texts, "; ")
}

// Hints says what to do.
func (e *CheckError) Hints() []string {
	var out []string
	anew := false
	for _, f := range e.Failed {
		out = append(out, f.hints...)
		anew = anew || f.data
	}
	out = append(out, "the version before is still current; checks: in the configuration says what is asked of a version, and can be changed")
	if anew {
		out = append(out, "the next run asks for the list anew, and for no model that it has")
	}
	return out
}

// askedAnew tells whether what the API said is why nothing was published: to go on from its answers would lead here again.
func (e *CheckError) askedAnew() bool {
	for _, f := range e.Failed {
		if f.data {
			return true
		}
	}
	return false
}

// noteStale marks a run whose sweep is not gone on from: checks hold back what it showed. Its models are good.
const noteStale = "stale"

// checkFailed notes what a failing check means for the next run.
func (r *run) checkFailed(ctx context.Context, err error) error {
	var failed *CheckError
	if !r.offline && errors.As(err, &failed) && failed.askedAnew() {
		return errors.Join(err, r.journal.Note(ctx, noteStale, true))
	}
	return err
}

// check runs the user's own checks on the database of a version that is not current yet. What they come to is in the summary.
func (r *run) check(ctx context.Context, s *Summary, database string) (err error) {
	c := r.cfg.Checks
	if len(c.SQL) == 0 && c.MinUsers == 0 && c.MaxDropPercent >= 100 && c.MaxAge == 0 {
		return nil
	}
	reader, err := duckdb.OpenReader(ctx, database, duckdb.ReaderOptions{})
	if err != nil {
		return fmt.Errorf("checks: %w", err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	users, latest, err := countUsers(ctx, reader)
	if err != nil {
		return err
	}
	if c.MinUsers > 0 {
		s.Checks = append(s.Checks, CheckResult{Name: "min_users", Passed: users >= int64(c.MinUsers), Found: fmt.Sprintf("%d users, and %d are the least", users, c.MinUsers), data: true})
	}
	if c.MaxDropPercent < 100 {
		result, err := r.checkDrop(users)
		if err != nil {
			return err
		}
		s.Checks = append(s.Checks, result)
	}
	if c.MaxAge > 0 {
		s.Checks = append(s.Checks, r.checkAge(latest))
	}
	for _, q := range c.SQL {
		result, err := checkSQL(ctx, reader, q.Name, q.SQL)
		if err != nil {
			return err
		}
		s.Checks = append(s.Checks, result)
	}
	failed := &CheckError{}
	for _, result := range s.Checks {
		if !result.Passed {
			failed.Failed = append(failed.Failed, result)
		}
	}
	if len(failed.Failed) > 0 {
		return failed
	}
	return nil
}

// countUsers is how many users there are, and the latest updated_at, in microseconds; nil where there is none.
func countUsers(ctx context.Context, reader *duckdb.Reader) (users int64, latest *int64, err error) {
	rows, err := reader.Query(ctx, "SELECT count(*), epoch_us(max(updated_at)) FROM users")
	if err != nil {
		return 0, nil, fmt.Errorf("checks: count the users: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if !rows.Next() {
		return 0, nil, fmt.Errorf("checks: count the users: %w", rows.Err())
	}
	if users, err = strconv.ParseInt(rows.Row()[0].Text, 10, 64); err != nil {
		return 0, nil, fmt.Errorf("checks: count the users: %w", err)
	}
	if last := rows.Row()[1]; !last.Null {
		micros, err := strconv.ParseInt(last.Text, 10, 64)
		if err != nil {
			return 0, nil, fmt.Errorf("checks: the latest updated_at: %w", err)
		}
		latest = &micros
	}
	return users, latest, nil
}

// checkDrop compares with what readers see now.
func (r *run) checkDrop(users int64) (CheckResult, error) {
	most := r.cfg.Checks.MaxDropPercent
	out := CheckResult{Name: "max_drop_percent", Passed: true, Found: "there is no version to compare with", data: true}
	v, err := r.wh.Current()
	if errors.Is(err, publish.ErrNoVersion) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("checks: %w", err)
	}
	for _, t := range v.Manifest.Tables {
		if t.Name == schema.NameUsers && t.Rows > 0 {
			drop := 100 * float64(t.Rows-users) / float64(t.Rows)
			out.Passed = drop <= most
			out.Found = fmt.Sprintf("%d users after %d, %.1f %% fewer, and %s %% are the most", users, t.Rows, max(0, drop), strconv.FormatFloat(most, 'f', -1, 64))
		}
	}
	return out, nil
}

func (r *run) checkAge(latest *int64) CheckResult {
	out := CheckResult{Name: "max_age", Found: "no user has an updated_at", data: true}
	if latest != nil {
		age := r.clock.Sub(time.UnixMicro(*latest))
		out.Passed = age <= r.cfg.Checks.MaxAge
		out.Found = fmt.Sprintf("the latest updated_at is %s old, and %s is the most", max(0, age).Round(time.Second), r.cfg.Checks.MaxAge)
	}
	return out
}

// checkSQL counts the rows of a statement, of which there must be none. One that cannot be run fails the check as well.
func checkSQL(ctx context.Context, reader *duckdb.Reader, name, query string) (CheckResult, error) {
	out := CheckResult{Name: name}
	n, err := countRows(ctx, reader, query)
	var mistake *duckdb.SQLError
	switch {
	case errors.As(err, &mistake):
		out.Found, out.hints = mistake.Error(), mistake.Hints()
	case err != nil:
		return out, fmt.Errorf("check %s: %w", name, err)
	case n == 1:
		out.Found, out.data = "1 row, and there must be none", true
	case n > 0:
		out.Found, out.data = fmt.Sprintf("%d rows, and there must be none", n), true
	default:
		out.Passed, out.Found = true, "no rows"
	}
	return out, nil
}

func countRows(ctx context.Context, reader *duckdb.Reader, query string) (n int, err error) {
	rows, err := reader.Query(ctx, query)
	if err != nil {
		return 0, err
	}
	for rows.Next() {
		n++
	}
	return n, errors.Join(rows.Err(), rows.Close())
}

// stale tells whether a check held back what the run's sweep showed.
func stale(noted json.RawMessage, ok bool) bool {
	var yes bool
	return ok && json.Unmarshal(noted, &yes) == nil && yes
}

package night

import (
	"context"
	"fmt"
	"path"
	"time"

	"golang.org/x/sync/errgroup"
)

// Result is what a shard came to. It is written once.
type Result struct {
	Format      int         `json:"format"`
	Night       string      `json:"night"`
	Org         string      `json:"org"`
	Run         string      `json:"run_id"`  // rollcall's
	Version     string      `json:"version"` // that the warehouse had after it: this run's, or where nothing had changed an earlier one's
	Status      string      `json:"status"`  // certified, uncertified, held or unchanged
	Attention   bool        `json:"attention"`
	Certificate Certificate `json:"certificate"`
	Users       int64       `json:"users"`
	Requests    int         `json:"requests"`
	Seconds     float64     `json:"seconds"`
	RateShare   float64     `json:"rate_share"` // of the requests that the run was allowed to make in its time to the endpoint it asked most; 0: no limit
	Attempt     int         `json:"attempt"`
	Worker      string      `json:"worker"`
	Found       bool        `json:"found"` // in the warehouse, of a worker that did not live to write it
	Finished    time.Time   `json:"finished"`
}

// Certificate is what a run proved.
type Certificate struct {
	Certified   bool   `json:"certified"`
	Proof       string `json:"proof"`
	UsersSHA256 string `json:"users_sha256"`
}

// Failure says that nobody tries a shard any more. A result that comes all the same counts more.
type Failure struct {
	Format  int       `json:"format"`
	Night   string    `json:"night"`
	Org     string    `json:"org"`
	Code    int       `json:"exit_code"`
	Error   string    `json:"error"` // without personal data
	Attempt int       `json:"attempt"`
	Worker  string    `json:"worker"`
	At      time.Time `json:"at"`
}

// Record writes a shard's result. It is refused where there is one already: another's.
func Record(ctx context.Context, p *Place, r Result) (recorded bool, err error) {
	r.Format = format
	return p.createDoc(ctx, resultName(r.Night, r.Org), r)
}

// parallel is how many documents are read at once.
const parallel = 16

// Outcomes are the results and failures of a night, by organization.
func Outcomes(ctx context.Context, p *Place, night string) (map[string]Result, map[string]Failure, error) {
	results, err := readAll(ctx, p, resultsOf(night), func(r Result) string { return r.Org })
	if err != nil {
		return nil, nil, err
	}
	failures, err := readAll(ctx, p, failuresOf(night), func(f Failure) string { return f.Org })
	return results, failures, err
}

func readAll[T any](ctx context.Context, p *Place, folder string, org func(T) string) (map[string]T, error) {
	names, err := p.store.list(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", path.Base(folder), err)
	}
	docs := make([]T, len(names))
	there := make([]bool, len(names)) // a failure may be taken back meanwhile
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(parallel)
	for i, name := range names {
		reading.Go(func() (err error) {
			there[i], err = p.isThere(ctx, name, &docs[i])
			return err
		})
	}
	if err := reading.Wait(); err != nil {
		return nil, err
	}
	out := make(map[string]T, len(docs))
	for i, doc := range docs {
		if there[i] {
			out[org(doc)] = doc
		}
	}
	return out, nil
}

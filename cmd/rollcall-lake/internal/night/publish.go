package night

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Decision is what of a night is published. It is made once.
type Decision struct {
	Format      int         `json:"format"`
	Night       string      `json:"night"`
	Run         string      `json:"run_id"`
	Certificate Certificate `json:"certificate"` // certified where every shard's is; the hash is over theirs
	Shards      []Shard     `json:"shards"`
	Missing     []string    `json:"missing,omitempty"` // organizations that failed: what is published of them is of a night before
}

// Shard is the version of an organization that is published.
type Shard struct {
	Org     string `json:"org"`
	Version string `json:"version"`
}

// IncompleteError says that a night cannot be published yet, or not whole.
type IncompleteError struct {
	Night   string
	Waiting []string // organizations that have no outcome yet
	Failed  []string
}

func (e *IncompleteError) Error() string {
	if len(e.Waiting) > 0 {
		return fmt.Sprintf("night %s: %d organizations have no result yet, %q first", e.Night, len(e.Waiting), e.Waiting[0])
	}
	return fmt.Sprintf("night %s: %d organizations failed, %q first", e.Night, len(e.Failed), e.Failed[0])
}

// Hints says what to do.
func (e *IncompleteError) Hints() []string {
	if len(e.Waiting) > 0 {
		return []string{"rollcall-lake night status --night " + e.Night + " says how far they are"}
	}
	return []string{
		"rollcall-lake night status --night " + e.Night + " says why; rollcall-lake enqueue with the same night tries them again",
		"--allow-missing publishes the others, and keeps the rows that the failed ones had",
	}
}

// Decide makes the night's decision, or reads the one that was made. The error is an *IncompleteError while there is nothing to decide.
func Decide(ctx context.Context, p *Place, night string, r Rollcall, allowMissing bool) (Decision, error) {
	var d Decision
	if there, err := p.isThere(ctx, decisionName(night), &d); there || err != nil {
		return d, err
	}
	plan, err := ReadPlan(ctx, p, night)
	if err != nil {
		return d, err
	}
	results, failures, err := Outcomes(ctx, p, night)
	if err != nil {
		return d, err
	}
	ours, err := decide(plan, results, failures, allowMissing, func(org string) (string, error) { return current(r.Warehouse(org)) })
	if err != nil {
		return d, err
	}
	if _, err := p.createDoc(ctx, decisionName(night), ours); err != nil {
		return d, err
	}
	return d, p.readDoc(ctx, decisionName(night), &d) // whoever's it is
}

func decide(plan Plan, results map[string]Result, failures map[string]Failure, allowMissing bool, before func(org string) (string, error)) (Decision, error) {
	d := Decision{Format: format, Night: plan.Night, Run: plan.Run, Certificate: Certificate{Certified: true}}
	missing := &IncompleteError{Night: plan.Night}
	hash := sha256.New()
	for _, org := range plan.Orgs {
		r, ok := results[org]
		if ok {
			d.Shards = append(d.Shards, Shard{org, r.Version})
			d.Certificate.Certified = d.Certificate.Certified && r.Certificate.Certified
			d.Certificate.Proof = proofOf(d.Certificate.Proof, r.Certificate.Proof)
			fmt.Fprintf(hash, "%q %s\n", org, r.Certificate.UsersSHA256)
			continue
		}
		if _, failed := failures[org]; !failed {
			missing.Waiting = append(missing.Waiting, org)
			continue
		}
		missing.Failed = append(missing.Failed, org)
		version, err := before(org)
		if err != nil {
			return d, fmt.Errorf("organization %q: %w", org, err)
		}
		if version != "" {
			d.Shards = append(d.Shards, Shard{org, version})
		}
	}
	if len(missing.Waiting) > 0 || len(missing.Failed) > 0 && !allowMissing {
		return d, missing
	}
	if d.Missing = missing.Failed; len(d.Missing) > 0 {
		d.Certificate = Certificate{}
		return d, nil
	}
	d.Certificate.UsersSHA256 = hex.EncodeToString(hash.Sum(nil))
	return d, nil
}

// proofOf is the proof that all have, or mixed.
func proofOf(all, one string) string {
	if all == "" || all == one {
		return one
	}
	return "mixed"
}

// current is the current version of a warehouse; empty where there is none.
func current(warehouse string) (string, error) {
	to, err := os.Readlink(filepath.Join(warehouse, "current"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for its last version: %w", err)
	}
	return filepath.Base(to), nil
}

// Folders are the folders of the versions that are published, with the warehouses that r names.
func (d Decision) Folders(r Rollcall) []string {
	folders := make([]string, len(d.Shards))
	for i, s := range d.Shards {
		folders[i] = filepath.Join(r.Warehouse(s.Org), "versions", s.Version)
	}
	return folders
}

// Published is the record that a night was published; what was, the lake's tables say.
type Published struct {
	Format  int       `json:"format"`
	Night   string    `json:"night"`
	Run     string    `json:"run_id"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Seconds float64   `json:"seconds"`
}

// PublishTo publishes a night with commit, which makes the lake show the decision's versions under its run id, and does nothing where the lake shows them already. first says
// that nobody had recorded it before.
func PublishTo(ctx context.Context, p *Place, night string, r Rollcall, allowMissing bool, by string, commit func(context.Context, Decision) error) (first bool, err error) {
	d, err := Decide(ctx, p, night, r, allowMissing)
	if err != nil {
		return false, err
	}
	begun := time.Now()
	if err := commit(ctx, d); err != nil {
		return false, fmt.Errorf("publish the night of %s: %w", night, err)
	}
	return p.createDoc(ctx, publishedName(night), Published{
		Format: format, Night: night, Run: d.Run, At: time.Now().UTC(), By: cmp.Or(by, hostname()), Seconds: time.Since(begun).Seconds(),
	})
}

// LastDecided is the decision of the latest night that has one, or of the night that is named; an error wrapping fs.ErrNotExist where there is none. It may be that
// the lake shows it and nobody lived to record that: the night before would take back what was published.
func LastDecided(ctx context.Context, p *Place, night string) (d Decision, err error) {
	if night != "" {
		if err := CheckDate(night); err != nil {
			return d, err
		}
		return d, p.readDoc(ctx, decisionName(night), &d)
	}
	nights, err := Nights(ctx, p)
	if err != nil {
		return d, err
	}
	for _, night := range slices.Backward(nights) {
		if there, err := p.isThere(ctx, decisionName(night), &d); there || err != nil {
			return d, err
		}
	}
	return d, fmt.Errorf("the latest night that was published: %w", fs.ErrNotExist)
}

// sorted are the organizations of a plan in a state's order.
func sorted(rows []Row) []Row {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(order(a.State), order(b.State)), cmp.Compare(a.Org, b.Org))
	})
	return rows
}

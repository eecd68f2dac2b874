package pipeline

import (
	"maps"
	"slices"
	"strconv"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// Status is how a run ended.
type Status string

// The ways a run ends.
const (
	Certified   Status = "certified"   // published, nobody missing
	Uncertified Status = "uncertified" // published, but nothing proves that nobody is missing
	Held        Status = "held"        // published; deletions were held back
	Unchanged   Status = "unchanged"   // certified, and nothing to publish
	Failed      Status = "failed"      // nothing published
	Interrupted Status = "interrupted" // nothing published; the next run goes on from here
)

// Summary is what a run did: the document of --json and of runs/RUN.json.
type Summary struct {
	RunID            string        `json:"run_id"`
	DataRun          string        `json:"data_run,omitempty"` // of a replay: the run whose answers were replayed
	Command          string        `json:"command"`
	StartedAt        string        `json:"started_at"` // RFC 3339, UTC: the run's clock
	Status           Status        `json:"status"`
	Version          *string       `json:"version"` // the current version after the run; null where there is none
	Published        bool          `json:"published"`
	Source           string        `json:"source"`
	Orgs             []string      `json:"orgs"`
	Users            int64         `json:"users"`
	Added            int64         `json:"added"`
	Changed          int64         `json:"changed"`
	Enriched         int64         `json:"enriched"`
	Returned         int64         `json:"returned"`
	Deleted          int64         `json:"deleted"`
	DeletesHeld      int64         `json:"deletes_held"` // deletions of users, and removals of models that are forbidden now
	QuarantinedRows  int64         `json:"quarantined_rows"`
	QuarantinedCells int64         `json:"quarantined_cells"`
	Requests         Requests      `json:"requests"`
	Sweeps           int           `json:"sweeps"`
	Shifts           int           `json:"shifts"`
	Models           Models        `json:"models"`
	BytesReceived    int64         `json:"bytes_received"`
	Seconds          float64       `json:"seconds"`
	Stages           []Stage       `json:"stages,omitempty"` // those that ended
	Certificate      Certificate   `json:"certificate"`
	Checks           []CheckResult `json:"checks,omitempty"`             // the user's own, where a version was built
	PII              string        `json:"pii,omitempty"`                // rules about personal data that the tables were made under, and the key's fingerprint
	Suppressed       int64         `json:"suppressed,omitempty"`         // users left out because they are to stay forgotten
	Unerased         string        `json:"erasure_unfinished,omitempty"` // when the erasure began that waits for forget to be run again
	Copies           []Copy        `json:"copies,omitempty"`             // in object storage
	Lake             []LakeCopy    `json:"lake,omitempty"`               // the lake of the configuration first
	Error            string        `json:"error,omitempty"`
}

// Requests counts requests as the server saw them, repeated ones included.
type Requests struct {
	List      int `json:"list"`
	Model     int `json:"model"`
	SignIn    int `json:"signin"`
	Lookup    int `json:"lookup"`
	Role      int `json:"role"`
	Memory    int `json:"memory"`
	SQL       int `json:"sql"`
	Other     int `json:"other"`
	Retried   int `json:"retried"`
	Throttled int `json:"throttled"`
	Replayed  int `json:"replayed"` // answered by the journal: no request

	ByStatus map[string]map[string]int `json:"by_status,omitempty"` // answers by endpoint (an extract.Kind) and HTTP status; what came to no answer is not in it
}

// answered counts an answer.
func (r *Requests) answered(k extract.Kind, status int) {
	if r.ByStatus == nil {
		r.ByStatus = map[string]map[string]int{}
	}
	if r.ByStatus[string(k)] == nil {
		r.ByStatus[string(k)] = map[string]int{}
	}
	r.ByStatus[string(k)][strconv.Itoa(status)]++
}

// clone shares nothing with r.
func (r Requests) clone() Requests {
	r.ByStatus = maps.Clone(r.ByStatus)
	for k, n := range r.ByStatus {
		r.ByStatus[k] = maps.Clone(n)
	}
	return r
}

func (r *Requests) of(k extract.Kind) *int {
	switch k {
	case extract.KindList, extract.KindFreddyList:
		return &r.List
	case extract.KindLookup:
		return &r.Lookup
	case extract.KindModel:
		return &r.Model
	case extract.KindRole:
		return &r.Role
	case extract.KindMemory:
		return &r.Memory
	case extract.KindSQL:
		return &r.SQL
	case extract.KindSignIn:
		return &r.SignIn
	}
	return &r.Other
}

// Models says how the users' models are known.
type Models struct {
	Fetched          int64 `json:"fetched"` // in this run
	Reused           int64 `json:"reused"`  // fetched before
	Listed           int64 `json:"listed"`  // carried by the list item
	Forbidden        int64 `json:"forbidden"`
	Pending          int64 `json:"pending"`
	Held             int64 `json:"held"` // newly forbidden, too many at once
	OldestAgeSeconds int64 `json:"oldest_age_seconds"`
}

// Certificate says whether the published users are all there are, and how that is known.
type Certificate struct {
	Certified   bool             `json:"certified"`
	Proof       string           `json:"proof"` // count, anchored or agreement; empty where not certified
	As          string           `json:"as"`    // the identity that asked: it sees only what it is permitted to
	Reasons     []string         `json:"reasons"`
	UsersSHA256 string           `json:"users_sha256"`
	Superseded  string           `json:"superseded,omitempty"` // RFC 3339, UTC: when users were erased; users_sha256 is over those who are left, empty where that cannot be told
	Orgs        []OrgCertificate `json:"orgs"`
}

// OrgCertificate is the certificate of one organization's sweep.
type OrgCertificate struct {
	Org string `json:"org"`
	sweep.Certificate
}

// NeedsPerson tells whether the run left something for a person to look at: exit code 3.
func (s *Summary) NeedsPerson() bool {
	return s.Status == Uncertified || s.Status == Held || s.DeletesHeld > 0 || s.Unerased != "" || s.QuarantinedRows > 0 || s.QuarantinedCells > 0 ||
		len(Outstanding(s.Copies)) > 0 || slices.ContainsFunc(s.Lake, LakeCopy.unerased)
}

// Outstanding says what did not get to object storage and the lakes, a line each.
func (s *Summary) Outstanding() []string {
	return append(Outstanding(s.Copies), OutstandingLakes(s.Lake)...)
}

package night

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// summary is what is read of a run's summary, which is rollcall's.
type summary struct {
	RunID            string      `json:"run_id"`
	Command          string      `json:"command"`
	StartedAt        time.Time   `json:"started_at"`
	Status           string      `json:"status"`
	Version          *string     `json:"version"`
	Users            int64       `json:"users"`
	DeletesHeld      int64       `json:"deletes_held"`
	QuarantinedRows  int64       `json:"quarantined_rows"`
	QuarantinedCells int64       `json:"quarantined_cells"`
	Requests         requests    `json:"requests"`
	Seconds          float64     `json:"seconds"`
	Certificate      Certificate `json:"certificate"`
}

// requests counts requests by endpoint. The counts that are about other counts are left out.
type requests struct {
	List   int `json:"list"`
	Model  int `json:"model"`
	SignIn int `json:"signin"`
	Lookup int `json:"lookup"`
	Role   int `json:"role"`
	Memory int `json:"memory"`
	SQL    int `json:"sql"`
	Other  int `json:"other"`
}

func (r requests) all() int {
	return r.List + r.Model + r.SignIn + r.Lookup + r.Role + r.Memory + r.SQL + r.Other
}

// documented are the requests a minute that the API's documentation allows (api/amigo.md §4.2).
var documented = struct{ list, model, role, memory, sql int }{60, 60, 20, 40, 6}

// rateShare is how much of what was allowed was asked: at the endpoint where that is most, in whole minutes begun. rpm is rollcall's --rpm.
func rateShare(r requests, seconds float64, rpm string) float64 {
	minutes := max(1, seconds/60)
	share := 0.0
	for _, e := range []struct{ asked, allowed int }{
		{r.List + r.Lookup, documented.list}, {r.Model, documented.model}, {r.Role, documented.role}, {r.Memory, documented.memory}, {r.SQL, documented.sql},
	} {
		allowed := e.allowed
		if n, err := strconv.Atoi(rpm); err == nil && n > 0 {
			allowed = n
		}
		share = max(share, float64(e.asked)/(float64(allowed)*minutes))
	}
	if rpm == "none" {
		return 0
	}
	return share
}

// ended tells whether the run left a version that is its outcome.
func (s summary) ended() bool {
	switch s.Status {
	case "certified", "uncertified", "held", "unchanged":
		return s.Version != nil && *s.Version != "" && (s.Command == "sync" || s.Command == "backfill")
	}
	return false
}

// attention tells whether the run left something for a person to look at, as far as its summary tells.
func (s summary) attention() bool {
	return s.Status == "uncertified" || s.Status == "held" || s.DeletesHeld > 0 || s.QuarantinedRows > 0 || s.QuarantinedCells > 0
}

// runSince is the latest run in a warehouse that ended well, of those that began at a time or after.
func runSince(warehouse string, since time.Time) (*summary, error) {
	entries, err := os.ReadDir(filepath.Join(warehouse, "runs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for runs of the night: %w", err)
	}
	slices.Reverse(entries) // run ids sort by time
	oldest := runID(since)
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || id < oldest {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(warehouse, "runs", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the record of run %s: %w", id, err)
		}
		var s summary
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, fmt.Errorf("read the record of run %s: %w", id, err)
		}
		if s.ended() && !s.StartedAt.Before(since) {
			return &s, nil
		}
	}
	return nil, nil
}

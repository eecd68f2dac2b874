package report

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

// Summary reads a run's record or the copy of it in a manifest.
func Summary(raw []byte) (*pipeline.Summary, error) {
	var s pipeline.Summary
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("read a run's summary: %w", err)
	}
	return &s, nil
}

// Record reads the record of a run.
func Record(w *publish.Warehouse, run string) (*pipeline.Summary, error) {
	raw, err := os.ReadFile(w.RunRecord(run))
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", run, err)
	}
	s, err := Summary(raw)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", run, err)
	}
	return s, nil
}

// Matter is something that a run left for a person.
type Matter struct {
	What string
	Mend string // what to do about it; empty: nothing but to look
}

// String is the matter in one line.
func (m Matter) String() string {
	if m.Mend == "" {
		return m.What
	}
	return m.What + ": " + m.Mend
}

// Attention is what a person should look at, and how.
func Attention(s *pipeline.Summary) []Matter {
	var out []Matter
	if s.Status == pipeline.Uncertified {
		out = append(out, Matter{What: "not certified: " + strings.Join(s.Certificate.Reasons, "; ")})
	}
	if s.DeletesHeld > 0 {
		out = append(out, Matter{fmt.Sprintf("%s held back, more than max_delete_percent", Plural(int(s.DeletesHeld), "deletion", "deletions")),
			"if they are right, rollcall sync --accept-deletes"})
	}
	if s.QuarantinedRows+s.QuarantinedCells > 0 {
		out = append(out, Matter{fmt.Sprintf("%s and %s in quarantine", Plural(int(s.QuarantinedRows), "row", "rows"), Plural(int(s.QuarantinedCells), "cell", "cells")),
			`rollcall query "SELECT reason, path, count(*) FROM _issues GROUP BY ALL"`})
	}
	if s.Unerased != "" {
		out = append(out, Matter{"the erasure that began at " + s.Unerased + " is not finished", "give the same rollcall forget again"})
	}
	for _, reason := range s.Outstanding() {
		out = append(out, Matter{What: reason + " (the next run goes on with it)"})
	}
	return out
}

// Requests counts a run's requests.
func Requests(r pipeline.Requests) string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{r.List, "list"}, {r.Lookup, "look-up"}, {r.Model, "model"}, {r.Role, "role"}, {r.Memory, "memory"}, {r.SQL, "SQL"}, {r.SignIn, "sign-in"}, {r.Other, "other"},
	} {
		if p.n > 0 {
			parts = append(parts, Count(int64(p.n))+" "+p.what)
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	text := strings.Join(parts, ", ")
	if r.Retried+r.Throttled > 0 {
		text += fmt.Sprintf("; %s retried, %s throttled", Count(int64(r.Retried)), Count(int64(r.Throttled)))
	}
	if r.Replayed > 0 {
		text += fmt.Sprintf("; %s answered by the journal", Count(int64(r.Replayed)))
	}
	return text
}

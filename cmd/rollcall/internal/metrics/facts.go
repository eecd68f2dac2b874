package metrics

import (
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
	"github.com/rollcall-data/rollcall/load/publish"
)

// Facts are what the records of a warehouse say.
type Facts struct {
	Last      *pipeline.Summary // the run that began last; nil: none is on record
	Good      *pipeline.Summary // the last that did its work; nil: none did
	Certified *pipeline.Summary // the last whose users are certified; nil: none are

	Version        *pipeline.Summary // of the run that made the current version; nil: there is none
	VersionCreated time.Time         // when the current version was made
}

// Read reads the facts. Runs are looked through from the newest on, as far as need be.
func Read(w *publish.Warehouse) (Facts, error) {
	var f Facts
	v, err := w.Current()
	if err != nil && !errors.Is(err, publish.ErrNoVersion) {
		return f, err
	}
	if err == nil {
		if f.Version, err = report.Summary(v.Manifest.Summary); err != nil {
			return f, fmt.Errorf("version %s: %w", v.Run, err)
		}
		f.VersionCreated, _ = time.Parse(time.RFC3339Nano, v.Manifest.CreatedAt) // one without a time has the zero one
	}
	ids, err := w.RunRecords()
	if err != nil {
		return f, err
	}
	for i := len(ids) - 1; i >= 0 && (f.Good == nil || f.Certified == nil); i-- {
		s, err := report.Record(w, ids[i])
		if err != nil {
			return f, err
		}
		f.add(s)
	}
	return f, nil
}

// add takes in a run that is older than those before it.
func (f *Facts) add(s *pipeline.Summary) {
	if f.Last == nil {
		f.Last = s
	}
	if s.Status == pipeline.Failed || s.Status == pipeline.Interrupted {
		return
	}
	if f.Good == nil {
		f.Good = s
	}
	if f.Certified == nil && s.Certificate.Certified {
		f.Certified = s
	}
}

// Ended is when a run ended. Its clock is no help: that of a resumed run is from when it was first begun.
func Ended(s *pipeline.Summary) time.Time {
	began := s.StartedAt
	if len(s.Stages) > 0 {
		began = s.Stages[0].Started
	}
	t, err := time.Parse(time.RFC3339Nano, began)
	if err != nil {
		return time.Time{}
	}
	return t.Add(time.Duration(s.Seconds * float64(time.Second)))
}

// Observed is the run's clock: what it says about users was so then.
func Observed(s *pipeline.Summary) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s.StartedAt)
	if err != nil {
		return time.Time{}
	}
	return t
}

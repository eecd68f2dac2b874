package pipeline

import (
	"context"
	"runtime/trace"
	"time"
)

// The stages of a run, in their order. They do not overlap.
const (
	StageOpen    = "open"    // the version before, and the journal
	StageExtract = "extract" // the sweep, models, look-ups, memories
	StageDecide  = "decide"  // what became of whom
	StageBuild   = "build"   // the tables' files
	StagePublish = "publish" // reading back, comparing, checks, making it current
)

// Stage is how long a part of a run took.
type Stage struct {
	Name    string  `json:"name"`
	Started string  `json:"started_at"` // RFC 3339, UTC
	Seconds float64 `json:"seconds"`
}

// stage begins a stage and returns what ends it. Each is a region of an execution trace.
func (r *run) stage(ctx context.Context, name string) (end func()) {
	began := r.o.Now()
	region := trace.StartRegion(ctx, name)
	return func() {
		region.End()
		r.stages = append(r.stages, Stage{Name: name, Started: began.UTC().Format(time.RFC3339Nano), Seconds: r.o.Now().Sub(began).Seconds()})
	}
}

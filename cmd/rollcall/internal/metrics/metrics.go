package metrics

import (
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

// Attempt is a run as whoever began it saw it end. One that ended early is on no record.
type Attempt struct {
	Status string
	Ended  time.Time
}

// Daemon is what only a daemon knows.
type Daemon struct {
	Next    time.Time
	Running bool
	Runs    map[string]uint64 // by status
	Missed  uint64
	Retries uint64
}

// Options say what is told.
type Options struct {
	Warehouse *publish.Warehouse
	Release   string          // of this program
	Statuses  []string        // all that an Attempt can have
	Attempt   func() *Attempt // the run that ended last, where that is known; nil, or a nil result: what is on record
	Daemon    func() Daemon   // nil: there is none
}

// NewRegistry makes a registry of its own, which reads the warehouse whenever it is gathered from.
func NewRegistry(o Options) (*prometheus.Registry, error) {
	r := prometheus.NewRegistry()
	all := []prometheus.Collector{&collector{o}}
	if o.Daemon != nil {
		all = append(all, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return r, nil
}

// WriteFile writes what there is to tell where node_exporter's textfile collector finds it: whole or not at all, and readable by everybody, for node_exporter
// is somebody else. There is nothing in it that says anything about a user.
func WriteFile(path string, o Options) error {
	r, err := NewRegistry(o)
	if err != nil {
		return err
	}
	if err := prometheus.WriteToTextfile(path, r); err != nil {
		return fmt.Errorf("write the metrics to %s: %w", path, err)
	}
	return nil
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("rollcall_"+name, help, labels, nil)
}

// The metrics, each with what it says.
var (
	buildInfo = describe("build_info", "Always 1; the labels say what was built.", "version", "goversion")

	users            = describe("users", "Users in the current version.")
	versionCreated   = describe("current_version_timestamp_seconds", "When the current version was made, in Unix seconds.")
	versionCertified = describe("current_version_certified", "1 where the current version is certified: nobody is missing from it.")
	certified        = describe("last_certified_timestamp_seconds", "When the users of the last certified run were asked for, in Unix seconds; a run that found nothing changed counts.")
	success          = describe("last_success_timestamp_seconds", "When the last run that did its work ended, in Unix seconds.")
	modelStates      = describe("models", "Users by how their models are known, after the last run that did its work.", "state")
	oldestModel      = describe("oldest_model_timestamp_seconds", "When the oldest of the users' models were fetched, in Unix seconds.")
	changes          = describe("user_changes", "Users that the last run that did its work found changed, by what became of them.", "change")
	held             = describe("held_deletes", "Deletions that the last run that did its work held back for a person to look at.")
	quarantinedRows  = describe("quarantined_rows", "Rows that the last run that did its work put into quarantine.")
	quarantinedCells = describe("quarantined_cells", "Cells that the last run that did its work put into quarantine.")
	outstanding      = describe("outstanding_copies", "Copies in object storage and lakes that the last run that did its work left outstanding.")

	lastStatus    = describe("last_run_status", "1 for the status that the last run ended with, 0 for the others.", "status")
	lastEnded     = describe("last_run_end_timestamp_seconds", "When the last run ended, in Unix seconds.")
	lastDuration  = describe("last_run_duration_seconds", "How long the last run took.")
	lastStage     = describe("last_run_stage_duration_seconds", "How long a stage of the last run took.", "stage")
	lastRequests  = describe("last_run_requests", "Answers that the last run got, by endpoint and HTTP status.", "endpoint", "status")
	lastRetried   = describe("last_run_retried_requests", "Requests that the last run made again.")
	lastThrottled = describe("last_run_throttled_requests", "Times that the server throttled the last run.")
	lastReplayed  = describe("last_run_replayed_requests", "Requests of the last run that the journal answered.")
	lastReceived  = describe("last_run_received_bytes", "Bytes that the last run received.")

	runs    = describe("runs_total", "Runs that ended since the daemon began, by status.", "status")
	missed  = describe("missed_runs_total", "Times that a run was due and left out, since the daemon began.")
	retries = describe("retried_runs_total", "Runs that were another try, since the daemon began.")
	next    = describe("next_run_timestamp_seconds", "When the next run is due, in Unix seconds.")
	running = describe("run_in_progress", "1 while a run is on.")
)

// collector reads the facts when it is asked.
type collector struct{ o Options }

// Describe names no metric: which there are depends on the warehouse.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect tells what there is to tell now.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := sink(ch)
	s.gauge(buildInfo, 1, c.o.Release, runtime.Version())
	f, err := Read(c.o.Warehouse)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(users, err)
		return
	}
	s.present(f)
	s.attempt(f.Last, c.o)
	if f.Last != nil {
		s.last(f.Last)
	}
	if c.o.Daemon != nil {
		s.daemon(c.o.Daemon(), c.o.Statuses)
	}
}

// sink takes metrics.
type sink chan<- prometheus.Metric

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) counter(d *prometheus.Desc, v uint64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// at tells a time; that of something that never was is not told.
func (s sink) at(d *prometheus.Desc, t time.Time) {
	if !t.IsZero() {
		s.gauge(d, float64(t.UnixMicro())/1e6)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// present tells how the warehouse stands.
func (s sink) present(f Facts) {
	if v := f.Version; v != nil {
		s.gauge(users, float64(v.Users))
		s.gauge(versionCertified, truth(v.Certificate.Certified))
		s.at(versionCreated, f.VersionCreated)
	}
	if f.Certified != nil {
		s.at(certified, Observed(f.Certified))
	}
	if f.Good != nil {
		s.found(f.Good)
	}
}

// found tells what a run that did its work found. One that failed since found nothing, and takes nothing back.
func (s sink) found(r *pipeline.Summary) {
	s.at(success, Ended(r))
	for change, n := range map[string]int64{"added": r.Added, "changed": r.Changed, "enriched": r.Enriched, "returned": r.Returned, "deleted": r.Deleted} {
		s.gauge(changes, float64(n), change)
	}
	s.gauge(held, float64(r.DeletesHeld))
	s.gauge(quarantinedRows, float64(r.QuarantinedRows))
	s.gauge(quarantinedCells, float64(r.QuarantinedCells))
	s.gauge(outstanding, float64(len(r.Outstanding())))
	m := r.Models
	for state, n := range map[string]int64{"fetched": m.Fetched, "reused": m.Reused, "listed": m.Listed, "forbidden": m.Forbidden, "pending": m.Pending, "held": m.Held} {
		s.gauge(modelStates, float64(n), state)
	}
	if m.Fetched+m.Reused > 0 {
		s.at(oldestModel, Observed(r).Add(-time.Duration(m.OldestAgeSeconds)*time.Second))
	}
}

// attempt tells how the last run ended: the one that is known, where it ended after the one on record.
func (s sink) attempt(last *pipeline.Summary, o Options) {
	var a Attempt
	if last != nil {
		a = Attempt{string(last.Status), Ended(last)}
	}
	if o.Attempt != nil {
		if known := o.Attempt(); known != nil && !known.Ended.Before(a.Ended) {
			a = *known
		}
	}
	if a.Status == "" {
		return
	}
	for _, status := range o.Statuses {
		s.gauge(lastStatus, truth(status == a.Status), status)
	}
	s.at(lastEnded, a.Ended)
}

// last tells what the last run on record did.
func (s sink) last(r *pipeline.Summary) {
	s.gauge(lastDuration, r.Seconds)
	stages := map[string]float64{}
	for _, stage := range r.Stages {
		stages[stage.Name] += stage.Seconds
	}
	for name, seconds := range stages {
		s.gauge(lastStage, seconds, name)
	}
	for endpoint, byStatus := range r.Requests.ByStatus {
		for status, n := range byStatus {
			s.gauge(lastRequests, float64(n), endpoint, status)
		}
	}
	s.gauge(lastRetried, float64(r.Requests.Retried))
	s.gauge(lastThrottled, float64(r.Requests.Throttled))
	s.gauge(lastReplayed, float64(r.Requests.Replayed))
	s.gauge(lastReceived, float64(r.BytesReceived))
}

// daemon tells what is scheduled and what was counted. Every status is there from the start, for a counter that begins above zero has no increase.
func (s sink) daemon(d Daemon, statuses []string) {
	for _, status := range statuses {
		s.counter(runs, d.Runs[status], status)
	}
	s.counter(missed, d.Missed)
	s.counter(retries, d.Retries)
	s.at(next, d.Next)
	s.gauge(running, truth(d.Running))
}

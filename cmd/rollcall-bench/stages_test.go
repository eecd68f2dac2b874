package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
)

const (
	zstd     = "github.com/klauspost/compress/zstd.(*Encoder).EncodeAll"
	pqarrow  = "github.com/apache/arrow/go/v17/parquet/pqarrow.(*FileWriter).WriteBuffered"
	rawjson  = module + "transform/rawjson.Members"
	pipeline = module + "cmd/rollcall/internal/pipeline.(*run).extract"
)

// stacks are what profiles of rollcall hold, innermost function first.
var stacks = []struct {
	name  string
	want  string
	stack []string
}{
	{"a request", stageReceive, []string{"syscall.read", "net/http.(*Client).Do", module + "extract.(*Client).send", pipeline}},
	{"the envelope", stageReceive, []string{module + "extract/internal/jsontext.(*Scanner).Value", module + "extract/amigo.decodeEnvelope", pipeline}},
	{"a connection's own goroutine", stageReceive, []string{"internal/poll.(*FD).Read", "net/http.(*persistConn).readLoop"}},
	{"the journal compresses", stageJournal, []string{zstd, module + "extract/journal.zstdCodec.encode", pipeline}},
	{"Parquet compresses", stageParquet, []string{zstd, pqarrow, module + "load/parquet.(*Writer).Append", module + "load/publish.gathering.write"}},
	{"a goroutine of the Parquet library", stageParquet, []string{pqarrow, "runtime.goexit"}},
	{"a record", stageParse, []string{"runtime.memmove", rawjson, module + "transform.split", module + "transform.Decode", pipeline}},
	{"JSON within the tables is parsing too", stageParse, []string{rawjson, module + "transform.(*Builder).models", module + "transform.(*Builder).User"}},
	{"a hash", stageParse, []string{"crypto/sha256.Sum256", module + "transform.sum", module + "transform.(*Row).hashItem", pipeline}},
	{"what records and batches share, for a record", stageParse, []string{module + "transform.cells.text", module + "transform.Decode"}},
	{"what records and batches share, for a batch", stageFlatten, []string{module + "transform.cells.text", module + "transform.stats", module + "transform.(*Builder).flat"}},
	{"what is called by neither", stageParse, []string{module + "transform.Anew", pipeline}},
	{"a batch", stageFlatten, []string{"github.com/apache/arrow/go/v17/arrow/array.(*StringBuilder).Append", module + "transform.(*batcher).str", module + "transform.twelve"}},
	{"an insert", stageDuckDB, []string{"runtime.cgocall", "github.com/marcboeker/go-duckdb._Cfunc_duckdb_execute_pending", module + "load/duckdb.(*Writer).Exec"}},
	{"reading back", stageVerify, []string{"runtime.cgocall", module + "load/duckdb.(*Verifier).Digest", module + "load/publish.(*comparison).table"}},
	{"comparing", stageVerify, []string{"runtime.mapaccess1", module + "load/publish.(*Building).compare", module + "load/publish.(*Building).Publish"}},
	{"hashing files", stagePublish, []string{"crypto/sha256.block", module + "load/publish.describe", module + "load/publish.(*Building).Publish", pipeline}},
	{"the version before", stageRead, []string{zstd, module + "load/parquet.(*Reader).Next", pipeline}},
	{"a thread of DuckDB", stageThreads, []string{"[rollcall]", "runtime._ExternalCode"}},
	{"the collector", stageCollector, []string{"runtime.scanObject", "runtime.gcDrain", "runtime.gcBgMarkWorker.func2", "runtime.systemstack", "runtime.gcBgMarkWorker"}},
	{"who allocates helps it", stageCollector, []string{"runtime.gcAssistAlloc", "runtime.mallocgc", rawjson, module + "transform.Decode"}},
	{"the pipeline itself", stageDecide, []string{"slices.SortFunc", pipeline}},
	{"the scheduler", stageRest, []string{"runtime.findRunnable", "runtime.schedule", "runtime.mcall"}},
	{"nothing", stageRest, nil},
}

func TestStageOfAStack(t *testing.T) {
	for _, tt := range stacks {
		if got := stageOf(tt.stack); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestAttribute gives each stack of the table its own time, each second function inlined into the one after it.
func TestAttribute(t *testing.T) {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}}
	want := map[string]float64{}
	for i, tt := range stacks {
		seconds := float64(i + 1)
		want[tt.want] += seconds
		s := &profile.Sample{Value: []int64{1, int64(seconds * 1e9)}}
		for k, name := range tt.stack {
			line := profile.Line{Function: &profile.Function{Name: name}}
			if k%2 == 1 {
				last := s.Location[len(s.Location)-1]
				last.Line = append(last.Line, line)
				continue
			}
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{line}})
		}
		p.Sample = append(p.Sample, s)
	}
	got, err := attribute(p)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, s := range stages {
		delete(got, s.name)
	}
	if len(got) > 0 {
		t.Errorf("stages that no table shows: %v", got)
	}
	p.SampleType = p.SampleType[:1]
	if _, err := attribute(p); err == nil {
		t.Error("a profile of something else was taken for one of CPU time")
	}
}

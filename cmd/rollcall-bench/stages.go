package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/pprof/profile"
)

// The stages that the CPU time of a run is told apart by.
const (
	stageReceive   = "receive"
	stageJournal   = "journal"
	stageDecide    = "decide"
	stageParse     = "parse"
	stageFlatten   = "flatten"
	stageDuckDB    = "DuckDB"
	stageParquet   = "Parquet"
	stageVerify    = "verify"
	stagePublish   = "publish"
	stageRead      = "version before"
	stageThreads   = "DuckDB's threads"
	stageCollector = "garbage collection"
	stageRest      = "rest"
)

// stages lists them with what is counted as each.
var stages = []struct{ name, what string }{
	{stageReceive, "HTTP, the envelope, the sweep"},
	{stageJournal, "framing, zstd, checksums, fsync; reading it back"},
	{stageDecide, "the roster, what became of whom, all else of the pipeline's own"},
	{stageParse, "records to rows: JSON, types, hashes, learning the columns"},
	{stageFlatten, "rows to Arrow batches"},
	{stageDuckDB, "inserting, compressing, the checkpoint"},
	{stageParquet, "encoding, zstd"},
	{stageVerify, "reading both back and comparing them"},
	{stagePublish, "handing batches to the sinks, hashes and fsync of the files, the manifest"},
	{stageRead, "reading the version before"},
	{stageThreads, "threads that DuckDB started; which statement they work for, a profile does not tell"},
	{stageCollector, "Go's collector, and who allocates helping it"},
	{stageRest, "the scheduler, everything else"},
}

const module = "github.com/rollcall-data/rollcall/"

// rule gives functions to a stage. The name of a function begins with the rule's.
type rule struct{ prefix, stage string }

// collector are the functions below which everything is garbage collection, whoever allocated.
var collector = []rule{
	{"runtime.gcBgMarkWorker", stageCollector}, {"runtime.gcAssistAlloc", stageCollector}, {"runtime.gcStart", stageCollector},
	{"runtime.gcMarkDone", stageCollector}, {"runtime.gcMarkTermination", stageCollector}, {"runtime.bgsweep", stageCollector},
	{"runtime.bgscavenge", stageCollector}, {"runtime.deductSweepCredit", stageCollector}, {"runtime.(*mheap).reclaim", stageCollector},
	{"runtime.(*mcentral).uncacheSpan", stageCollector}, {"runtime._GC", stageCollector},
}

// ours decide by the innermost function that one of them fits; of several that fit it, the first. A function of transform that none fits, as it
// works for rows and for batches alike, counts as what called it; parsing where nobody in transform did.
var ours = []rule{
	{"load/duckdb.(*Verifier).", stageVerify}, {"load/duckdb.OpenVerifier", stageVerify},
	{"load/duckdb.(*Reader).", stageRead}, {"load/duckdb.OpenReader", stageRead}, {"load/duckdb.", stageDuckDB},
	{"load/parquet.(*Reader).", stageRead}, {"load/parquet.NewReader", stageRead}, {"load/parquet.OpenPart", stageRead}, {"load/parquet.", stageParquet},
	{"load/publish.(*comparison)", stageVerify}, {"load/publish.(*Building).compare", stageVerify}, {"load/publish.compare", stageVerify}, {"load/publish.Version.Verify", stageVerify},
	{"load/publish.Version.Intact", stageVerify}, {"load/", stagePublish},
	{"extract/journal.", stageJournal}, {"extract/sandbox", stageRest}, {"extract", stageReceive},
	{"transform/", stageParse}, // rawjson, pii
	{"transform.(*Builder).", stageFlatten}, {"transform.(*batcher).", stageFlatten}, {"transform.NewBuilder", stageFlatten},
	{"transform.Decode", stageParse}, {"transform.(*Row).", stageParse}, {"transform.(*Preferences).Learn", stageParse},
	{"transform.(*Preferences).learn", stageParse}, {"transform.Columns.", stageRead}, {"transform.ColumnsOf", stageRead},
	{"cmd/rollcall/internal/pipeline.", stageDecide},
}

// theirs decide where no function of ours is on the stack: goroutines and threads of libraries.
var theirs = []rule{
	{"runtime._ExternalCode", stageThreads}, {"github.com/marcboeker/go-duckdb", stageDuckDB},
	{"github.com/apache/arrow/go/v17/parquet", stageParquet}, {"net/http.", stageReceive}, {"crypto/tls.", stageReceive},
}

func match(rules []rule, function string) (string, bool) {
	for _, r := range rules {
		if strings.HasPrefix(function, r.prefix) {
			return r.stage, true
		}
	}
	return "", false
}

// stageOf is the stage of a stack: the functions on it, innermost first.
func stageOf(stack []string) string {
	for _, f := range stack {
		if s, ok := match(collector, f); ok {
			return s
		}
	}
	shared := false // a function of transform that none of the rules fits was met
	for _, f := range stack {
		name, isOurs := strings.CutPrefix(f, module)
		if !isOurs {
			continue
		}
		isTransform := strings.HasPrefix(name, "transform.")
		if shared && !isTransform {
			return stageParse
		}
		if s, ok := match(ours, name); ok {
			return s
		}
		shared = shared || isTransform
	}
	if shared {
		return stageParse
	}
	for _, f := range stack {
		if s, ok := match(theirs, f); ok {
			return s
		}
	}
	return stageRest
}

// attribute sums up the CPU seconds of a profile by stage.
func attribute(p *profile.Profile) (map[string]float64, error) {
	cpu := -1
	for i, t := range p.SampleType {
		if t.Type == "cpu" && t.Unit == "nanoseconds" {
			cpu = i
		}
	}
	if cpu < 0 {
		return nil, fmt.Errorf("no CPU profile: it has %d kinds of samples", len(p.SampleType))
	}
	out := map[string]float64{}
	for _, s := range p.Sample {
		var stack []string
		for _, l := range s.Location {
			for _, line := range l.Line { // what is inlined comes before what it is inlined into
				if line.Function != nil {
					stack = append(stack, line.Function.Name)
				}
			}
		}
		out[stageOf(stack)] += float64(s.Value[cpu]) / 1e9
	}
	return out, nil
}

// readStages attributes the profile in a file.
func readStages(path string) (map[string]float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	p, err := profile.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return attribute(p)
}

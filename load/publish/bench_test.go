package publish

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/internal/batchtest"
	"github.com/rollcall-data/rollcall/schema"
)

const (
	benchBatches = 4
	benchRows    = 8192
)

func publishUsers(b *testing.B, w *Warehouse, run string, batches []arrow.Record) Version {
	building, err := w.Begin(b.Context(), run, []schema.Table{schema.Users}, memory.DefaultAllocator, duckdb.Settings{MemoryLimit: "800MB"})
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range batches {
		if err := building.Append(schema.NameUsers, batch); err != nil {
			b.Fatal(err)
		}
	}
	v, err := building.Publish(b.Context(), Details{DataRun: run, Created: clock, Summary: map[string]string{"status": "certified"}})
	if err != nil {
		b.Fatal(err)
	}
	if err := building.Abort(); err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkPublish makes a version of 32,768 users: both files side by side, read back, compared, and made current.
func BenchmarkPublish(b *testing.B) {
	batches, size := batchtest.Batches(benchBatches, benchRows)
	w := Open(filepath.Join(b.TempDir(), "warehouse"))
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		publishUsers(b, w, "run-"+strconv.Itoa(i), batches)
	}
	b.ReportMetric(float64(b.N*benchBatches*benchRows)/b.Elapsed().Seconds(), "users/s")
}

// BenchmarkVerify checks such a version: its files' hashes, and DuckDB against Parquet.
func BenchmarkVerify(b *testing.B) {
	batches, size := batchtest.Batches(benchBatches, benchRows)
	v := publishUsers(b, Open(filepath.Join(b.TempDir(), "warehouse")), "run-1", batches)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Verify(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

package duckdb

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/rollcall-data/rollcall/load/internal/batchtest"
	"github.com/rollcall-data/rollcall/schema"
)

const (
	benchBatches = 4
	benchRows    = 8192
)

// writeUsers makes a file of these batches, complete.
func writeUsers(b *testing.B, path string, batches []arrow.Record) {
	w, err := Create(b.Context(), path, []schema.Table{schema.Users}, Settings{MemoryLimit: "800MB"})
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range batches {
		if err := w.Append(b.Context(), schema.NameUsers, batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWriter makes a file of 32,768 users, from its creation to its checkpoint.
func BenchmarkWriter(b *testing.B) {
	batches, size := batchtest.Batches(benchBatches, benchRows)
	dir := b.TempDir()
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		writeUsers(b, filepath.Join(dir, strconv.Itoa(i)+".duckdb"), batches)
	}
	b.ReportMetric(float64(b.N*benchBatches*benchRows)/b.Elapsed().Seconds(), "users/s")
}

// BenchmarkDigest reads such a file back.
func BenchmarkDigest(b *testing.B) {
	batches, size := batchtest.Batches(benchBatches, benchRows)
	path := filepath.Join(b.TempDir(), "users.duckdb")
	writeUsers(b, path, batches)
	v, err := OpenVerifier(b.Context(), path, Settings{})
	if err != nil {
		b.Fatal(err)
	}
	columns, err := v.Columns(b.Context(), schema.NameUsers)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if d, err := v.Digest(b.Context(), schema.NameUsers, columns...); err != nil || d.Rows != benchBatches*benchRows {
			b.Fatal(d, err)
		}
	}
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
}

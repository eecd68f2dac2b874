package parquet

import (
	"errors"
	"io"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/internal/batchtest"
	"github.com/rollcall-data/rollcall/schema"
)

const (
	benchBatches = 4
	benchRows    = 8192
)

func writeUsers(b *testing.B, dir string, batches []arrow.Record) {
	w, err := NewWriter(memory.DefaultAllocator, dir, schema.Users)
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range batches {
		if err := w.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWriter writes a part of 32,768 users, from its creation to its fsync.
func BenchmarkWriter(b *testing.B) {
	batches, size := batchtest.Batches(benchBatches, benchRows)
	dir := b.TempDir()
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		writeUsers(b, filepath.Join(dir, strconv.Itoa(i)), batches)
	}
	b.ReportMetric(float64(b.N*benchBatches*benchRows)/b.Elapsed().Seconds(), "users/s")
}

// BenchmarkReader reads such a part, every column.
func BenchmarkReader(b *testing.B) {
	batches, size := batchtest.Batches(benchBatches, benchRows)
	dir := filepath.Join(b.TempDir(), "users")
	writeUsers(b, dir, batches)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(memory.DefaultAllocator, dir)
		if err != nil {
			b.Fatal(err)
		}
		rows := int64(0)
		for {
			batch, err := r.Next(b.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			rows += batch.NumRows()
		}
		if err := r.Close(); err != nil || rows != benchBatches*benchRows {
			b.Fatal(rows, err)
		}
	}
}

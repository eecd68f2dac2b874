package sweep_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// BenchmarkRun sweeps a still list of a hundred thousand; a user costs its two sightings.
func BenchmarkRun(b *testing.B) {
	l := make(list, 100_000)
	for i := range l {
		l[i] = fmt.Sprintf("u%029d", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := sweep.Run(context.Background(), l, sweep.Options{Limit: 100, Dialect: sweep.Offset, Seen: func(sweep.Item) error { return nil }})
		if err != nil || !r.Certificate.Certified {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(l)), "ns/user")
}

package sweep_test

import (
	"context"
	"fmt"
	"math/rand"
	"testing"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

func TestBusy(t *testing.T) {
	for _, per := range []float64{0.25, 0.5, 1, 2, 3, 4, 6} {
		cert, reqs, sw := 0, 0, 0
		const N = 200
		for s := range N {
			rng := rand.New(rand.NewSource(int64(s)))
			m := newModel(500)
			m.each = func(m *model, rows []*person, skip int) {
				if rng.Float64() < per/26/2 {
					m.insertNear(rows, rng.Uint64())
				}
				if rng.Float64() < per/26/2 {
					m.deleteOne(rows, rng.Uint64())
				}
			}
			r, err := sweep.Run(context.Background(), m, sweep.Options{Limit: 20, Lookup: m.Lookup, Seen: func(sweep.Item) error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
			if r.Certificate.Certified {
				cert++
			}
			reqs += m.n
			sw += r.Certificate.Sweeps
		}
		fmt.Println("changes per pass", per, "certified", float64(cert)/N, "pages", reqs/N, "sweeps", float64(sw)/N)
	}
}

package journal

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

// modelBody is about what a user's models take: text of which no two are the same, and keys that repeat.
func modelBody(rng *rand.Rand, n int) []byte {
	words := []string{"coffee", "prefers", "morning", "runs", "allergic", "peanuts", "budget", "travel", "sleep", "goal", "often", "rarely"}
	b := []byte(`{"user_models":[`)
	for len(b) < n {
		b = append(b, `{"content":"`...)
		for range 12 {
			b = append(b, words[rng.IntN(len(words))]...)
			b = append(b, ' ')
		}
		b = append(b, fmt.Sprintf(`","insight_ids":["%016x%08x"],"dimensions":[{"description":"d%d","tags":["t%d"]}]},`,
			rng.Uint64(), rng.Uint32(), rng.IntN(9), rng.IntN(99))...)
	}
	return append(b[:len(b)-1], `]}`...)
}

func modelCall(i int) extract.Call {
	return extract.Call{
		Org: "acme", Kind: extract.KindModel, Method: "GET", Path: fmt.Sprintf("/v1/acme/user/%024x/user_model", i),
	}
}

var clock = time.Date(2025, 3, 1, 2, 0, 0, 123456000, time.UTC)

// stamped is the body with a number in it, so that no other is the same.
func stamped(body []byte, n int) []byte {
	body = bytes.Clone(body)
	copy(body, fmt.Sprintf(`{"n":"%08d`, n))
	return body
}

// recordModels begins a run in dir and has writers record n answers of about size bytes.
func recordModels(tb testing.TB, dir string, writers, n, size int) (raw int64) {
	tb.Helper()
	j, err := Create(dir, Header{Run: filepath.Base(dir), Started: clock})
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	bodies := make([][]byte, 256)
	for i := range bodies {
		bodies[i] = modelBody(rng, size)
	}
	for i := range n {
		raw += int64(len(bodies[i%len(bodies)]))
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				a := extract.Answer{Status: 200, ContentType: "application/json", Body: stamped(bodies[i%len(bodies)], i), At: clock}
				if err := j.Record(context.Background(), modelCall(i), a, true); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := j.Close(); err != nil {
		tb.Fatal(err)
	}
	return raw
}

func BenchmarkRecord(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(strconv.Itoa(writers)+"writers", func(b *testing.B) {
			raw := recordModels(b, filepath.Join(b.TempDir(), "run"), writers, b.N, 3000)
			b.SetBytes(raw / int64(b.N))
			b.ReportAllocs()
		})
	}
}

// BenchmarkRecordPages records pages of the user list of 1.3 MB, as one sweep does: each is durable before the next is asked for. They are new, as
// in the sweep's first walk, or have come before.
func BenchmarkRecordPages(b *testing.B) {
	b.Run("new", func(b *testing.B) { recordPages(b, stamped) })
	b.Run("again", func(b *testing.B) { recordPages(b, func(body []byte, _ int) []byte { return body }) })
}

func recordPages(b *testing.B, page func([]byte, int) []byte) {
	dir := filepath.Join(b.TempDir(), "run")
	j, err := Create(dir, Header{Run: "run", Started: clock})
	must(err)
	body := modelBody(rand.New(rand.NewPCG(1, 2)), 1_300_000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c := extract.Call{Org: "acme", Kind: extract.KindList, Method: "GET", Path: fmt.Sprintf("/v1/acme/user/?limit=1000&offset=%d", i*1000)}
		a := extract.Answer{Status: 200, ContentType: "application/json", Body: page(body, i), At: clock}
		if err := j.Record(b.Context(), c, a, true); err != nil {
			b.Fatal(err)
		}
	}
	must(j.Close())
}

// fill makes a journal of n answers quickly: 64 to a block, as many concurrent requests leave it.
func fill(tb testing.TB, n, size int) (dir string, raw int64) {
	tb.Helper()
	dir = filepath.Join(tb.TempDir(), "run")
	return dir, recordModels(tb, dir, 64, n, size)
}

func BenchmarkEach(b *testing.B) {
	for _, size := range []int{300, 3000} {
		b.Run(strconv.Itoa(size)+"bytes", func(b *testing.B) {
			dir, raw := fill(b, 60_000_000/size, size)
			j, _, err := OpenReadOnly(b.Context(), dir)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(raw)
			b.ReportAllocs()
			for b.Loop() {
				if err := j.Each(b.Context(), func(Entry) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	dir, raw := fill(b, 20_000, 3000)
	b.SetBytes(raw)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := OpenReadOnly(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	dir, raw := fill(b, 20_000, 3000)
	b.SetBytes(raw)
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecorded asks for the answers in the order in which they came, as a resumed run does.
func BenchmarkRecorded(b *testing.B) {
	const n = 20_000
	dir, raw := fill(b, n, 3000)
	b.SetBytes(raw / n)
	b.ReportAllocs()
	var j *Journal
	for k := n; b.Loop(); k++ {
		if k == n {
			b.StopTimer()
			var err error
			if j, _, err = OpenReadOnly(b.Context(), dir); err != nil {
				b.Fatal(err)
			}
			k = 0
			b.StartTimer()
		}
		if _, ok := j.Recorded(modelCall(k)); !ok {
			b.Fatal("an answer is missing")
		}
	}
}

// BenchmarkCodec is what a block of answers costs, plain and encrypted.
func BenchmarkCodec(b *testing.B) {
	raw := modelBody(rand.New(rand.NewPCG(1, 2)), 256<<10)
	encrypted, err := newCipherCodec(make([]byte, 32))
	must(err)
	for name, c := range map[string]codec{"plain": zstdCodec{}, "encrypted": encrypted} {
		h := blockHeader{Type: entriesBlock, Entries: 1, Codec: c.id(), Raw: uint32(len(raw))}
		b.Run(name+"/encode", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, err = c.encode(dst[:0], h, raw)
				must(err)
			}
		})
		payload, err := c.encode(nil, h, raw)
		must(err)
		b.Run(name+"/decode", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, err = c.decode(dst, h, payload)
				must(err)
			}
		})
	}
}

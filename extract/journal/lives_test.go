package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract"
)

// model is what a run must hold, kept beside it.
type model struct {
	all    []modelEntry
	sweeps int // the first process whose sweep answers count
}

type modelEntry struct {
	call    extract.Call
	answer  extract.Answer
	usable  bool
	process int
}

// handedOut is what a replay gives for c.
func (m *model) handedOut(c extract.Call) []string {
	var s []string
	for _, e := range m.all {
		if e.usable && e.call.ID() == c.ID() && (e.process >= m.sweeps || !inSweep(c.Kind)) {
			s = append(s, string(e.answer.Body))
		}
	}
	return s
}

// resumed applies the rule about the age of a sweep.
func (m *model) resumed(process int, now time.Time) {
	oldest := now
	for _, e := range m.all {
		if e.usable && inSweep(e.call.Kind) && e.process >= m.sweeps && e.answer.At.Before(oldest) {
			oldest = e.answer.At
		}
	}
	if now.Sub(oldest) > 6*time.Hour {
		m.sweeps = process
	}
}

// TestLives has runs live through random answers, kills that leave any part of an unacknowledged block, resumes hours later, and a seal; at
// each start the journal hands out exactly what the model says.
func TestLives(t *testing.T) {
	calls := []extract.Call{listCall(0), listCall(1), modelCall(0), modelCall(1), modelCall(2)}
	body := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.SampledFrom([][]byte{[]byte(page(1, minShared)), []byte(page(2, 5000)), []byte(page(3, largeRaw))}))
	root := t.TempDir()
	lives := 0
	rapid.Check(t, func(rt *rapid.T) {
		lives++
		dir := filepath.Join(root, fmt.Sprint(lives), testRun)
		j, err := create(quickDisk{}, dir, header(testRun))
		must(err)
		m, now := model{}, clock
		for process := 1; ; process++ {
			for range rapid.IntRange(0, 12).Draw(rt, "answers") {
				now = now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(rt, "seconds")) * time.Second)
				e := modelEntry{
					call:    rapid.SampledFrom(calls).Draw(rt, "call"),
					answer:  extract.Answer{Status: 200, Body: body.Draw(rt, "body"), At: now},
					usable:  rapid.IntRange(0, 9).Draw(rt, "usable") > 0,
					process: process,
				}
				must(j.Record(t.Context(), e.call, e.answer, e.usable))
				m.all = append(m.all, e)
			}
			durable := j.durable.Load()
			name := filepath.Join(dir, segmentName(process))
			must(j.Close())
			if rapid.Bool().Draw(rt, "killed") {
				tear(rt, name, durable)
			}
			if rapid.IntRange(0, 3).Draw(rt, "done") == 0 {
				break
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 500).Draw(rt, "minutes")) * time.Minute)
			j, _, err = resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: now})
			if err != nil {
				rt.Fatalf("process %d: %v", process+1, err)
			}
			m.resumed(process+1, now)
			for _, c := range calls {
				wantRecorded(t, j, c, m.handedOut(c)...)
			}
		}
		j, _, err = OpenReadOnly(t.Context(), dir)
		must(err)
		for _, c := range calls {
			wantRecorded(t, j, c, m.handedOut(c)...)
		}
		var want []string
		for _, e := range m.all {
			want = append(want, string(e.answer.Body))
		}
		if got := bodies(entriesOf(t, j)); !slices.Equal(got, want) {
			rt.Fatalf("the run holds %q; want %q", got, want)
		}
		must(Check(t.Context(), dir))
	})
}

// tear leaves the segment as a kill leaves it: what is durable, and any part of a block that was being written.
func tear(rt *rapid.T, path string, durable int64) {
	must(os.Truncate(path, durable))
	if !rapid.Bool().Draw(rt, "torn") {
		return
	}
	whole, err := os.ReadFile(path)
	must(err)
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
	p, err := readPreamble(path)
	must(err)
	h, err := decodeHeader(whole)
	must(err)
	f, err := frameOf(Entry{Call: modelCall(p.Segment), Answer: answer(string(modelBody(rng, 500)), 0), Usable: true})
	must(err)
	next := blockHeader{Version: h.Version, Type: entriesBlock, Entries: 1, Segment: h.Segment, Number: blocksIn(path)}
	b, err := appendBlock(nil, zstdCodec{}, next, f.append(nil))
	must(err)
	must(os.WriteFile(path, append(whole, b[:rng.IntN(len(b))]...), 0o600))
}

// blocksIn counts the blocks of a segment that ends with a whole one.
func blocksIn(path string) (n uint32) {
	f, err := os.Open(path)
	must(err)
	defer f.Close()
	for off := int64(0); ; n++ {
		h, err := readHeader(f, off)
		if err != nil {
			return n
		}
		off += h.size()
	}
}

package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract"
)

// life is the life of a run on a disk that may crash: what was asked to be recorded, and what was acknowledged.
type life struct {
	dir          string
	created      bool
	sealing      bool
	asked, acked []string
}

// run lives until done or until the disk crashes.
func (l *life) run(t *testing.T, d disk) {
	j, err := create(d, l.dir, header(testRun))
	if err != nil {
		return
	}
	l.created = true
	for n := range 3 {
		if n > 0 {
			if j, _, err = resume(t.Context(), d, l.dir, ResumeOptions{Now: clock}); err != nil {
				return
			}
		}
		for i := range 2 {
			body := fmt.Sprintf("answer %d of process %d", i, n)
			l.asked = append(l.asked, body)
			if err := j.Record(t.Context(), modelCall(10*n+i), answer(body, 0), true); err == nil {
				l.acked = append(l.acked, body)
			}
		}
		if n == 2 {
			l.sealing = true
			err = j.Seal()
		} else {
			err = j.Close()
		}
		if err != nil {
			return
		}
	}
}

// TestCrashAnywhere crashes a run at each of its calls to the disk, once as a kill of the process and several times as a loss of power, and
// finds whatever was acknowledged.
func TestCrashAnywhere(t *testing.T) {
	total := 0
	for at := 1; ; at++ {
		var d *crashDisk
		for seed := range uint64(6) {
			d = newCrashDisk(at, seed)
			root := filepath.Join(t.TempDir(), "journal")
			l := life{dir: filepath.Join(root, testRun)}
			l.run(t, d)
			d.afterCrash(filepath.Dir(root), seed > 0)
			what := fmt.Sprintf("crash at call %d, seed %d", at, seed)
			must(clean(quickDisk{}, root))
			if _, err := os.Stat(l.dir); errors.Is(err, os.ErrNotExist) {
				if l.created {
					t.Fatalf("%s: the run is gone", what)
				}
				continue
			}
			l.verify(t, what)
			total++
		}
		if !d.dead {
			break
		}
	}
	t.Logf("%d crashes", total)
}

func (l *life) verify(t *testing.T, what string) {
	t.Helper()
	if err := Check(t.Context(), l.dir); err != nil {
		t.Fatalf("%s: Check: %v", what, err)
	}
	got := bodies(contents(t, l.dir))
	// What was asked for and not acknowledged may have come to the disk all the same.
	if len(got) < len(l.acked) || !slices.Equal(got[:len(l.acked)], l.acked) || len(got) > len(l.asked) || !slices.Equal(got, l.asked[:len(got)]) {
		t.Fatalf("%s: the run holds %q; acknowledged were %q", what, got, l.acked)
	}
	j, _, err := resume(t.Context(), quickDisk{}, l.dir, ResumeOptions{Now: clock})
	if errors.Is(err, ErrSealed) {
		if !l.sealing {
			t.Fatalf("%s: the run is sealed, and nobody sealed it", what)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: Resume: %v", what, err)
	}
	record(t, j, modelCall(99), "last")
	end(t, j.Seal)
	if err := Check(t.Context(), l.dir); err != nil {
		t.Fatalf("%s: Check after Resume: %v", what, err)
	}
	if again := bodies(contents(t, l.dir)); !slices.Equal(again, append(got, "last")) {
		t.Fatalf("%s: after Resume the run holds %q, before it %q", what, again, got)
	}
}

// TestRewriteCrashAnywhere crashes a rewrite at each of its calls: each segment is then old or new, and to run it again finishes it.
func TestRewriteCrashAnywhere(t *testing.T) {
	unfinished, _, _ := threeSegments(t)
	for name, src := range map[string]string{"sealed": sealedRun(t), "unfinished": unfinished} {
		t.Run(name, func(t *testing.T) {
			edit := func(e Entry) (Entry, bool, error) {
				if e.Call.ID() == modelCall(1).ID() {
					return e, false, nil
				}
				e.Answer.Body = append([]byte("rewritten: "), e.Answer.Body...)
				return e, true, nil
			}
			once := func(e Entry) (Entry, bool, error) {
				if len(e.Answer.Body) > 10 && string(e.Answer.Body[:10]) == "rewritten:" {
					return e, true, nil
				}
				return edit(e)
			}
			before := bodies(contents(t, src))
			var after []string
			for _, e := range contents(t, src) {
				if e, keep, _ := edit(e); keep {
					after = append(after, string(e.Answer.Body))
				}
			}
			for at := 1; ; at++ {
				var d *crashDisk
				for seed := range uint64(5) {
					d = newCrashDisk(at, seed)
					root := t.TempDir()
					dir := filepath.Join(root, testRun)
					copyDir(t, src, dir)
					_, err := rewrite(t.Context(), d, dir, once)
					d.afterCrash(root, seed > 0)
					what := fmt.Sprintf("crash at call %d, seed %d", at, seed)
					if (err != nil) != d.dead {
						t.Fatalf("%s: Rewrite: %v", what, err)
					}
					for _, b := range bodies(contents(t, dir)) {
						if !slices.Contains(before, b) && !slices.Contains(after, b) {
							t.Fatalf("%s: neither old nor new: %q", what, b)
						}
					}
					if _, err := rewrite(t.Context(), quickDisk{}, dir, once); err != nil {
						t.Fatalf("%s: Rewrite again: %v", what, err)
					}
					if err := Check(t.Context(), dir); err != nil {
						t.Fatalf("%s: Check: %v", what, err)
					}
					if diff := cmp.Diff(after, bodies(contents(t, dir))); diff != "" {
						t.Fatalf("%s (-want +got):\n%s", what, diff)
					}
				}
				if !d.dead {
					break
				}
			}
		})
	}
}

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
					answer:  extract.Answer{Status: 200, Body: rapid.SliceOf(rapid.Byte()).Draw(rt, "body"), At: now},
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
	next := blockHeader{Type: entriesBlock, Entries: 1, Segment: h.Segment, Number: blocksIn(path)}
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

// victim records for ever, and says on stdout what was acknowledged.
func victim(dir string) {
	ctx := context.Background()
	var j *Journal
	var err error
	if _, statErr := os.Stat(dir); statErr != nil {
		j, err = Create(dir, header(testRun))
	} else {
		j, _, err = Resume(ctx, dir, ResumeOptions{Now: clock})
	}
	must(err)
	var line sync.Mutex
	for w := range 4 {
		go func() {
			for i := w; ; i += 4 {
				c := modelCall(i)
				if _, ok := j.Recorded(c); ok {
					continue
				}
				must(j.Record(ctx, c, answer(c.Path, 0), true))
				line.Lock()
				fmt.Println(i)
				line.Unlock()
			}
		}()
	}
	select {}
}

// A process that is killed leaves all that it had acknowledged, kill after kill, and no answer twice.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), testRun)
	acked := 0
	for kill := range 8 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "JOURNAL_TEST_VICTIM="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(err)
		must(cmd.Start())
		lines := bufio.NewScanner(out)
		for range 20 + 7*kill {
			if !lines.Scan() {
				t.Fatal("the victim died by itself")
			}
			acked++
		}
		must(cmd.Process.Kill())
		for lines.Scan() {
			acked++
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the victim ended by itself")
		}
		if err := Check(t.Context(), dir); err != nil {
			t.Fatalf("kill %d: %v", kill, err)
		}
	}
	j, r, err := OpenReadOnly(t.Context(), dir)
	must(err)
	// At each kill each of the four may have had one answer on disk, and not have said so yet.
	if r.Answers < acked || r.Answers > acked+8*4 {
		t.Errorf("%d answers are there; %d were acknowledged", r.Answers, acked)
	}
	seen := make(map[string]bool)
	for _, e := range entriesOf(t, j) {
		if seen[e.Call.Path] {
			t.Error("an answer was recorded twice")
		}
		seen[e.Call.Path] = true
		wantRecorded(t, j, e.Call, e.Call.Path)
	}
}

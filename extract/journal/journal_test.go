package journal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/rollcall-data/rollcall/extract"
)

// What was recorded comes back byte for byte, by Recorded and by Each.
func TestRoundTrip(t *testing.T) {
	entries := []Entry{
		{Call: listCall(0), Answer: answer(`{"users":[]}`, 0), Usable: true},
		{Call: modelCall(1), Answer: extract.Answer{Status: 404, At: clock}, Usable: true},
		{
			Call: extract.Call{
				Org: "a/b \"ü\"\u2028<&>", Kind: extract.KindSQL, Method: "POST", Path: "/v1/a%2Fb/admin/sql_query",
				Query: url.Values{"x": {"1", "2"}, "ü\n": {""}}, Body: []byte("{\"sql\":\"SELECT\n1\"}\n"),
			},
			Answer: extract.Answer{Status: 200, ContentType: "text/\"plain\"; charset=ü", Body: []byte("\x00\xff\n\n{\"type\":\"answer\"}\n"), At: clock.Add(time.Microsecond)},
			Usable: true,
		},
		{Call: modelCall(2), Answer: answer("<html>", time.Second), Usable: false},
		{Call: modelCall(3), Answer: answer(strings.Repeat("long ", 1_200_000), time.Hour), Usable: true},
		{Note: "published", Value: []byte(`{"version":"<1>"}`)},
	}
	j, dir := begin(t)
	for _, e := range entries {
		var err error
		if e.Note != "" {
			err = j.Note(t.Context(), e.Note, e.Value)
		} else {
			err = j.Record(t.Context(), e.Call, e.Answer, e.Usable)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range entries {
		entries[i].Segment = "00001.rcj"
	}
	if diff := cmp.Diff(entries, entriesOf(t, j), wholeBytes); diff != "" {
		t.Errorf("Each of a journal being written (-want +got):\n%s", diff)
	}
	if a, ok := j.Recorded(listCall(0)); ok {
		t.Errorf("this process's own answer was handed out: %+v", a)
	}
	end(t, j.Close)
	if diff := cmp.Diff(entries, contents(t, dir), wholeBytes); diff != "" {
		t.Errorf("Each (-want +got):\n%s", diff)
	}

	j, r := resumeQuick(t, dir)
	defer j.Close()
	if diff := cmp.Diff(Report{Segments: 1, Answers: 4}, r); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	for _, e := range entries {
		if e.Note != "" {
			v, ok := j.Noted(e.Note)
			if !ok || !bytes.Equal(v, e.Value) {
				t.Errorf("note %s: %s, %v", e.Note, v, ok)
			}
			continue
		}
		a, ok := j.Recorded(e.Call)
		if ok != e.Usable {
			t.Fatalf("%s: recorded %v, usable %v", e.Call.Kind, ok, e.Usable)
		}
		if want := e.Answer; ok {
			want.Replayed, want.Name = true, a.Name // which the journal gives
			if diff := cmp.Diff(want, a, wholeBytes); diff != "" {
				t.Errorf("recorded answer (-want +got):\n%s", diff)
			}
		}
	}
	if diff := cmp.Diff(header(testRun), j.Header()); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if _, ok := j.Noted("other"); ok {
		t.Error("a note that nobody made")
	}
}

// The answers to one call come in the order in which they were recorded, over all processes; a body belongs to its caller.
func TestFirstInFirstOut(t *testing.T) {
	j, dir := begin(t)
	record(t, j, listCall(0), "a")
	record(t, j, listCall(1), "x")
	record(t, j, listCall(0), "b")
	end(t, j.Close)

	j, _ = resumeQuick(t, dir)
	wantRecorded(t, j, listCall(0), "a", "b")
	record(t, j, listCall(0), "c")
	wantRecorded(t, j, listCall(0))
	end(t, j.Close)

	j, r := resumeQuick(t, dir)
	if r.Answers != 4 || r.Segments != 2 {
		t.Errorf("report: %+v", r)
	}
	a, _ := j.Recorded(listCall(0))
	clear(a.Body)
	wantRecorded(t, j, listCall(0), "b", "c")
	wantRecorded(t, j, listCall(1), "x")
	wantRecorded(t, j, listCall(2))
	end(t, j.Seal)
	j, _, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	wantRecorded(t, j, listCall(0), "a", "b", "c")
}

// A sweep is resumed whole or not at all, by the age of its oldest answer; the rest is resumed however old.
func TestSweepAge(t *testing.T) {
	lookup, role := listCall(0), modelCall(0)
	lookup.Kind, role.Kind = extract.KindLookup, extract.KindRole
	sql, freddy := listCall(7), listCall(8)
	sql.Kind, freddy.Kind = extract.KindSQL, extract.KindFreddyList
	batch := listCall(9)
	batch.Kind = extract.KindFreddyBatch
	sweeps, others := []extract.Call{listCall(0), listCall(1), lookup, sql, freddy}, []extract.Call{modelCall(1), role, batch}
	for _, tt := range []struct {
		name   string
		now    time.Duration
		maxAge time.Duration
		kept   bool
	}{
		{"young", time.Hour, 0, true},
		{"six hours after the first", 6 * time.Hour, 0, true},
		{"over six hours after the first, not the last", 6*time.Hour + time.Microsecond, 0, false},
		{"days after", 72 * time.Hour, 0, false},
		{"own limit", time.Hour, time.Minute, false},
		{"clock set back a little", -time.Hour, 0, true},
		{"clock set back too far to tell", -7 * time.Hour, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, dir := begin(t)
			for i, c := range append(sweeps, others...) {
				if err := j.Record(t.Context(), c, answer("old", time.Duration(i)*time.Minute), true); err != nil {
					t.Fatal(err)
				}
			}
			end(t, j.Close)
			j, r, err := resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock.Add(tt.now), SweepMaxAge: tt.maxAge})
			if err != nil {
				t.Fatal(err)
			}
			want := Report{Segments: 1, Answers: 8}
			old := []string{"old"}
			if !tt.kept {
				want = Report{Segments: 1, Answers: 3, SetAside: 5, SweepDropped: true}
				old = nil
			}
			if diff := cmp.Diff(want, r); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			for _, c := range sweeps {
				wantRecorded(t, j, c, old...)
			}
			for _, c := range others {
				wantRecorded(t, j, c, "old")
			}
			// The sweep that follows is the one that counts from now on, for the next resume and for a replay.
			if err := j.Record(t.Context(), listCall(0), answer("new", tt.now), true); err != nil {
				t.Fatal(err)
			}
			end(t, j.Close)
			j, r, err = resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock.Add(tt.now), SweepMaxAge: tt.maxAge})
			if err != nil {
				t.Fatal(err)
			}
			if !tt.kept && (r.SetAside != 5 || r.SweepDropped) {
				t.Errorf("second resume: %+v", r)
			}
			if !tt.kept {
				wantRecorded(t, j, listCall(0), "new")
				wantRecorded(t, j, listCall(1))
			}
			end(t, j.Seal)
			j, _, err = OpenReadOnly(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			wantRecorded(t, j, listCall(0), append(old, "new")...)
			for _, e := range contents(t, dir) {
				if aside := !tt.kept && inSweep(e.Call.Kind) && string(e.Answer.Body) == "old"; e.SetAside != aside {
					t.Errorf("Each: %s %q: set aside %v", e.Call.Kind, e.Answer.Body, e.SetAside)
				}
			}
		})
	}
}

// One answer is written at once; those that come during its fsync share the next ones, 64 to a block.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &faultDisk{gate: make(chan struct{}, 1)}
		d.gate <- struct{}{}
		dir := filepath.Join(t.TempDir(), testRun)
		j, err := create(d, dir, header(testRun))
		if err != nil {
			t.Fatal(err)
		}
		var done, wg sync.WaitGroup
		done.Add(1)
		begun := time.Now()
		wg.Go(func() { record(t, j, modelCall(0), "first"); done.Done() })
		synctest.Wait()
		const n = 150
		for i := range n {
			wg.Go(func() { record(t, j, modelCall(1+i), "next") })
		}
		synctest.Wait()
		for i, want := range []int{1, 1 + 64, 1 + 128, 1 + 150} {
			d.gate <- struct{}{}
			synctest.Wait()
			if got := len(entriesOf(t, j)); got != want {
				t.Errorf("after fsync %d, %d answers are durable; want %d", i+1, got, want)
			}
		}
		wg.Wait()
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("somebody waited %v for company", waited)
		}
		close(d.gate)
		end(t, j.Close)
	})
}

// A batch ends with the entry that makes it large, and the largest entry still fits.
func TestLargeAnswers(t *testing.T) {
	j, dir := begin(t)
	var wg sync.WaitGroup
	large := strings.Repeat("0123456789abcdef", (maxBatch+1)/16)
	for i := range 6 {
		wg.Go(func() { record(t, j, modelCall(i), large) })
	}
	wg.Wait()
	if err := j.Record(t.Context(), modelCall(9), extract.Answer{Body: make([]byte, maxEntry+1)}, true); !errors.Is(err, errTooBig) {
		t.Errorf("an answer larger than any block: %v", err)
	}
	record(t, j, modelCall(7), "and on it goes")
	end(t, j.Close)
	j, _ = resumeQuick(t, dir)
	for i := range 6 {
		wantRecorded(t, j, modelCall(i), large)
	}
	end(t, j.Close)
}

// Many goroutines record and ask at once; nothing is lost, nothing comes twice.
func TestConcurrent(t *testing.T) {
	const writers, each = 32, 40
	j, dir := begin(t)
	use := func() {
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					c := modelCall(w*each + i)
					if _, ok := j.Recorded(c); !ok {
						record(t, j, c, c.Path)
					}
				}
			})
		}
		wg.Go(func() {
			if err := j.Each(context.Background(), func(Entry) error { return nil }); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
	}
	use()
	end(t, j.Close)
	for range 2 {
		j, _ = resumeQuick(t, dir)
		use()
		end(t, j.Close)
	}
	if got := len(contents(t, dir)); got != writers*each {
		t.Errorf("%d answers recorded; want %d", got, writers*each)
	}
}

// Files are 0600 and folders 0700 under any umask.
func TestModes(t *testing.T) {
	for _, umask := range []int{0, 0o277} {
		old := syscall.Umask(umask)
		root := filepath.Join(t.TempDir(), "warehouse")
		dir := filepath.Join(root, "journal", testRun)
		j, err := Create(dir, header(testRun))
		if err == nil {
			err = j.Record(t.Context(), listCall(0), answer("a", 0), true)
		}
		if err == nil {
			err = j.Seal()
		}
		if err == nil {
			_, err = Rewrite(t.Context(), dir, func(e Entry) (Entry, bool, error) { return e, false, nil })
		}
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			want := fs.FileMode(0o600)
			if e.IsDir() {
				want = 0o700 | fs.ModeDir
			}
			if err == nil && info.Mode() != want {
				t.Errorf("umask %#o: %s is %v", umask, path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A segment is a zstd file that any tool reads, block by block and whole.
func TestPlainZstd(t *testing.T) {
	j, dir := begin(t)
	record(t, j, listCall(0), `{"page":1}`)
	record(t, j, listCall(1), `{"page":2}`)
	end(t, j.Seal)
	segment := readFile(t, filepath.Join(dir, "00001.rcj"))
	z, err := zstd.NewReader(bytes.NewReader(segment))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 7 || lines[2] != `{"page":1}` || lines[4] != `{"page":2}` || !strings.HasPrefix(lines[5], `{"blocks":3,"entries":2,`) {
		t.Errorf("the segment decompresses to\n%s", text)
	}
	if frames := bytes.Count(segment, []byte("\x28\xb5\x2f\xfd")); frames != 4 {
		t.Errorf("%d frames; want the preamble, two blocks and the trailer", frames)
	}
}

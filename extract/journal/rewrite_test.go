package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// decompressed is all that is in the files of a run, as they lie and as any frame in them decompresses, whole or not.
func decompressed(t testing.TB, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	must(err)
	var all bytes.Buffer
	for _, f := range files {
		b := readFile(t, filepath.Join(dir, f.Name()))
		all.Write(b)
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], []byte("\x28\xb5\x2f\xfd"))
			if i < 0 {
				break
			}
			at += i
			z, err := zstd.NewReader(bytes.NewReader(b[at:]), zstd.WithDecoderConcurrency(1))
			must(err)
			_, _ = all.ReadFrom(z) // a torn frame gives what it has
			z.Close()
		}
	}
	return all.String()
}

// forget drops a user's own answers and cuts the user out of the others.
func forget(user string) func(Entry) (Entry, bool, error) {
	return func(e Entry) (Entry, bool, error) {
		if strings.Contains(e.Call.Path, user) {
			return e, false, nil
		}
		e.Answer.Body = bytes.ReplaceAll(e.Answer.Body, []byte(user), nil)
		return e, true, nil
	}
}

// What is forgotten is nowhere in the run's folder, in no frame and no torn tail; the rest is as it was, in its order.
func TestRewriteForgets(t *testing.T) {
	const user = "000000000000000000000007"
	for _, tt := range []struct {
		name   string
		finish func(j *Journal, dir string) error
	}{
		{"sealed", func(j *Journal, _ string) error { return j.Seal() }},
		{"unfinished", func(j *Journal, _ string) error { return j.Close() }},
		{"torn", func(j *Journal, dir string) error {
			end := j.durable.Load()
			if err := j.Record(t.Context(), modelCall(7), answer(strings.Repeat(user, 3)+strings.Repeat(" and more", 100), 0), true); err != nil {
				return err
			}
			whole := j.durable.Load()
			return errors.Join(j.Close(), os.Truncate(filepath.Join(dir, "00003.rcj"), whole-(whole-end)/10))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, dir := begin(t)
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() { record(t, j, modelCall(i), "body of "+modelCall(i).Path) })
			}
			wg.Wait()
			record(t, j, listCall(0), `[{"id":"`+user+`"},{"id":"8"}]`)
			end(t, j.Close)
			j, _ = resumeQuick(t, dir)
			record(t, j, listCall(1), `[{"id":"9"}]`)
			end(t, j.Close)
			j, _ = resumeQuick(t, dir)
			end(t, func() error { return tt.finish(j, dir) })
			if !strings.Contains(decompressed(t, dir), user) {
				t.Fatal("the user was never there")
			}
			untouched := readFile(t, filepath.Join(dir, "00002.rcj"))
			var want []string
			for _, e := range contents(t, dir) {
				if e, keep, _ := forget(user)(e); keep {
					want = append(want, string(e.Answer.Body))
				}
			}

			r, err := rewrite(t.Context(), quickDisk{}, dir, forget(user))
			if err != nil {
				t.Fatal(err)
			}
			files := []string{"00001.rcj"}
			if tt.name == "torn" {
				files = append(files, "00003.rcj")
			}
			if diff := cmp.Diff(Rewritten{Files: files, Dropped: 1, Edited: 1}, r); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if strings.Contains(decompressed(t, dir), user) {
				t.Error("the user is still there")
			}
			if diff := cmp.Diff(want, bodies(contents(t, dir))); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
			if err := Check(t.Context(), dir); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(untouched, readFile(t, filepath.Join(dir, "00002.rcj"))) {
				t.Error("a segment without the user was rewritten")
			}
			again, err := rewrite(t.Context(), quickDisk{}, dir, forget(user))
			if err != nil || len(again.Files) != 0 {
				t.Errorf("a second rewrite: %+v, %v", again, err)
			}
			if tt.name == "sealed" {
				if _, r, err := OpenReadOnly(t.Context(), dir); err != nil || !r.Sealed {
					t.Errorf("the run is no longer sealed: %+v, %v", r, err)
				}
				return
			}
			j, rep := resumeQuick(t, dir)
			if rep.Answers != len(want) {
				t.Errorf("%d answers can be resumed; want %d", rep.Answers, len(want))
			}
			wantRecorded(t, j, modelCall(7))
			wantRecorded(t, j, listCall(0), `[{"id":""},{"id":"8"}]`)
			end(t, j.Seal)
		})
	}
}

// An edit may change anything of an entry, and drop all of them.
func TestRewriteEdits(t *testing.T) {
	j, dir := begin(t)
	record(t, j, listCall(0), "a")
	must(j.Note(t.Context(), "published", "v1"))
	end(t, j.Close)
	j, _, err := resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock.AddDate(0, 0, 1)})
	must(err)
	record(t, j, listCall(1), "b")
	end(t, j.Seal)
	var seen []string
	_, err = Rewrite(t.Context(), dir, func(e Entry) (Entry, bool, error) {
		seen = append(seen, e.Segment)
		if e.SetAside != (e.Segment == "00001.rcj" && e.Note == "") {
			t.Errorf("%s %s: set aside %v", e.Segment, e.Note, e.SetAside)
		}
		if e.Note != "" {
			e.Value = []byte(`"v2"`)
			return e, true, nil
		}
		e.Call.Query.Set("offset", "7")
		e.Usable = false
		return e, true, nil
	})
	must(err)
	if !slices.Equal(seen, []string{"00001.rcj", "00001.rcj", "00002.rcj"}) {
		t.Errorf("edit was shown %v", seen)
	}
	got := contents(t, dir)
	if len(got) != 3 || got[0].Call.Query.Get("offset") != "7" || got[0].Usable || string(got[1].Value) != `"v2"` {
		t.Errorf("after the rewrite: %+v", got)
	}
	r, err := Rewrite(t.Context(), dir, func(e Entry) (Entry, bool, error) { return e, false, nil })
	if err != nil || r.Dropped != 3 {
		t.Errorf("dropping all: %+v, %v", r, err)
	}
	if got := contents(t, dir); len(got) != 0 {
		t.Errorf("after all were dropped: %+v", got)
	}
	if err := Check(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

// What fails leaves the segment as it was, and no file behind.
func TestRewriteFails(t *testing.T) {
	dir := sealedRun(t)
	before := contents(t, dir)
	same := func(what string) {
		t.Helper()
		if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
			t.Errorf("%s changed the run:\n%s", what, diff)
		}
		if err := Check(t.Context(), dir); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	errEdit := errors.New("no such thing")
	_, err := Rewrite(t.Context(), dir, func(e Entry) (Entry, bool, error) {
		e.Answer.Body = nil
		if e.Call.ID() == modelCall(0).ID() {
			return e, true, nil
		}
		return e, true, errEdit
	})
	if !errors.Is(err, errEdit) {
		t.Errorf("an edit that fails: %v", err)
	}
	// The first segment was done before the edit failed in the second.
	before[0].Answer.Body = nil
	same("a failing edit")

	drop := func(e Entry) (Entry, bool, error) { return e, false, nil }
	for _, op := range []string{"create", "write", "sync", "rename"} {
		d := &faultDisk{}
		d.set(op, errDiskFull)
		if _, err := rewrite(t.Context(), d, dir, drop); !errors.Is(err, errDiskFull) {
			t.Errorf("%s fails: %v", op, err)
		}
		same("a failing " + op)
	}
	_, err = Rewrite(t.Context(), dir, func(e Entry) (Entry, bool, error) {
		e.Call.Path = "\xff"
		return e, true, nil
	})
	if !errors.Is(err, errText) {
		t.Errorf("an edit to what cannot be written: %v", err)
	}
	same("an impossible edit")

	path := filepath.Join(dir, "00002.rcj")
	b := readFile(t, path)
	b[len(b)-60] ^= 1
	writeFile(t, path, b)
	_, err = Rewrite(t.Context(), dir, drop)
	wantDamage(t, errors.Unwrap(err), "00002.rcj", "rewriting a damaged segment")
	if !bytes.Equal(b, readFile(t, path)) {
		t.Error("a damaged segment was replaced")
	}
}

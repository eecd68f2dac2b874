package journal

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// keepAll is an edit that changes nothing.
func keepAll(e Entry) (Entry, bool, error) { return e, true, nil }

// wantRewritten applies the edit, by the place of each entry in the run, and checks that the run then says what the edit made of each, is whole, and
// would not be rewritten again.
func wantRewritten(t testing.TB, dir string, edit func(i int, e Entry) (Entry, bool), with ...*Identity) Rewritten {
	t.Helper()
	before := contentsWith(t, dir, with...)
	var want []string
	for i, e := range before {
		if e, keep := edit(i, e); keep {
			want = append(want, string(e.Answer.Body))
		}
	}
	i := -1
	r, err := rewrite(t.Context(), quickDisk{}, dir, func(e Entry) (Entry, bool, error) {
		i++
		e, keep := edit(i, e)
		return e, keep, nil
	}, with...)
	must(err)
	if diff := cmp.Diff(want, bodies(contentsWith(t, dir, with...))); diff != "" {
		t.Errorf("after the rewrite (-want +got):\n%s", diff)
	}
	must(Check(t.Context(), dir))
	must(Check(t.Context(), dir, with...))
	again, err := rewrite(t.Context(), quickDisk{}, dir, keepAll, with...)
	if err != nil || len(again.Files) != 0 {
		t.Errorf("a rewrite without a change: %+v, %v", again, err)
	}
	return r
}

// An edit of one of two answers that are kept once leaves the other as it was; what moves is found where it is.
func TestRewriteShared(t *testing.T) {
	const size = 3000
	said := func(e Entry, body string) (Entry, bool) { e.Answer.Body = []byte(body); return e, true }
	for _, tt := range []struct {
		name            string
		edit            func(i int, e Entry) (Entry, bool) // 0 small, 1-3 the pages, 4 small, 5-7 the pages again, 8 the first page once more
		dropped, edited int
		same            int // references left of 4
	}{
		{"nothing", func(_ int, e Entry) (Entry, bool) { return e, true }, 0, 0, 4},
		{"the first is edited", func(i int, e Entry) (Entry, bool) {
			if i == 1 {
				return said(e, "edited")
			}
			return e, true
		}, 0, 1, 3},
		{"the second is edited", func(i int, e Entry) (Entry, bool) {
			if i == 5 {
				return said(e, page(9, size))
			}
			return e, true
		}, 0, 1, 3},
		{"both are edited alike", func(i int, e Entry) (Entry, bool) {
			if i == 1 || i == 5 {
				return said(e, page(9, size))
			}
			return e, true
		}, 0, 2, 3},
		{"each is edited, and no two alike", func(i int, e Entry) (Entry, bool) { return said(e, page(uint64(i), size)) }, 0, 9, 0},
		{"all are edited alike", func(_ int, e Entry) (Entry, bool) { return said(e, page(9, size)) }, 0, 9, 8},
		{"the first is dropped", func(i int, e Entry) (Entry, bool) { return e, i != 1 }, 1, 0, 3},
		{"the second is dropped", func(i int, e Entry) (Entry, bool) { return e, i != 5 }, 1, 0, 3},
		{"both are dropped", func(i int, e Entry) (Entry, bool) { return e, i != 1 && i != 5 && i != 8 }, 3, 0, 2},
		{"what is before them is dropped", func(i int, e Entry) (Entry, bool) { return e, i != 0 }, 1, 0, 4},
		{"what is between them is dropped", func(i int, e Entry) (Entry, bool) { return e, i != 4 }, 1, 0, 4},
		{"the first walk is dropped", func(i int, e Entry) (Entry, bool) { return e, i > 4 }, 5, 0, 1},
		{"the head of a second is edited", func(i int, e Entry) (Entry, bool) { e.Usable = i != 6; return e, true }, 0, 1, 4},
		{"the request of a second is edited", func(i int, e Entry) (Entry, bool) {
			if i == 5 {
				e.Call.Body = []byte("asked")
			}
			return e, true
		}, 0, 1, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to, with, _ := keyPair(t)
			for _, recipients := range [][]Recipient{nil, {to}} {
				j, dir := beginFor(t, recipients...)
				for range 2 {
					record(t, j, modelCall(1), "small")
					for p := range 3 {
						record(t, j, listCall(p), page(uint64(100+p), size))
					}
				}
				record(t, j, listCall(0), page(100, size))
				end(t, j.Seal)
				want := Rewritten{Dropped: tt.dropped, Edited: tt.edited}
				if tt.dropped+tt.edited > 0 {
					want.Files = []string{"00001.rcj"}
				}
				if diff := cmp.Diff(want, wantRewritten(t, dir, tt.edit, with)); diff != "" {
					t.Errorf("report (-want +got):\n%s", diff)
				}
				if n := sameIn(t, dir, with); n != tt.same {
					t.Errorf("%d references are left; want %d", n, tt.same)
				}
			}
		})
	}
}

// Whatever a run holds, in blocks of one or of many, and whatever an edit makes of each entry, the run says just that afterwards.
func TestRewriteSharedProperty(t *testing.T) {
	root := t.TempDir()
	runs := 0
	pool := []string{"", "small", page(1, minShared), page(2, minShared), page(3, 5000), page(4, 5000), page(5, largeRaw)}
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		dir := filepath.Join(root, fmt.Sprint(runs), testRun)
		j, err := create(quickDisk{}, dir, header(testRun))
		must(err)
		batches := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(pool), 1, 12), 1, 12).Draw(rt, "batches")
		for _, batch := range batches {
			var all sync.WaitGroup
			for _, body := range batch {
				all.Go(func() { must(j.Record(context.Background(), modelCall(1), answer(body, 0), true)) })
			}
			all.Wait()
		}
		must(j.Seal())
		fates := make([]int, len(contents(t, dir)))
		for i := range fates {
			fates[i] = rapid.IntRange(0, 20).Draw(rt, "fate")
		}
		wantRewritten(t, dir, func(i int, e Entry) (Entry, bool) {
			switch fate := fates[i]; {
			case fate < len(pool):
				e.Answer.Body = []byte(pool[fate])
			case fate < len(pool)+3:
				return e, false
			}
			return e, true
		})
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// Somebody who is in a page that came twice is gone from both, and from the disk.
func TestRewriteForgetsShared(t *testing.T) {
	const user = "000000000000000000000007"
	to, with, _ := keyPair(t)
	for _, recipients := range [][]Recipient{nil, {to}} {
		j, dir := beginFor(t, recipients...)
		twice(t, j, []string{page(1, 3000), page(2, 1500) + user + page(3, 1500), page(4, 3000)})
		record(t, j, modelCall(7), page(2, 1500)+user+page(3, 1500))
		end(t, j.Seal)
		if recipients == nil && strings.Count(decompressed(t, dir), user) == 0 {
			t.Fatal("the user was never there")
		}
		r, err := rewrite(t.Context(), quickDisk{}, dir, forget(user), with)
		must(err)
		if diff := cmp.Diff(Rewritten{Files: []string{"00001.rcj"}, Dropped: 1, Edited: 2}, r); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
		if strings.Contains(decompressed(t, dir), user) {
			t.Error("the user is still there")
		}
		want := []string{page(1, 3000), page(2, 1500) + page(3, 1500), page(4, 3000)}
		if diff := cmp.Diff(append(want, want...), bodies(contentsWith(t, dir, with))); diff != "" {
			t.Errorf("what is left (-want +got):\n%s", diff)
		}
		if n := sameIn(t, dir, with); n != 3 {
			t.Errorf("%d references are left; want 3", n)
		}
	}
}

// A segment of the version before stays one, with every body in its place.
func TestRewriteFirstVersion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), testRun)
	copyDir(t, fixture, dir)
	wantRewritten(t, dir, func(_ int, e Entry) (Entry, bool) {
		if e.Note == "" {
			e.Answer.Body = bytes.Repeat([]byte("x"), 2*minShared)
		}
		return e, e.Note == ""
	})
	for _, name := range []string{"00001.rcj", "00002.rcj"} {
		h, err := decodeHeader(readFile(t, filepath.Join(dir, name)))
		must(err)
		if h.Version != firstVersion {
			t.Errorf("%s is of version %d", name, h.Version)
		}
	}
	if n := sameIn(t, dir); n != 0 {
		t.Errorf("%d references", n)
	}
}

// An unfinished run of the version before is gone on with in a segment of this one.
func TestResumeFirstVersion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), testRun)
	copyDir(t, fixture, dir)
	// Without its second segment and its seal, the first is a run that was interrupted.
	must(osDisk{}.remove(filepath.Join(dir, sealName)))
	must(osDisk{}.remove(filepath.Join(dir, "00002.rcj")))
	j, r := resumeQuick(t, dir)
	if r.Answers != 3 {
		t.Errorf("%d answers", r.Answers)
	}
	twice(t, j, []string{page(1, 2000)})
	end(t, j.Seal)
	must(Check(t.Context(), dir))
	if n := sameIn(t, dir); n != 1 {
		t.Errorf("%d references", n)
	}
	h, err := decodeHeader(readFile(t, filepath.Join(dir, "00002.rcj")))
	if err != nil || h.Version != version {
		t.Errorf("version %d, %v", h.Version, err)
	}
	wantRewritten(t, dir, func(i int, e Entry) (Entry, bool) { return e, i != 4 })
}

// Entries that shared a body which is gone are too much for one block, if each has a body of its own.
func TestRewriteSplits(t *testing.T) {
	j, dir := begin(t)
	const n = 20
	for i := range n {
		record(t, j, modelCall(i), page(uint64(i), 3000))
	}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { record(t, j, modelCall(n+i), page(uint64(i), 3000)) })
	}
	all.Wait()
	end(t, j.Seal)
	if s := sameIn(t, dir); s != n {
		t.Fatalf("%d references", s)
	}
	var want []string
	for _, e := range contents(t, dir)[n:] {
		want = append(want, string(e.Answer.Body))
	}
	f, err := readFolder(dir)
	must(err)
	r := rewriter{disk: quickDisk{}, folder: f, known: newKnown(), limit: 10_000, edit: func(e Entry) (Entry, bool, error) {
		var i int
		_, err := fmt.Sscanf(e.Call.Path, "/v1/acme/user/%x/user_model", &i)
		return e, i >= n, err
	}}
	must(r.run(t.Context()))
	must(Check(t.Context(), dir))
	if diff := cmp.Diff(want, bodies(contents(t, dir))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = f.walk(t.Context(), 0, func(b *block) error {
		if len(b.raw) > 10_000 {
			t.Errorf("a block of %d bytes", len(b.raw))
		}
		return nil
	})
	must(err)
}

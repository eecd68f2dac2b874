package journal

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
)

// A disk that fails once ends the journal: nothing is acknowledged after, though the disk works again.
func TestFailureEndsTheJournal(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		t.Run(op, func(t *testing.T) {
			d := &faultDisk{torn: 50}
			dir := filepath.Join(t.TempDir(), testRun)
			j, err := create(d, dir, header(testRun))
			if err != nil {
				t.Fatal(err)
			}
			record(t, j, listCall(0), "kept")
			d.set(op, errDiskFull)
			if err := j.Record(t.Context(), listCall(1), answer("lost", 0), true); !errors.Is(err, errDiskFull) || !strings.Contains(err.Error(), "00001.rcj") {
				t.Errorf("Record on a full disk: %v", err)
			}
			d.set("", nil)
			size := j.durable.Load()
			if err := j.Record(t.Context(), listCall(2), answer("late", 0), true); !errors.Is(err, errDiskFull) {
				t.Errorf("Record after the failure: %v", err)
			}
			if err := j.Note(t.Context(), "published", true); !errors.Is(err, errDiskFull) {
				t.Errorf("Note after the failure: %v", err)
			}
			if err := j.Err(); !errors.Is(err, errDiskFull) {
				t.Errorf("Err: %v", err)
			}
			if err := j.Close(); !errors.Is(err, errDiskFull) {
				t.Errorf("Close: %v", err)
			}
			if now := int64(len(readFile(t, filepath.Join(dir, "00001.rcj")))); now != size {
				t.Errorf("%d bytes are left of what was not acknowledged", now-size)
			}
			j, r := resumeQuick(t, dir)
			wantRecorded(t, j, listCall(0), "kept")
			if r.Answers != 1 || r.TornBytes != 0 {
				t.Errorf("report: %+v", r)
			}
			end(t, j.Close)
		})
	}
}

// Creating, resuming and sealing fail as a whole.
func TestFailureAtTheEnds(t *testing.T) {
	for _, op := range []string{"create", "write", "sync", "rename", "syncdir", "reopen", "mkdir"} {
		t.Run(op, func(t *testing.T) {
			d := &faultDisk{}
			root := t.TempDir()
			dir := filepath.Join(root, testRun)
			d.set(op, errDiskFull)
			if op != "reopen" {
				if _, err := create(d, dir, header(testRun)); !errors.Is(err, errDiskFull) {
					t.Fatalf("Create: %v", err)
				}
			}
			if runs, err := List(root); len(runs) != 0 || err != nil {
				t.Fatalf("a run that was not created is listed: %v, %v", runs, err)
			}
			d.set("", nil)
			j, err := create(d, dir, header(testRun))
			if err != nil {
				t.Fatal(err)
			}
			record(t, j, listCall(0), "a")
			end(t, j.Close)
			d.set(op, errDiskFull)
			if op != "mkdir" {
				if _, _, err := resume(t.Context(), d, dir, ResumeOptions{Now: clock}); !errors.Is(err, errDiskFull) {
					t.Fatalf("Resume: %v", err)
				}
			}
			d.set("", nil)
			j, _, err = resume(t.Context(), d, dir, ResumeOptions{Now: clock})
			if err != nil {
				t.Fatal(err)
			}
			record(t, j, listCall(0), "b")
			d.set(op, errDiskFull)
			if err := j.Seal(); !errors.Is(err, errDiskFull) && op != "mkdir" && op != "reopen" {
				t.Fatalf("Seal: %v", err)
			}
			if err := j.Close(); err != nil {
				t.Errorf("Close after Seal: %v", err)
			}
			if err := Check(t.Context(), dir); err != nil {
				t.Errorf("Check after Seal failed: %v", err)
			}
			d.set("", nil)
			if err := clean(d, root); err != nil {
				t.Fatal(err)
			}
			j, _, err = resume(t.Context(), d, dir, ResumeOptions{Now: clock})
			if errors.Is(err, ErrSealed) {
				j, _, err = OpenReadOnly(t.Context(), dir)
			}
			if err != nil {
				t.Fatal(err)
			}
			wantRecorded(t, j, listCall(0), "a", "b")
			end(t, j.Close)
		})
	}
}

// What a journal does not take, and what it says when it is over.
func TestRefusals(t *testing.T) {
	j, dir := begin(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	signIn, binary := listCall(0), listCall(0)
	signIn.Kind, binary.Path = extract.KindSignIn, "/\xff"
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"sign-in", j.Record(t.Context(), signIn, answer("token", 0), true), errSignIn},
		{"cancelled", j.Record(ctx, listCall(0), answer("", 0), true), context.Canceled},
		{"binary path", j.Record(t.Context(), binary, answer("", 0), true), errText},
		{"note without a name", j.Note(t.Context(), "", 1), errNote},
		{"note in binary", j.Note(t.Context(), "\xff", 1), errNote},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, tt.err, tt.want)
		}
	}
	if err := j.Note(t.Context(), "x", func() {}); err == nil {
		t.Error("a note that is no JSON was taken")
	}
	record(t, j, listCall(0), "none of this hurts")
	if _, err := Create(dir, header(testRun)); err == nil {
		t.Error("a run was created twice")
	}
	end(t, j.Seal)
	end(t, j.Close)
	if err := j.Seal(); !errors.Is(err, errEnded) {
		t.Errorf("Seal twice: %v", err)
	}
	if err := j.Record(t.Context(), listCall(0), answer("", 0), true); !errors.Is(err, errEnded) {
		t.Errorf("Record after the end: %v", err)
	}
	if _, _, err := Resume(t.Context(), dir, ResumeOptions{Now: clock}); !errors.Is(err, ErrSealed) {
		t.Errorf("Resume of a sealed run: %v", err)
	}
	j, r, err := OpenReadOnly(t.Context(), dir)
	if err != nil || !r.Sealed {
		t.Fatalf("OpenReadOnly: %+v, %v", r, err)
	}
	if err := j.Record(t.Context(), listCall(0), answer("", 0), true); !errors.Is(err, errReadOnly) {
		t.Errorf("Record on a journal for reading: %v", err)
	}
	if err := j.Seal(); !errors.Is(err, errReadOnly) {
		t.Errorf("Seal of a journal for reading: %v", err)
	}
	end(t, j.Close)
	for _, h := range []Header{{}, {Run: "other"}, {Run: ".x"}, {Run: "x", Config: []byte("{")}} {
		if _, err := Create(filepath.Join(t.TempDir(), "x"), h); err == nil {
			t.Errorf("Create took the header %+v", h)
		}
	}
}

// A body that cannot be read any more ends the journal and is not passed off as never recorded.
func TestUnreadableAnswer(t *testing.T) {
	j, dir := begin(t)
	record(t, j, listCall(0), "a")
	end(t, j.Close)
	j, _ = resumeQuick(t, dir)
	must(os.Remove(filepath.Join(dir, "00001.rcj")))
	if _, ok := j.Recorded(listCall(0)); ok {
		t.Error("an answer out of nothing")
	}
	if err := j.Record(t.Context(), listCall(0), answer("asked again", 0), true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Record after an answer was lost: %v", err)
	}
	if err := j.Close(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Close: %v", err)
	}
}

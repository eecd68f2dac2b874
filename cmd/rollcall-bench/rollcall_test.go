package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestARunMustHaveDoneWhatItIsMeasuredFor(t *testing.T) {
	for _, tt := range []struct {
		name    string
		summary Summary
		ok      bool
	}{
		{runFull, Summary{Status: "certified", Users: 500}, true},
		{runFull, Summary{Status: "uncertified", Users: 500}, false},
		{runFull, Summary{Status: "certified", Users: 499}, false},
		{runUnchanged, Summary{Status: "unchanged", Users: 500}, true},
		{runUnchanged, Summary{Status: "certified", Users: 500}, false},
		{runReplay, Summary{Status: "certified", Users: 500}, true},
		{runChanged, Summary{Status: "certified", Users: 500, Changed: 5}, true},
		{runChanged, Summary{Status: "certified", Users: 500}, false},
	} {
		if err := (Run{Name: tt.name, Summary: tt.summary}).check(500); (err == nil) != tt.ok {
			t.Errorf("%s, %+v: %v", tt.name, tt.summary, err)
		}
	}
}

// TestARunThatFailsIsAnError runs programs that are no rollcall.
func TestARunThatFailsIsAnError(t *testing.T) {
	for program, want := range map[string]string{"false": "exit status 1", "echo": "the summary: ", "no such program": "executable file not found"} {
		w := warehouse{program, filepath.Join(t.TempDir(), "warehouse"), "http://127.0.0.1:1"}
		if r, err := w.run(t.Context(), runFull); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", program, r, err)
		}
	}
}

func TestAllocationsAreReadFromTheLog(t *testing.T) {
	log := "not JSON\n" + `{"level":"info","message":"replaying","bytes":1}` + "\n" +
		`{"level":"info","bytes":1234567,"objects":890,"collections":3,"time":"2026-11-23T02:23:02Z","message":"allocated in Go"}` + "\n"
	if size, objects := allocations([]byte(log)); size != 1234567 || objects != 890 {
		t.Error(size, objects)
	}
	if size, objects := allocations(nil); size != 0 || objects != 0 {
		t.Error(size, objects)
	}
}

// TestSharedFilesCountOnce has two versions share a part, as an amended version does with the one before.
func TestSharedFilesCountOnce(t *testing.T) {
	w := warehouse{dir: t.TempDir()}
	if files, err := w.inodes(); err != nil || len(files) != 0 {
		t.Fatal(files, err)
	}
	file := func(version, name string) string {
		dir := filepath.Join(w.dir, "versions", version)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file("1", "part"), "shared")
	write(file("1", "manifest.json"), "no table")
	before, err := w.inodes()
	if err != nil || len(before) != 1 {
		t.Fatal(before, err)
	}
	write(file("2", "users.duckdb"), "new")
	if err := os.Link(file("1", "part"), file("2", "part")); err != nil {
		t.Fatal(err)
	}
	after, err := w.inodes()
	if err != nil || len(after) != 2 {
		t.Fatal(after, err)
	}
	var size int64
	for inode, n := range after {
		if _, there := before[inode]; !there {
			size += n
		}
	}
	if size != int64(len("new")) {
		t.Errorf("%d bytes are new", size)
	}
}

func TestTheEndOfALogIsKept(t *testing.T) {
	var l tail
	for range 3 {
		if _, err := l.Write([]byte(strings.Repeat("x", tailBytes/2) + "end\n")); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.b) != tailBytes || !strings.HasSuffix(string(l.b), "end\n") {
		t.Errorf("%d bytes, ending in %q", len(l.b), l.b[len(l.b)-5:])
	}
}

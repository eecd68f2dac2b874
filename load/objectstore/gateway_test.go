package objectstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/load/objectstore/objectstoretest"
	"github.com/rollcall-data/rollcall/load/publish"
)

// onDisk reads what a gateway has.
func onDisk(g *objectstoretest.Gateway) func(key string) ([]byte, bool) {
	return func(key string) ([]byte, bool) {
		raw, err := os.ReadFile(filepath.Join(g.Dir, objectstoretest.Bucket, key))
		return raw, err == nil
	}
}

// TestKilledAtEachRequest kills a publishing process at every request that writes, just before and just after it is carried out. current.json
// never names a version that is not whole, and the next process sends nothing that is there.
func TestKilledAtEachRequest(t *testing.T) {
	g := objectstoretest.StartGateway(t, false)
	s := store(t, g.URL)
	for kills, at := 0, int64(1); ; at++ {
		done := true
		for _, after := range []bool{false, true} {
			old, v := version(t, run1, 4000, 0), version(t, run2, 4000, 0)
			wipe(t, s)
			if _, err := s.Publish(t.Context(), old, terms()); err != nil {
				t.Fatal(err)
			}
			if !killed(t, g, v, at, after) {
				continue
			}
			kills++
			done = false
			named := readable(t, onDisk(g), old, v)
			there := map[string]bool{"data/users/current.json": named == run2}
			for _, f := range append(v.Manifest.Files, publish.FileEntry{Path: "manifest.json"}) {
				key := "data/users/versions/" + run2 + "/" + f.Path
				_, there[key] = onDisk(g)(key)
			}
			g.Requests()
			if _, err := s.Publish(t.Context(), v, terms()); err != nil {
				t.Fatalf("after a kill at write %d: %v", at, err)
			}
			for _, key := range objectstoretest.Sent(g.Requests()) {
				if there[key] {
					t.Errorf("after a kill at write %d (%v), %s was there and sent again", at, after, key)
				}
			}
			if got := readable(t, onDisk(g), v); got != run2 {
				t.Errorf("after a kill at write %d, current.json names %s", at, got)
			}
		}
		if done {
			if kills < 12 {
				t.Errorf("killed only %d times", kills)
			}
			return
		}
	}
}

// wipe empties the bucket.
func wipe(t *testing.T, s *Store) {
	t.Helper()
	all, err := s.list(t.Context(), versionsName)
	if err == nil {
		err = s.delete(t.Context(), append(all, stored{key: s.key(pointerName)}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// killed publishes in a process of its own, which is killed at a write; false where it has fewer. after: the write is carried out.
func killed(t *testing.T, g *objectstoretest.Gateway, v publish.Version, at int64, after bool) bool {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), part+"="+g.URL+"\n"+v.Dir)
	var n atomic.Int64
	hit := make(chan struct{})
	g.Intercept(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			next.ServeHTTP(w, r)
			return
		}
		k := n.Add(1)
		if k < at || k == at && after {
			next.ServeHTTP(w, r)
		}
		if k == at {
			close(hit)
		}
		if k >= at { // what comes beside the request that it dies at, too
			<-ctx.Done()
			objectstoretest.Cut()
		}
	})
	ended := make(chan error, 1)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- cmd.Wait() }()
	defer g.Intercept(nil)
	select {
	case <-hit:
		kill() // SIGKILL
		<-ended
		return true
	case err := <-ended:
		if err != nil {
			t.Fatalf("the process ended by itself: %v", err)
		}
		return false
	}
}

func TestPartsAreNotSentTwice(t *testing.T) {
	g := objectstoretest.StartGateway(t, false)
	s, v := store(t, g.URL), version(t, run1, 13<<20, 0)
	s.multipart, s.part = 1<<20, 5<<20
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	others.Add(2)
	g.Intercept(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("partNumber") {
		case "3":
			others.Wait()
			stop()
			objectstoretest.Cut()
		case "1", "2":
			defer others.Done()
		}
		next.ServeHTTP(w, r)
	})
	if _, err := s.Publish(ctx, v, terms()); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	g.Intercept(nil)
	g.Requests()
	if readable(t, onDisk(g), v) != "" {
		t.Error("there is a current.json already")
	}
	r, err := s.Publish(t.Context(), v, terms())
	if err != nil || r.Sent != 2 || r.Reused != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	if readable(t, onDisk(g), v) != run1 {
		t.Error("there is no current.json")
	}
	again := objectstoretest.Sent(g.Requests())
	at := "data/users/versions/" + run1
	if d := cmp.Diff([]string{"data/users/current.json", at + "/manifest.json", at + "/users.duckdb#3"}, again); d != "" {
		t.Error(d)
	}
	if err := os.WriteFile(filepath.Join(v.Dir, "users.duckdb"), make([]byte, 13<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	wipe(t, s)
	if _, err := s.Publish(t.Context(), v, terms()); err == nil || !strings.Contains(err.Error(), "not what its manifest says") {
		t.Errorf("a large file that was changed: %v", err)
	}
}

// TestPublishersAtOnce: whoever is outrun looks again, and in the end the newest run is current.
func TestPublishersAtOnce(t *testing.T) {
	g := objectstoretest.StartGateway(t, false)
	var all []publish.Version
	var wait sync.WaitGroup
	for _, run := range []string{run1, run2, run3, "20260104-040000-000000"} {
		v := version(t, run, 100, 0)
		all = append(all, v)
		s := store(t, g.URL)
		wait.Go(func() {
			var newer *NewerError
			if _, err := s.Publish(t.Context(), v, terms()); err != nil && !errors.As(err, &newer) {
				t.Errorf("run %s: %v", run, err)
			}
		})
	}
	wait.Wait()
	if got := readable(t, onDisk(g), all...); got != all[3].Run {
		t.Errorf("current.json names %s", got)
	}
}

// TestEraseReachesOlderVersionsOfObjects: in a bucket that keeps what is replaced and removed, nothing of it is left in any file.
func TestEraseReachesOlderVersionsOfObjects(t *testing.T) {
	g := objectstoretest.StartGateway(t, true)
	s, v := store(t, g.URL), version(t, run1, 4000, 0)
	for range 2 { // the bucket keeps both
		if err := s.upload(t.Context(), v, &Report{}); err != nil {
			t.Fatal(err)
		}
		if err := s.delete(t.Context(), []stored{{key: "data/users/versions/" + run1 + "/users.duckdb"}}); err != nil {
			t.Fatal(err)
		}
	}
	needle, err := os.ReadFile(filepath.Join(v.Dir, "users.duckdb"))
	if err != nil {
		t.Fatal(err)
	}
	if holding(t, filepath.Dir(g.Dir), needle) == 0 {
		t.Fatal("the bucket keeps nothing: the test shows nothing")
	}
	unfinished := object{key: s.key("versions/" + run1 + "/large")}
	upload, _, err := s.resume(t.Context(), unfinished)
	if err == nil {
		_, err = s.sendPart(t.Context(), unfinished, upload, 1, io.NewSectionReader(bytes.NewReader(needle), 0, int64(len(needle))), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	rewritten := version(t, run1, 3000, 1)
	if _, err := s.Publish(t.Context(), rewritten, terms()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(t.Context(), []publish.Version{rewritten}); err != nil {
		t.Fatal(err)
	}
	if n := holding(t, filepath.Dir(g.Dir), needle); n > 0 {
		t.Errorf("%d files still hold it", n)
	}
	if readable(t, onDisk(g), rewritten) != run1 {
		t.Error("the rewritten version is not current")
	}
}

// holding counts the files below dir that hold the bytes.
func holding(t *testing.T, dir string, needle []byte) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, needle) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

package pipeline

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/objectstore/objectstoretest"
	"github.com/rollcall-data/rollcall/load/publish"
)

// copied makes a configuration publish to a fake bucket.
func copied(t *testing.T, c *config.Config) *objectstoretest.Fake {
	t.Helper()
	f := objectstoretest.StartFake(t)
	c.Publish, c.PublishEndpoint, c.PublishPathStyle = "s3://"+objectstoretest.Bucket+"/users", f.URL, true
	return f
}

// refuse has the bucket refuse everything until Intercept(nil).
func refuse(f *objectstoretest.Fake) {
	f.Intercept(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		objectstoretest.Refuse(w, http.StatusForbidden, "AccessDenied")
	})
}

// download lays what a bucket has below a prefix out as a warehouse, and says which folder of it current.json names.
func download(t *testing.T, f *objectstoretest.Fake, prefix string) (dir, current string) {
	t.Helper()
	dir = t.TempDir()
	for _, key := range f.Keys() {
		body, _ := f.Object(key)
		path := filepath.Join(dir, strings.TrimPrefix(key, prefix+"/"))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var p struct{ Path string }
	if raw, ok := f.Object(prefix + "/current.json"); ok {
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
	}
	return dir, p.Path
}

// proveCopied checks that current.json leads to the warehouse's current version, whole.
func proveCopied(t *testing.T, c *config.Config, f *objectstoretest.Fake) {
	t.Helper()
	dir, at := download(t, f, "users")
	local := currentVersion(t, c)
	v, err := publish.Open(dir).Version(filepath.Base(at))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(local.Manifest, v.Manifest); d != "" {
		t.Errorf("current.json leads to another version: %s", d)
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Errorf("the copy: %v", err)
	}
}

func TestRunsPublishToObjectStorage(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 20, Limits: "none"})
	f := copied(t, c)
	first := night(t, c)
	if len(first.Copies) != 1 || first.Copies[0].Version == nil || *first.Copies[0].Version != first.RunID || first.Copies[0].Sent == 0 || first.NeedsPerson() {
		t.Fatalf("first night: %+v", first.Copies)
	}
	proveCopied(t, c, f)
	f.Requests()
	if s := night(t, c); s.Status != Unchanged || len(s.Copies) != 1 || s.Copies[0].Sent != 0 || s.NeedsPerson() {
		t.Errorf("an unchanged night: %+v", s)
	}
	if sent := objectstoretest.Sent(f.Requests()); len(sent) > 0 {
		t.Errorf("an unchanged night sent %v", sent)
	}

	refuse(f)
	id, _ := userAt(t, c, 3)
	write(t, s, c, http.MethodPost, "user/"+url.PathEscape(id), `{"additional_context":["new"]}`)
	c.Models = config.ModelsAll
	third := night(t, c)
	if third.Status != Certified || !third.Published || currentVersion(t, c).Run != third.RunID {
		t.Errorf("a night without the bucket: %+v", third)
	}
	if left := Outstanding(third.Copies); len(left) != 1 || !third.NeedsPerson() || !strings.Contains(left[0], "s3://warehouse/users: ") || !strings.Contains(left[0], "AccessDenied") {
		t.Errorf("what is outstanding: %q", left)
	}
	raw, err := os.ReadFile(publish.Open(c.Warehouse).RunRecord(third.RunID))
	if err != nil || !strings.Contains(string(raw), "AccessDenied") {
		t.Errorf("the run's record does not say so: %v", err)
	}
	f.Intercept(nil)
	c.Models = config.ModelsAuto
	if s := night(t, c); s.Status != Unchanged || s.NeedsPerson() || s.Copies[0].Sent == 0 {
		t.Errorf("the night after: %+v", s)
	}
	proveCopied(t, c, f)
}

func TestRollbackReachesObjectStorage(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 12, Limits: "none"})
	f := copied(t, c)
	first := night(t, c)
	id, _ := userAt(t, c, 3)
	write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
	if second := night(t, c); !second.Published {
		t.Fatalf("second night: %+v", second)
	}
	wh := publish.Open(c.Warehouse)
	refuse(f)
	if err := wh.SetCurrent(first.RunID); err != nil {
		t.Fatal(err)
	}
	copies, err := PublishCopies(t.Context(), c, wh, zerolog.Nop(), time.Now())
	if err != nil || len(Outstanding(copies)) != 1 {
		t.Errorf("without the bucket: %v, %v", copies, err)
	}
	f.Intercept(nil)
	copies, err = PublishCopies(t.Context(), c, wh, zerolog.Nop(), time.Now())
	if err != nil || len(copies) != 1 || copies[0].Sent != 0 || *copies[0].Version != first.RunID {
		t.Errorf("%+v, %v", copies, err)
	}
	proveCopied(t, c, f)
}

// TestForgetReachesObjectStorage: no byte is left in the bucket, though the warehouse has pruned versions that it has, nor in a place of before.
func TestForgetReachesObjectStorage(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 25, Limits: "none"})
	c.Models, c.KeepVersions, c.KeepFor = config.ModelsAll, 1, 0
	former := copied(t, c)
	night(t, c)
	f := copied(t, c)
	c.KeepFor = time.Hour
	night(t, c)
	id, email := userAt(t, c, 13)
	write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
	night(t, c)
	needles := []string{id, email}
	for name, bucket := range map[string]*objectstoretest.Fake{"the place of before": former, "the bucket": f} {
		dir, _ := download(t, bucket, "users")
		if n := len(places(t, dir, needles...)); n < 5 {
			t.Fatalf("%s has the user in %d places only", name, n)
		}
	}
	done := forget(t, c, ForgetOptions{Users: needles[:1]})
	if left := done.Erasures[0].Outstanding; len(left) > 0 {
		t.Errorf("outstanding: %q", left)
	}
	for name, bucket := range map[string]*objectstoretest.Fake{"the place of before": former, "the bucket": f} {
		dir, _ := download(t, bucket, "users")
		if left := places(t, dir, needles...); len(left) > 0 {
			t.Errorf("%s has the user still: %v", name, left)
		}
	}
	proveCopied(t, c, f)
	if after := night(t, c); after.NeedsPerson() {
		t.Errorf("the night after: %+v", after)
	}
	proveCopied(t, c, f)
}

func TestAnErasureThatDidNotReachObjectStorageIsOutstanding(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 25, Limits: "none"})
	f := copied(t, c)
	night(t, c)
	id, email := userAt(t, c, 13)
	write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
	night(t, c)
	refuse(f)
	done := forget(t, c, ForgetOptions{Users: []string{id}})
	left := done.Erasures[0].Outstanding
	if len(left) != 1 || !strings.HasPrefix(left[0], "s3://warehouse/users: what was erased here on ") {
		t.Fatalf("outstanding: %q", left)
	}
	if found := places(t, c.Warehouse, id, email); len(found) > 0 {
		t.Errorf("the warehouse has the user still: %v", found)
	}
	if s := night(t, c); !s.NeedsPerson() {
		t.Errorf("a night without the bucket: %+v", s.Copies)
	}
	f.Intercept(nil)
	if s := night(t, c); s.NeedsPerson() {
		t.Errorf("the night after: %+v", s.Copies)
	}
	dir, _ := download(t, f, "users")
	if found := places(t, dir, id, email); len(found) > 0 {
		t.Errorf("the bucket has the user still: %v", found)
	}
	proveCopied(t, c, f)
	erasures := os.DirFS(filepath.Join(c.Warehouse, "erasures"))
	records, err := fs.Glob(erasures, "*.json")
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	raw, err := fs.ReadFile(erasures, records[0])
	if err != nil || strings.Contains(string(raw), "s3://") {
		t.Errorf("the erasure's record still lists the bucket: %s, %v", raw, err)
	}
}

func TestRedactReachesObjectStorage(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 15, Limits: "none"})
	f := copied(t, c)
	night(t, c)
	_, email := userAt(t, c, 5)
	personal(c)
	if _, err := Redact(t.Context(), c, zerolog.Nop(), time.Now(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := PublishCopies(t.Context(), c, publish.Open(c.Warehouse), zerolog.Nop(), time.Now()); err != nil {
		t.Fatal(err)
	}
	dir, _ := download(t, f, "users")
	if found := places(t, dir, email); len(found) > 0 {
		t.Errorf("the bucket has what was redacted: %v", found)
	}
	proveCopied(t, c, f)
}

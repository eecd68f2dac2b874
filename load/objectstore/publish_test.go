package objectstore

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/load/objectstore/objectstoretest"
	"github.com/rollcall-data/rollcall/load/publish"
)

func TestPublish(t *testing.T) {
	f := objectstoretest.StartFake(t)
	s, v := store(t, f.URL), version(t, run1, 5000, 0)
	r, err := s.Publish(t.Context(), v, terms())
	if err != nil || r.Sent != 5 || r.Reused != 0 || r.Bytes < 5000 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := readable(t, f.Object, v); got != run1 {
		t.Fatalf("current.json names %q", got)
	}
	p, err := s.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := "s3://warehouse/data/users/versions/" + run1
	want := &Pointer{
		Format: 1, Run: run1, Path: "versions/" + run1, URL: at, CreatedAt: "2026-01-01T04:00:00Z", PublishedAt: "2026-03-01T04:00:00Z",
		Database: at + "/users.duckdb", Manifest: at + "/manifest.json", ManifestSHA256: v.Manifest.SHA256, Superseded: []Superseded{},
		Outcome: Outcome{Status: "certified", Source: "amigo", Orgs: []string{"acme"}, Users: 2, Certificate: Certificate{Certified: true, Proof: "count", Reasons: []string{}, UsersSHA256: "abc"}},
		Tables: map[string]Table{
			"roles": {1, []string{at + "/parquet/roles/part-00000.parquet"}},
			"users": {2, []string{at + "/parquet/users/part-00000.parquet", at + "/parquet/users/part-00001.parquet"}},
		},
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
	if raw, _ := f.Object("data/users/current.json"); strings.Contains(string(raw), "somebody") {
		t.Error("current.json says who asked")
	}

	f.Requests()
	r, err = s.Publish(t.Context(), v, terms())
	if sent := objectstoretest.Sent(f.Requests()); err != nil || len(sent) != 0 || r.Sent != 0 {
		t.Errorf("once more: sent %v, %+v, %v", sent, r, err)
	}
}

func TestNothingThereYet(t *testing.T) {
	f := objectstoretest.StartFake(t)
	if _, err := store(t, f.URL).Current(t.Context()); !errors.Is(err, ErrNoVersion) {
		t.Errorf("%v", err)
	}
	if _, err := store(t, f.URL).Erase(t.Context(), nil); !errors.Is(err, ErrNoVersion) {
		t.Errorf("erase: %v", err)
	}
}

// TestFaults: what passes is repeated, what does not is an error, and current.json is whole all the while.
func TestFaults(t *testing.T) {
	isPointer := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/current.json") }
	var n atomic.Int64
	for _, tt := range []struct {
		name   string
		do     func(next http.Handler, w http.ResponseWriter, r *http.Request)
		want   string // in the error; empty: there is none
		change bool   // a file is not what the manifest says
	}{
		{name: "every other request is a 500", do: func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%2 == 1 {
				objectstoretest.Refuse(w, http.StatusInternalServerError, "InternalError")
				return
			}
			next.ServeHTTP(w, r)
		}},
		{name: "every other connection is cut", do: func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%2 == 1 {
				objectstoretest.Cut()
			}
			next.ServeHTTP(w, r)
		}},
		{name: "the answer about current.json is lost", do: func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if isPointer(r) && r.Method == http.MethodPut && n.Add(1) == 1 {
				objectstoretest.Lose(next, r)
			}
			next.ServeHTTP(w, r)
		}},
		{name: "the server is down", do: func(http.Handler, http.ResponseWriter, *http.Request) { objectstoretest.Cut() }, want: "read s3://warehouse/data/users/current.json: EOF"},
		{name: "throttled for ever", do: func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
			objectstoretest.Refuse(w, http.StatusServiceUnavailable, "SlowDown")
		}, want: "made up by the test (SlowDown)"},
		{name: "refused", do: func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
			objectstoretest.Refuse(w, http.StatusForbidden, "AccessDenied")
		}, want: "made up by the test (AccessDenied)"},
		{name: "no conditional writes", do: func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Match") != "" {
				objectstoretest.Refuse(w, http.StatusNotImplemented, "NotImplemented")
				return
			}
			next.ServeHTTP(w, r)
		}, want: "knows no conditional writes"},
		{name: "a file was changed", change: true, want: "(BadDigest)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n.Store(0)
			f := objectstoretest.StartFake(t)
			s, v, next := store(t, f.URL), version(t, run1, 5000, 0), version(t, run2, 5000, 0)
			if _, err := s.Publish(t.Context(), v, terms()); err != nil {
				t.Fatal(err)
			}
			if tt.change {
				write(t, next.Dir+"/parquet/users/part-00000.parquet", make([]byte, next.Manifest.Files[2].Size))
			}
			f.Intercept(tt.do)
			_, err := s.Publish(t.Context(), next, terms())
			f.Intercept(nil)
			want := run2
			if tt.want != "" {
				want = run1
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v", err)
				}
			} else if err != nil {
				t.Errorf("error %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), objectstoretest.SecretKey) || strings.Contains(err.Error(), objectstoretest.AccessKey)) {
				t.Errorf("the error names credentials: %v", err)
			}
			if got := readable(t, f.Object, v, next); got != want {
				t.Errorf("current.json names %s, want %s", got, want)
			}
			if tt.change {
				return
			}
			if _, err := s.Publish(t.Context(), next, terms()); err != nil || readable(t, f.Object, next) != run2 {
				t.Errorf("the next run: %v", err)
			}
		})
	}
}

func TestNoBucket(t *testing.T) {
	f := objectstoretest.StartFake(t)
	s, err := open(t.Context(), Options{URL: "s3://another", Endpoint: f.URL, PathStyle: true}, hasty)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Publish(t.Context(), version(t, run1, 100, 0), terms()); !errors.Is(err, ErrNoBucket) {
		t.Errorf("%v", err)
	}
}

func TestNoCredentials(t *testing.T) {
	f := objectstoretest.StartFake(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err := store(t, f.URL).Publish(t.Context(), version(t, run1, 100, 0), terms())
	var hinted interface{ Hints() []string }
	if err == nil || !strings.HasSuffix(err.Error(), "neither the environment nor the AWS configuration has credentials that work") || !errors.As(err, &hinted) || len(hinted.Hints()) == 0 {
		t.Errorf("%v", err)
	}
}

func TestTheNewerRunWins(t *testing.T) {
	f := objectstoretest.StartFake(t)
	s, other := store(t, f.URL), store(t, f.URL)
	old, mine, theirs := version(t, run1, 100, 0), version(t, run2, 100, 0), version(t, run3, 100, 0)
	if _, err := s.Publish(t.Context(), old, terms()); err != nil {
		t.Fatal(err)
	}
	// between reads what the other publishes comes first, each time
	race := func(t *testing.T, mine, theirs publish.Version) error {
		var once atomic.Bool
		f.Intercept(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/current.json") && once.CompareAndSwap(false, true) {
				if _, err := other.Publish(t.Context(), theirs, terms()); err != nil {
					t.Error(err)
				}
			}
			next.ServeHTTP(w, r)
		})
		defer f.Intercept(nil)
		_, err := s.Publish(t.Context(), mine, terms())
		return err
	}
	var newer *NewerError
	if err := race(t, mine, theirs); !errors.As(err, &newer) || newer.Run != run3 {
		t.Errorf("the older run: %v", err)
	}
	if got := readable(t, f.Object, theirs); got != run3 {
		t.Errorf("current.json names %s", got)
	}
	if _, err := s.Publish(t.Context(), mine, terms()); !errors.As(err, &newer) {
		t.Errorf("the older run, later: %v", err)
	}
	newest, between := version(t, "20260105-040000-000000", 100, 0), version(t, "20260104-040000-000000", 100, 0)
	if err := race(t, newest, between); err != nil {
		t.Errorf("the newer run: %v", err)
	}
	if got := readable(t, f.Object, newest); got != newest.Run {
		t.Errorf("current.json names %s", got)
	}
	p, err := s.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var before []string
	for _, v := range p.Superseded {
		before = append(before, v.Run)
	}
	if d := cmp.Diff([]string{run1, run3, between.Run}, before); d != "" {
		t.Errorf("superseded: %s", d)
	}
}

func TestAWarehouseGoesBackBehindItself(t *testing.T) {
	f := objectstoretest.StartFake(t)
	s, first, second := store(t, f.URL), version(t, run1, 100, 0), version(t, run2, 100, 0)
	rollback := terms()
	rollback.Ours = func(run string) bool { return run == run1 || run == run2 }
	for _, v := range []publish.Version{first, second, first} {
		if _, err := s.Publish(t.Context(), v, rollback); err != nil {
			t.Fatal(err)
		}
		if got := readable(t, f.Object, first, second); got != v.Run {
			t.Errorf("current.json names %s, want %s", got, v.Run)
		}
	}
	p, err := s.Current(t.Context())
	if err != nil || len(p.Superseded) != 1 || p.Superseded[0].Run != run2 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestRetention(t *testing.T) {
	f := objectstoretest.StartFake(t)
	s, first, second := store(t, f.URL), version(t, run1, 100, 0), version(t, run2, 100, 0)
	now := time.Now() // by which the fake dates objects
	f.Put("data/users/versions/interrupted/users.duckdb", []byte("x"), now.Add(-graceful-time.Minute))
	f.Put("data/users/versions/on-its-way/users.duckdb", []byte("x"), now.Add(-graceful+62*time.Minute))
	f.Put("data/users/of-somebody-else", []byte("x"), now.Add(-9999*time.Hour))
	f.Put("data/other/versions/x/users.duckdb", []byte("x"), now.Add(-9999*time.Hour))
	publish := func(v publish.Version, after time.Duration) Report {
		t.Helper()
		r, err := s.Publish(t.Context(), v, Terms{KeepFor: time.Hour, Now: now.Add(after), Ours: func(string) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(r.Removed)
		return r
	}
	onItsWay := Kept{"versions/on-its-way", "nothing names it, and it may be on its way"}
	if d := cmp.Diff(Report{Sent: 5, Bytes: publish(first, 0).Bytes, Kept: []Kept{onItsWay}}, publish(first, 0), cmp.FilterPath(func(p cmp.Path) bool {
		return p.String() == "Sent" || p.String() == "Bytes"
	}, cmp.Ignore())); d != "" {
		t.Error(d)
	}
	if _, there := f.Object("data/users/versions/interrupted/users.duckdb"); there {
		t.Error("what an interrupted upload left is still there")
	}
	superseded := Kept{"versions/" + run1, "superseded less than 1h0m0s ago"}
	if r := publish(second, time.Minute); !slices.Contains(r.Kept, superseded) || len(r.Removed) > 0 {
		t.Errorf("at once: %+v", r)
	}
	if r := publish(second, time.Hour); !slices.Contains(r.Kept, superseded) {
		t.Errorf("a minute before keep_for is over: %+v", r)
	}
	if r := publish(second, time.Hour+2*time.Minute); !slices.Equal(r.Removed, []string{"versions/" + run1, "versions/on-its-way"}) {
		t.Errorf("when keep_for is over: %+v", r)
	}
	if got := readable(t, f.Object, second); got != run2 {
		t.Errorf("current.json names %s", got)
	}
	for _, key := range []string{"data/users/of-somebody-else", "data/other/versions/x/users.duckdb"} {
		if _, there := f.Object(key); !there {
			t.Errorf("%s, which is none of ours, is gone", key)
		}
	}
}

func TestErase(t *testing.T) {
	f := objectstoretest.StartFake(t)
	s, first, second := store(t, f.URL), version(t, run1, 100, 0), version(t, run2, 100, 0)
	untouched := version(t, "20251231-040000-000000", 100, 0)
	for _, v := range []publish.Version{untouched, first, second} {
		if _, err := s.Publish(t.Context(), v, terms()); err != nil {
			t.Fatal(err)
		}
	}
	f.Put("data/users/versions/pruned-long-ago/users.duckdb", []byte("x"), time.Now())
	rewritten := []publish.Version{untouched, version(t, run1, 90, 1), version(t, run2, 90, 1)}
	if _, err := s.Erase(t.Context(), rewritten); err == nil || readable(t, f.Object, second) != run2 {
		t.Fatalf("before the rewritten version is published: %v", err)
	}
	if _, err := s.Publish(t.Context(), rewritten[2], terms()); err != nil {
		t.Fatal(err)
	}
	gone, err := s.Erase(t.Context(), rewritten)
	if d := cmp.Diff([]string{"versions/" + run1, "versions/" + run2, "versions/pruned-long-ago"}, gone); err != nil || d != "" {
		t.Errorf("%v, %s", err, d)
	}
	for _, v := range rewritten {
		if v.Run == run2 && readable(t, f.Object, v) != run2 {
			t.Error("current.json does not name the rewritten version")
		}
	}
	for _, key := range f.Keys() {
		if strings.Contains(key, "/versions/"+run1+"/") || strings.Contains(key, "/versions/"+run2+"/") || strings.Contains(key, "pruned") {
			t.Errorf("%s is still there", key)
		}
	}
	if _, there := f.Object("data/users/versions/" + untouched.Run + "/users.duckdb"); !there {
		t.Error("a version that had nobody to forget is gone")
	}
}

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ url, bucket, prefix string }{
		{"s3://warehouse", "warehouse", ""}, {"s3://warehouse/", "warehouse", ""}, {"s3://ware.house-1/a/b_c/", "ware.house-1", "a/b_c"},
		{"warehouse", "", ""}, {"https://warehouse/x", "", ""}, {"s3://", "", ""}, {"s3://Warehouse/x", "", ""}, {"s3://ab/x", "", ""}, {"s3://key:secret@bucket/x", "", ""},
		{"s3://warehouse/a//b", "", ""}, {"s3://warehouse/../b", "", ""}, {"s3://warehouse/a b", "", ""}, {"s3://warehouse/a?b", "", ""}, {"s3://warehouse/a%2Fb", "", ""}, {"s3://warehouse//a", "", ""},
	} {
		bucket, prefix, err := ParseURL(tt.url)
		if bucket != tt.bucket || prefix != tt.prefix || (err == nil) != (tt.bucket != "") {
			t.Errorf("%s: %q, %q, %v", tt.url, bucket, prefix, err)
		}
	}
}

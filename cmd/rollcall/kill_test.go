package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/load/publish/faulttest"
)

// site is a sandbox of 60 users with what a process needs to sync from it. Their list takes 6 pages.
type site struct {
	api *sandbox.Sandbox
	url string
	env []string
	dir string // of the warehouse
}

func newSite(t *testing.T) *site {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{Users: 60, Org: "acme", Limits: sandbox.LimitsNone})
	if err != nil {
		t.Fatal(err)
	}
	address, err := s.Start(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	out := &site{api: s, url: address, dir: filepath.Join(top, "warehouse"), env: append(os.Environ(), "ROLLCALL_RPM=none", "ROLLCALL_PAGE_SIZE=10", "ROLLCALL_KEEP_FOR=0s", "ROLLCALL_KEEP_VERSIONS=2")}
	for _, line := range s.Exports(address) {
		out.env = append(out.env, strings.TrimPrefix(line, "export "))
	}
	return out
}

// sync is a sync that was not started yet.
func (s *site) sync() *exec.Cmd {
	cmd := exec.Command("rollcall", "sync", "--json", "--warehouse", s.dir)
	cmd.Env, cmd.Dir = s.env, filepath.Dir(s.dir)
	return cmd
}

// requests are the list requests and those for models so far.
func (s *site) requests() [2]int {
	return [2]int{s.api.Requests(sandbox.KindList), s.api.Requests(sandbox.KindModel)}
}

// meddle runs a sync that meets what a test has for it.
func (s *site) meddle(t *testing.T, with func(faulttest.Operation) faulttest.Verdict) faulttest.Result {
	t.Helper()
	r, err := faulttest.Run(s.sync(), s.dir, with)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("the kills at random are left to load/publish: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kill runs a sync that is killed at its operation of that number, and returns the operation that it was killed before.
func (s *site) kill(t *testing.T, at int) (before faulttest.Operation) {
	t.Helper()
	got := s.meddle(t, func(o faulttest.Operation) faulttest.Verdict {
		if before = o; o.Number < at {
			return faulttest.Verdict{}
		}
		return faulttest.Kill
	})
	if !got.Killed() && got.Status != 0 {
		t.Fatalf("%v: %s", got.Status, got.Output)
	}
	return before
}

// current is the current version's run, which must be whole; empty where there is none.
func (s *site) current(t *testing.T, after any) string {
	t.Helper()
	v, err := publish.Open(s.dir).Current()
	if errors.Is(err, publish.ErrNoVersion) {
		return ""
	}
	if err == nil {
		err = v.Verify(t.Context())
	}
	if err != nil {
		t.Fatalf("after %v: %v", after, err)
	}
	return v.Run
}

// ask is one value of the current version.
func (s *site) ask(t *testing.T, query string) string {
	t.Helper()
	v, err := publish.Open(s.dir).Current()
	if err != nil {
		t.Fatal(err)
	}
	r, err := duckdb.OpenReader(t.Context(), v.Database(), duckdb.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	rows, err := r.Query(t.Context(), query)
	if err != nil || !rows.Next() {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	return rows.Row()[0].Text
}

// rename gives a user another first name at the API.
func (s *site) rename(t *testing.T, user, name string) {
	t.Helper()
	do := func(path, body string, header http.Header) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/acme/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		a, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = a.Body.Close() }()
		raw, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode >= 300 {
			t.Fatalf("%s: %d, %v", path, a.StatusCode, err)
		}
		return string(raw)
	}
	token := do("user/signin_with_api_key", "", http.Header{"X-Api-Key": {s.api.APIKey()}, "X-Api-Key-Id": {s.api.APIKeyID()}, "X-User-Id": {s.api.UserID()}})
	_, token, _ = strings.Cut(token, `"id_token":"`)
	token, _, _ = strings.Cut(token, `"`)
	do("user/"+url.PathEscape(user), fmt.Sprintf(`{"first_name":%q}`, name), http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}})
}

// inFlight is what a run that is killed may have been answered, and not have journalled: requests for models, of which so many are under way at
// once, and one page.
const inFlight = 16

// finish runs a sync to its end after one that was stopped, and holds what the two asked for against what one takes that is not stopped.
func (s *site) finish(t *testing.T, after any, asked, clean [2]int, published bool) {
	t.Helper()
	if out, err := s.sync().CombinedOutput(); err != nil {
		t.Fatalf("after %v: the next run: %v\n%s", after, err, out)
	}
	s.current(t, after)
	now := s.requests()
	allowed := [2]int{clean[0] + 1, clean[1] + inFlight}
	if published { // the run had done its work: the next one is another, and finds nothing new
		allowed[0] += clean[0]
	}
	if now[0]-asked[0] > allowed[0] || now[1]-asked[1] > allowed[1] {
		t.Errorf("after %v: %d list requests and %d for models; without it %d and %d", after, now[0]-asked[0], now[1]-asked[1], clean[0], clean[1])
	}
}

// A first sync that is killed before any operation on a file goes on when it is run again, and asks for nothing twice that was journalled.
func TestFirstSyncsKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	whole := s.meddle(t, func(faulttest.Operation) faulttest.Verdict { return faulttest.Verdict{} })
	if whole.Status != 0 {
		t.Fatalf("%v: %s", whole.Status, whole.Output)
	}
	clean := s.requests()
	users := s.ask(t, "SELECT count(*) FROM users_flat WHERE _models_state = 'fetched'")
	r, kills := rand.New(rand.NewPCG(1, 1)), 8
	if testing.Short() {
		kills = 2
	}
	for i := range kills {
		if err := os.RemoveAll(s.dir); err != nil {
			t.Fatal(err)
		}
		at := 1 + (i*len(whole.Operations)+r.IntN(len(whole.Operations)))/kills // spread, and in no step
		asked := s.requests()
		before := s.kill(t, at)
		s.finish(t, before, asked, clean, s.current(t, before) != "")
		if got := s.ask(t, "SELECT count(*) FROM users_flat WHERE _models_state = 'fetched'"); got != users {
			t.Errorf("after %v: %s users have models, not %s", before, got, users)
		}
	}
}

// The syncs after it likewise: readers have the version before or the one that was being made, whole, at every instant.
func TestLaterSyncsKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if out, err := s.sync().CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	user := s.ask(t, "SELECT user_id FROM users ORDER BY 1 LIMIT 1")
	name := func() string { return s.ask(t, "SELECT first_name FROM users ORDER BY user_id LIMIT 1") }
	asked := s.requests()
	s.rename(t, user, "Clean")
	whole := s.meddle(t, func(faulttest.Operation) faulttest.Verdict { return faulttest.Verdict{} })
	if whole.Status != 0 || name() != "Clean" {
		t.Fatalf("%v, the user is %s: %s", whole.Status, name(), whole.Output)
	}
	now := s.requests()
	clean := [2]int{now[0] - asked[0], now[1] - asked[1]}
	r, kills := rand.New(rand.NewPCG(2, 2)), 20
	if testing.Short() {
		kills = 2
	}
	for i := range kills {
		was, is := name(), fmt.Sprintf("Kill %d", i)
		s.rename(t, user, is)
		old := s.current(t, "the run before")
		at := 1 + (i*len(whole.Operations)+r.IntN(len(whole.Operations)))/kills
		asked := s.requests()
		before := s.kill(t, at)
		published := s.current(t, before) != old
		if got := name(); published && got != is || !published && got != was {
			t.Errorf("after %v: the user is %s; new version: %v", before, got, published)
		}
		s.finish(t, before, asked, clean, published)
		if got := name(); got != is {
			t.Errorf("after %v and the next run the user is %s, not %s", before, got, is)
		}
	}
}

// A disk that refuses is one error with what to do about it, and the run goes on from there when it is mended.
func TestSyncsOnADiskThatRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	whole := s.meddle(t, func(faulttest.Operation) faulttest.Verdict { return faulttest.Verdict{} })
	if whole.Status != 0 {
		t.Fatalf("%v: %s", whole.Status, whole.Output)
	}
	clean := s.requests()
	r := rand.New(rand.NewPCG(3, 3))
	for name, tt := range map[string]struct {
		with  syscall.Errno
		calls []string
	}{
		"full":                  {syscall.ENOSPC, []string{"write", "open", "mkdir", "link"}},
		"permission taken away": {syscall.EACCES, []string{"open", "mkdir", "rename", "link", "remove"}},
		"a sync that fails":     {syscall.EIO, []string{"sync"}},
	} {
		for i := range 2 {
			if testing.Short() && i > 0 {
				break
			}
			if err := os.RemoveAll(s.dir); err != nil {
				t.Fatal(err)
			}
			at := 1 + (i*len(whole.Operations)+r.IntN(len(whole.Operations)))/2
			asked := s.requests()
			refused := false
			got := s.meddle(t, func(o faulttest.Operation) faulttest.Verdict {
				if refused = refused || o.Number >= at && slices.Contains(tt.calls, o.Call); refused && slices.Contains(tt.calls, o.Call) {
					return faulttest.Fail(tt.with)
				}
				return faulttest.Verdict{}
			})
			after := fmt.Sprintf("%s, from operation %d on", name, at)
			if refused && (!got.Status.Exited() || got.Status.ExitStatus() != 1 || strings.Count(got.Output, "\nerror: ")+strings.Count(got.Output[:min(7, len(got.Output))], "error: ") != 1) {
				t.Errorf("%s: %v:\n%s", after, got.Status, got.Output)
			}
			s.finish(t, after, asked, clean, s.current(t, after) != "")
		}
	}
}

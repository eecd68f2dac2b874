package pipeline

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
)

// fakeLake stands for rollcall-lake: it notes how it is called, and shows what it was told to, if it is not in trouble.
type fakeLake struct {
	t   *testing.T
	dir string
}

// withLake makes a configuration publish to a fake lake.
func withLake(t *testing.T, c *config.Config) *fakeLake {
	t.Helper()
	f := &fakeLake{t, t.TempDir()}
	script := `#!/bin/sh
cd '` + f.dir + `' || exit 1
version=$(readlink "$3/current"); version=${version#versions/}
echo "$1 ${4-$version}" >> calls
env > environment
echo '{"level":"info","message":"begun","uri":"'"$ROLLCALL_LAKE_URI"'"}' >&2
if [ -e trouble ]; then . ./trouble; fi
echo "${4-$version}" > shows
`
	c.Lake = config.Default().Lake
	c.Lake.Catalog, c.Lake.Location, c.Lake.Command = "rest", "s3://acme-lake/users", filepath.Join(f.dir, "rollcall-lake")
	c.Lake.URI, c.Lake.Token = config.Given("https://catalog.example.com"), config.Given("CANARY-token")
	if err := os.WriteFile(c.Lake.Command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return f
}

// trouble is what it does instead; empty: nothing.
func (f *fakeLake) trouble(script string) {
	f.t.Helper()
	path := filepath.Join(f.dir, "trouble")
	err := os.WriteFile(path, []byte(script+"\n"), 0o600)
	if script == "" {
		err = os.Remove(path)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeLake) read(name string) string {
	f.t.Helper()
	raw, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.t.Fatal(err)
	}
	return string(raw)
}

// called checks what it was called for since it was last asked, and what it shows.
func (f *fakeLake) called(want, shows string) {
	f.t.Helper()
	if d := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(f.read("calls"))); d != "" {
		f.t.Errorf("called: %s", d)
	}
	if got := strings.TrimSpace(f.read("shows")); got != shows {
		f.t.Errorf("it shows %q, want %q", got, shows)
	}
	if err := os.Remove(filepath.Join(f.dir, "calls")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.t.Fatal(err)
	}
}

// change has the next night find a user changed.
func change(t *testing.T, s *sandbox.Sandbox, c *config.Config, to string) {
	t.Helper()
	id, _ := userAt(t, c, 3)
	write(t, s, c, http.MethodPost, "user/"+url.PathEscape(id), `{"additional_context":["`+to+`"]}`)
	c.Models = config.ModelsAll
}

func inLake(t *testing.T, s *Summary, did, outstanding string) {
	t.Helper()
	if len(s.Lake) != 1 || s.Lake[0].Did != did || !strings.Contains(s.Lake[0].Outstanding, outstanding) || (s.Lake[0].Outstanding != "") != (outstanding != "") {
		t.Errorf("in the lake: %+v, want %q and %q", s.Lake, did, outstanding)
		return
	}
	if known := s.Lake[0].Version != nil && *s.Lake[0].Version == *s.Version; known != (outstanding == "") {
		t.Errorf("its version: %v", s.Lake[0].Version)
	}
	if s.NeedsPerson() != (outstanding != "" && did == "erase") {
		t.Errorf("needs a person: %v", s.NeedsPerson())
	}
}

func TestRunsPublishToTheLake(t *testing.T) {
	t.Setenv("AMIGO_API_KEY", "CANARY-of-the-source")
	t.Setenv("AWS_PROFILE", "lake")
	s, c := nights(t, sandbox.Options{Users: 20, Limits: "none"})
	f := withLake(t, c)
	first := night(t, c)
	inLake(t, first, "publish", "")
	f.called("publish "+first.RunID, first.RunID)
	if env := f.read("environment"); strings.Contains(env, "CANARY-of-the-source") || !strings.Contains(env, "ROLLCALL_LAKE_TOKEN=CANARY-token\n") || !strings.Contains(env, "AWS_PROFILE=lake\n") {
		t.Errorf("its environment is\n%s", env)
	}
	raw, err := os.ReadFile(publish.Open(c.Warehouse).RunRecord(first.RunID))
	if err != nil || !strings.Contains(string(raw), `"lake": [`) {
		t.Errorf("the run's record does not say so: %v", err)
	}

	same := night(t, c)
	inLake(t, same, "", "")
	f.called("", first.RunID)

	change(t, s, c, "new")
	second := night(t, c)
	inLake(t, second, "publish", "")
	f.called("publish "+second.RunID, second.RunID)
	if raw, err := os.ReadFile(filepath.Join(c.Warehouse, "lake.json")); err != nil || strings.Contains(string(raw), "CANARY") {
		t.Errorf("the record: %s, %v", raw, err)
	}
}

// A lake in whatever trouble is a warning; the version is published, and the next run catches up, also one that finds nothing changed.
func TestALakeInTroubleFailsNoRun(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 12, Limits: "none"})
	f := withLake(t, c)
	night(t, c)
	for name, tt := range map[string]struct {
		trouble func(*testing.T, *config.Config, *fakeLake)
		mend    func(*config.Config, *fakeLake)
		did     string
		says    string
	}{
		"down": {
			trouble: func(_ *testing.T, _ *config.Config, f *fakeLake) {
				f.trouble("echo error: the catalog does not answer: $ROLLCALL_LAKE_TOKEN >&2; echo hint: start it >&2; exit 1")
			},
			mend: func(_ *config.Config, f *fakeLake) { f.trouble("") },
			did:  "publish", says: "the catalog does not answer: **redacted**; start it",
		},
		"hangs": {
			trouble: func(_ *testing.T, c *config.Config, f *fakeLake) {
				c.Lake.Deadline = 200 * time.Millisecond
				f.trouble("exec sleep 600")
			},
			mend: func(c *config.Config, f *fakeLake) {
				c.Lake.Deadline = time.Hour
				f.trouble("")
			},
			did: "publish", says: "it had not ended after 200ms (lake.deadline)",
		},
		"missing": {
			trouble: func(_ *testing.T, c *config.Config, _ *fakeLake) { c.Lake.Command += "-gone" },
			mend:    func(c *config.Config, _ *fakeLake) { c.Lake.Command = strings.TrimSuffix(c.Lake.Command, "-gone") },
			did:     "publish", says: "rollcall-lake-gone cannot be run: no such file or directory; install it beside rollcall",
		},
		"no secret": {
			trouble: func(_ *testing.T, c *config.Config, _ *fakeLake) { c.Lake.Token = config.Given("a\nb") },
			mend:    func(c *config.Config, _ *fakeLake) { c.Lake.Token = config.Given("CANARY-token") },
			says:    "lake.token",
		},
		"killed": {
			trouble: func(_ *testing.T, _ *config.Config, f *fakeLake) { f.trouble("kill -KILL $$") },
			mend:    func(_ *config.Config, f *fakeLake) { f.trouble("") },
			did:     "publish", says: "rollcall-lake was ended by a signal: killed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			change(t, s, c, name)
			tt.trouble(t, c, f)
			second := night(t, c)
			if second.Status != Certified || !second.Published || second.Error != "" || currentVersion(t, c).Run != second.RunID {
				t.Errorf("the night: %+v", second)
			}
			inLake(t, second, tt.did, tt.says)
			if left := second.Outstanding(); len(left) != 1 || !strings.HasPrefix(left[0], "lake rollcall at s3://acme-lake/users: ") || strings.Contains(left[0], "CANARY") {
				t.Errorf("outstanding: %q", left)
			}
			tt.mend(c, f)
			if err := os.RemoveAll(filepath.Join(f.dir, "calls")); err != nil {
				t.Fatal(err)
			}
			c.Models = config.ModelsAuto
			after := night(t, c)
			if after.Published {
				t.Errorf("the night after: %+v", after)
			}
			inLake(t, after, "publish", "")
			f.called("publish "+second.RunID, second.RunID)
		})
	}
}

// begun calls a function when the lake says that it has begun.
type begun func()

func (b begun) Write(p []byte) (int, error) {
	if strings.Contains(string(p), `"begun"`) {
		b()
	}
	return len(p), nil
}

func TestAnInterruptReachesTheLake(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 12, Limits: "none"})
	f := withLake(t, c)
	f.trouble(`trap 'kill $!; echo stopped >> calls; exit 130' TERM; sleep 600 >/dev/null 2>&1 & echo '{"message":"begun"}' >&2; wait`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	s, err := Run(ctx, Options{Config: c, Command: Sync, Log: zerolog.New(begun(func() {
		if n++; n == 2 {
			cancel()
		}
	}))})
	if !errors.Is(err, context.Canceled) || !s.Published || len(s.Lake) != 1 || s.Lake[0].Outstanding != "interrupted" {
		t.Errorf("%v, %+v", err, s)
	}
	f.called("publish "+s.RunID+"\nstopped", "")
	f.trouble("")
	inLake(t, night(t, c), "publish", "") // so the lock is free
	f.called("publish "+s.RunID, s.RunID)
}

func TestRollbackReachesTheLake(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 12, Limits: "none"})
	f := withLake(t, c)
	first := night(t, c)
	change(t, s, c, "new")
	second := night(t, c)
	f.called("publish "+first.RunID+"\npublish "+second.RunID, second.RunID)
	wh := publish.Open(c.Warehouse)
	follow := func(run, did string) {
		t.Helper()
		if err := wh.SetCurrent(run); err != nil {
			t.Fatal(err)
		}
		copies, err := PublishLakes(t.Context(), c, wh, zerolog.Nop())
		if err != nil || len(copies) != 1 || copies[0].Did != did || copies[0].Outstanding != "" {
			t.Errorf("%+v, %v", copies, err)
		}
		f.called(did+" "+run, run)
	}
	follow(first.RunID, "rollback")
	follow(second.RunID, "rollback") // forward again, to what the lake has had
	follow(first.RunID, "rollback")
	third := night(t, c)
	if !third.Published {
		t.Fatalf("third night: %+v", third)
	}
	inLake(t, third, "publish", "")
	f.called("publish "+third.RunID, third.RunID)

	// A publish that may have got to some tables, then back to what all of them showed: that is not known to be there.
	f.trouble("exit 1")
	change(t, s, c, "newer")
	fourth := night(t, c)
	f.called("publish "+fourth.RunID, third.RunID)
	f.trouble("")
	follow(third.RunID, "rollback")
}

func TestForgetReachesTheLake(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 25, Limits: "none"})
	f := withLake(t, c)
	night(t, c)
	id, email := userAt(t, c, 13)
	write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
	second := night(t, c)
	f.trouble("echo error: the catalog is down >&2; exit 1")
	if err := os.Remove(filepath.Join(f.dir, "calls")); err != nil {
		t.Fatal(err)
	}
	done := forget(t, c, ForgetOptions{Users: []string{id}})
	left := done.Erasures[0].Outstanding
	if len(left) != 1 || !strings.HasPrefix(left[0], "lake rollcall at s3://acme-lake/users: what was erased here on ") || !strings.HasSuffix(left[0], " may still be there: the catalog is down") {
		t.Fatalf("outstanding: %q", left)
	}
	f.called("erase "+second.RunID, second.RunID)
	if found := places(t, c.Warehouse, id, email); len(found) > 0 {
		t.Errorf("the warehouse has the user still: %v", found)
	}
	if lakes, err := Lakes(c, publish.Open(c.Warehouse)); err != nil || len(lakes) != 1 || lakes[0].Erase == "" {
		t.Errorf("on record: %+v, %v", lakes, err)
	}
	inLake(t, night(t, c), "erase", "may still be there: the catalog is down")
	f.trouble("")
	after := night(t, c)
	if err := os.Remove(filepath.Join(f.dir, "calls")); err != nil {
		t.Fatal(err)
	}
	inLake(t, after, "erase", "")
	inLake(t, night(t, c), "", "")
	f.called("", *after.Version)
	noneOutstanding(t, c)
}

// noneOutstanding checks that the records of erasures list nothing any more.
func noneOutstanding(t *testing.T, c *config.Config) {
	t.Helper()
	erasures := os.DirFS(filepath.Join(c.Warehouse, "erasures"))
	records, err := fs.Glob(erasures, "*.json")
	if err != nil || len(records) == 0 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for _, name := range records {
		raw, err := fs.ReadFile(erasures, name)
		if err != nil {
			t.Fatal(err)
		}
		var e Erasure
		if err := json.Unmarshal(raw, &e); err != nil || len(e.Outstanding) > 0 {
			t.Errorf("%s lists %q, %v", name, e.Outstanding, err)
		}
	}
}

// A lake of before has the users too, wherever the configuration points now. It is reached without the secrets of the new one.
func TestForgetReachesLakesOfBefore(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 15, Limits: "none"})
	f := withLake(t, c)
	c.Lake.URI = config.Given(extract.Secret("https://me:CANARY-password@old.example.com"))
	night(t, c)
	c.Lake.Location, c.Lake.URI = "s3://new-lake", config.Given("https://new.example.com")
	night(t, c)
	id, _ := userAt(t, c, 7)
	write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
	night(t, c)
	f.trouble(`if [ "$ROLLCALL_LAKE_LOCATION" = s3://acme-lake/users ]; then env > former; echo error: away >&2; exit 1; fi`)
	done := forget(t, c, ForgetOptions{Users: []string{id}})
	if left := done.Erasures[0].Outstanding; len(left) != 1 || !strings.HasPrefix(left[0], "lake rollcall at s3://acme-lake/users: ") || !strings.Contains(left[0], "lake.json") {
		t.Fatalf("outstanding: %q", left)
	}
	if env := f.read("former"); strings.Contains(env, "CANARY") || !strings.Contains(env, "ROLLCALL_LAKE_URI=https://old.example.com\n") {
		t.Errorf("the lake of before is reached with\n%s", env)
	}
	c.Lake = config.Default().Lake // of none any more
	c.Lake.Command = filepath.Join(f.dir, "rollcall-lake")
	if s := night(t, c); !s.NeedsPerson() || len(s.Lake) != 1 {
		t.Errorf("the night: %+v", s.Lake)
	}
	f.trouble("")
	if s := night(t, c); s.NeedsPerson() || len(s.Lake) != 1 || s.Lake[0].Did != "erase" {
		t.Errorf("the night after: %+v", s.Lake)
	}
	noneOutstanding(t, c)
	if s := night(t, c); len(s.Lake) != 0 {
		t.Errorf("and then: %+v", s.Lake)
	}
}

func TestRedactReachesTheLake(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 15, Limits: "none"})
	f := withLake(t, c)
	first := night(t, c)
	personal(c)
	if _, err := Redact(t.Context(), c, zerolog.Nop(), time.Now(), false); err != nil {
		t.Fatal(err)
	}
	copies, err := PublishLakes(t.Context(), c, publish.Open(c.Warehouse), zerolog.Nop())
	if err != nil || len(OutstandingLakes(copies)) > 0 {
		t.Errorf("%+v, %v", copies, err)
	}
	f.called("publish "+first.RunID+"\nerase "+first.RunID, first.RunID)
}

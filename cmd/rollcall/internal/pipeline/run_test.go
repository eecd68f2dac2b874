package pipeline

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
)

// nights starts a sandbox and returns a configuration for it, with a warehouse below a folder whose name is hard on patterns and URLs.
func nights(t *testing.T, o sandbox.Options) (*sandbox.Sandbox, *config.Config) {
	t.Helper()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	url, err := s.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c := config.Default()
	c.Warehouse, c.BaseURL, c.Orgs, c.RPM = filepath.Join(t.TempDir(), "100% [of] #1 *", "warehouse"), url, []string{s.Org()}, extract.RPMNone
	c.AmigoAPIKey, c.AmigoAPIKeyID, c.AmigoUserID = config.Given(extract.Secret(s.APIKey())), config.Given(extract.Secret(s.APIKeyID())), config.Given(extract.Secret(s.UserID()))
	return s, c
}

func night(t *testing.T, c *config.Config) *Summary {
	t.Helper()
	s, err := Run(context.Background(), Options{Config: c, Command: Sync, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTwoNights(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 300, Limits: "none"})
	first := night(t, c)
	if first.Status != Certified || first.Users != 300 || first.Added != 300 {
		t.Fatalf("first night: %+v", first)
	}
	second := night(t, c)
	if second.Status != Unchanged || second.Certificate.UsersSHA256 != first.Certificate.UsersSHA256 {
		t.Fatalf("second night: %+v", second)
	}
}

// TestPagesThatAreTooLarge are asked for with fewer users, by a replay as by the run.
func TestPagesThatAreTooLarge(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 300, Limits: "none"})
	s, err := Run(t.Context(), Options{Config: c, Command: Sync, Log: zerolog.Nop(), maxBody: 80_000})
	if err != nil {
		t.Fatal(err)
	}
	if s.Status != Certified || s.Users != 300 || s.Requests.List < 12 { // 7 of 50 users in a pass at least, and two passes
		t.Fatalf("%s, %d users in %d requests", s.Status, s.Users, s.Requests.List)
	}
	again, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if again.Certificate.UsersSHA256 != s.Certificate.UsersSHA256 || again.Status != Certified {
		t.Errorf("replayed: %s, %d users", again.Status, again.Users)
	}
}

func TestReplayComesToTheSameUsers(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 120, Limits: "none"})
	first := night(t, c)
	again, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if again.Certificate.UsersSHA256 != first.Certificate.UsersSHA256 || again.Users != first.Users {
		t.Errorf("replayed %d users with %s, run %d users with %s", again.Users, again.Certificate.UsersSHA256, first.Users, first.Certificate.UsersSHA256)
	}
	if r := again.Requests; r.List+r.Model+r.Role+r.Lookup+r.SignIn != 0 {
		t.Errorf("requests of a replay: %+v", r)
	}
}

func TestVerifyPasses(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 60, Limits: "none"})
	night(t, c)
	v, err := Verify(t.Context(), publish.Open(c.Warehouse))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range v.Checks {
		if !check.OK {
			t.Errorf("%s: %s", check.What, check.Wrong)
		}
	}
	if len(v.Checks) < 4 {
		t.Errorf("only %d checks", len(v.Checks))
	}
}

// TestTwoReplaysAreTheSameBytes: the journal carries run and clock, so nothing of when or by what it is replayed shows in the Parquet files.
func TestTwoReplaysAreTheSameBytes(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 150, Limits: "none", Items: sandbox.ItemsSpec})
	night(t, c)
	var versions []map[string]string
	for range 2 {
		s, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		v, err := publish.Open(c.Warehouse).Version(s.RunID)
		if err != nil {
			t.Fatal(err)
		}
		parts := map[string]string{}
		for _, f := range v.Manifest.Files {
			if strings.HasSuffix(f.Path, ".parquet") {
				parts[f.Path] = f.SHA256
			}
		}
		versions = append(versions, parts)
	}
	if len(versions[0]) < 13 {
		t.Errorf("only %d parts", len(versions[0]))
	}
	for path, sum := range versions[0] {
		if versions[1][path] != sum {
			t.Errorf("%s is not the same in two replays", path)
		}
	}
}

package pipeline

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
)

// heldNight is a night whose version the checks hold back.
func heldNight(t *testing.T, c *config.Config) (*Summary, *CheckError) {
	t.Helper()
	s, err := Run(t.Context(), Options{Config: c, Command: Sync, Log: zerolog.Nop()})
	var failed *CheckError
	if !errors.As(err, &failed) || s.Status != Failed || s.Published || s.Error != err.Error() || len(failed.Hints()) < 1 {
		t.Fatalf("status %s, published %v, error %v", s.Status, s.Published, err)
	}
	left, err := fs.Glob(os.DirFS(c.Warehouse), "versions/.building-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	return s, failed
}

// recorded are the checks as runs/RUN.json has them.
func recorded(t *testing.T, c *config.Config, run string) []CheckResult {
	t.Helper()
	raw, err := os.ReadFile(publish.Open(c.Warehouse).RunRecord(run))
	if err != nil {
		t.Fatal(err)
	}
	var s Summary
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s.Checks
}

// Every check that fails is named with how many rows, and with no value of a user. The run after it asks for the list anew, and for no model twice.
func TestChecksBlockAPublish(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 40, Limits: "none"})
	c.Checks = config.Checks{
		MinUsers: 41, MaxDropPercent: 0, MaxAge: time.Nanosecond,
		SQL: []config.SQLCheck{
			{Name: "nobody", SQL: "SELECT * FROM users WHERE user_id IS NULL"},
			{Name: "seven", SQL: "WITH a AS (FROM users LIMIT 7) FROM a; -- and a comment"},
			{Name: "one", SQL: "FROM users ORDER BY email LIMIT 1"},
			{Name: "reads_files", SQL: "FROM read_text('/etc/hostname')"},
			{Name: "changes", SQL: "DELETE FROM users"},
			{Name: "quotes", SQL: "SELECT email::INTEGER FROM users"},
		},
	}
	first, failed := heldNight(t, c)
	if first.Version != nil {
		t.Errorf("version %s", *first.Version)
	}
	want := []CheckResult{
		{Name: "min_users", Found: "40 users, and 41 are the least"},
		{Name: "max_drop_percent", Passed: true, Found: "there is no version to compare with"},
		{Name: "max_age", Passed: true, Found: "the latest updated_at is 0s old, and 1ns is the most"}, // observed by this very run
		{Name: "nobody", Passed: true, Found: "no rows"},
		{Name: "seven", Found: "7 rows, and there must be none"},
		{Name: "one", Found: "1 row, and there must be none"},
		{Name: "reads_files"}, {Name: "changes"}, {Name: "quotes"},
	}
	got := recorded(t, c, first.RunID)
	for i := range want {
		if want[i].Found == "" && i < len(got) {
			if want[i].Found = got[i].Found; want[i].Found == "" {
				t.Errorf("check %s does not say why", want[i].Name)
			}
		}
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(CheckResult{})); d != "" {
		t.Error(d)
	}
	if all := failed.Error(); strings.Contains(all, "@") || !strings.Contains(all, "check seven: 7 rows") || !strings.Contains(all, "check min_users: 40") || strings.Contains(all, "nobody") {
		t.Error(all)
	}

	c.Checks = config.Default().Checks
	next := night(t, c)
	if next.Status != Certified || next.Requests.List == 0 || next.Requests.Model != 0 || next.Models.Fetched == 0 && next.Models.Reused == 0 {
		t.Errorf("the next night: %s, %+v, %+v", next.Status, next.Requests, next.Models)
	}
}

// A check whose SQL is wrong says nothing about the answers: the next run goes on from all of them.
func TestAMistakeInACheck(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 20, Limits: "none"})
	c.Checks.SQL = []config.SQLCheck{{Name: "slip", SQL: "SELEC 1"}}
	_, failed := heldNight(t, c)
	if want := `the version is not published: check slip: Parser Error: syntax error at or near "SELEC"`; failed.Error() != want {
		t.Errorf("%s, want %s", failed, want)
	}
	c.Checks.SQL[0].SQL = "SELECT 1 WHERE false"
	if next := night(t, c); next.Status != Certified || next.Requests.List+next.Requests.Model != 0 || next.Requests.Replayed == 0 {
		t.Errorf("the next night: %s, %+v", next.Status, next.Requests)
	}
}

// What readers have stays until a version passes: too few users one night are asked for again the next.
func TestADropInUsersIsHeld(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 20, Limits: "none"})
	c.MaxDeletePercent = 100
	c.Checks.MaxDropPercent = 9.9
	before := night(t, c)
	if d := cmp.Diff([]CheckResult{{Name: "max_drop_percent", Passed: true, Found: "there is no version to compare with"}}, recorded(t, c, before.RunID), cmpopts.IgnoreUnexported(CheckResult{})); d != "" {
		t.Error(d)
	}
	for i := range 2 {
		id, _ := userAt(t, c, i)
		write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
	}
	for range 2 { // the second one begins where the first one ended
		held, failed := heldNight(t, c)
		if want := "the version is not published: check max_drop_percent: 18 users after 20, 10.0 % fewer, and 9.9 % are the most"; failed.Error() != want {
			t.Errorf("%s, want %s", failed, want)
		}
		if held.Version == nil || *held.Version != before.RunID || held.Requests.List == 0 {
			t.Errorf("current is %v after %+v", held.Version, held.Requests)
		}
	}
	c.Checks.MaxDropPercent = 10
	after := night(t, c)
	if after.Users != 18 || !after.Published || len(after.Checks) != 1 || !after.Checks[0].Passed {
		t.Errorf("%d users, published %v, checks %v", after.Users, after.Published, after.Checks)
	}
	proveVerified(t, c)
	manifest, err := publish.Open(c.Warehouse).Current()
	if err != nil || !strings.Contains(string(manifest.Manifest.Summary), "18 users after 20") {
		t.Errorf("the manifest does not say what was checked: %v", err)
	}
	again, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
	if err != nil || again.Users != 18 || len(again.Checks) != 1 {
		t.Errorf("a replay: %d users, checks %v, %v", again.Users, again.Checks, err)
	}
}

func TestMaxAge(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 5, Limits: "none"})
	c.Checks.MaxAge = time.Hour
	if s := night(t, c); s.Status != Certified || len(s.Checks) != 1 || s.Checks[0].Found != "the latest updated_at is 0s old, and 1h0m0s is the most" { // observed by this very run
		t.Errorf("%s, %v", s.Status, s.Checks)
	}
	r := &run{cfg: c, clock: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	old := r.clock.Add(-61 * time.Minute).UnixMicro()
	for _, latest := range []*int64{nil, &old} {
		if got := r.checkAge(latest); got.Passed || got.Found == "" {
			t.Errorf("%v: %+v", latest, got)
		}
	}
}

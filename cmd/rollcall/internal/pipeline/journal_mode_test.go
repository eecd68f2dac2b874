package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
)

// encrypted turns encryption on and returns the identity, which the configuration does not have.
func encrypted(t *testing.T, c *config.Config) config.Credential {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	c.Journal, c.JournalRecipients = config.JournalEncrypted, []string{key.Recipient().String()}
	return config.Given(extract.Secret(key.String()))
}

func wantKeyError(t *testing.T, err error, what string) {
	t.Helper()
	var key *journal.KeyError
	if !errors.As(err, &key) || len(key.Hints()) == 0 {
		t.Errorf("%s without the identity: %v", what, err)
	}
}

func verification(t *testing.T, c *config.Config) *Verification {
	t.Helper()
	v, err := Verify(t.Context(), publish.Open(c.Warehouse), c.IdentityOfJournals())
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range v.Checks {
		if !check.OK {
			t.Errorf("%s: %s", check.What, check.Wrong)
		}
	}
	return v
}

// skipped is why a verification left out what it says last, the answers.
func skipped(v *Verification) string { return v.Checks[len(v.Checks)-1].Skipped }

// showing is how many journal files have answers in them that anybody can read.
func showing(t *testing.T, c *config.Config) (n int) {
	t.Helper()
	files, err := fs.Glob(os.DirFS(c.Warehouse), "journal/*/*.rcj")
	if err != nil || len(files) == 0 {
		t.Fatalf("no journals: %v", err)
	}
	for _, path := range files {
		f, err := os.Open(filepath.Join(c.Warehouse, path))
		if err != nil {
			t.Fatal(err)
		}
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		z.Close()
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(all, []byte(`"user_id"`)) || bytes.Contains(all, []byte("/user/")) {
			n++
		}
	}
	return n
}

// A machine without the identity runs night after night; replay and the comparison of answers need it.
func TestEncryptedNights(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 60, Limits: "none"})
	identity := encrypted(t, c)
	first := night(t, c)
	if second := night(t, c); first.Status != Certified || second.Status != Unchanged {
		t.Errorf("nights: %s, %s", first.Status, second.Status)
	}
	if why := skipped(verification(t, c)); why == "" {
		t.Error("verify does not say that it could not read the answers")
	}
	_, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
	wantKeyError(t, err, "a replay")

	if n := showing(t, c); n > 0 {
		t.Errorf("%d journals show answers", n)
	}
	c.JournalIdentity = identity
	if why := skipped(verification(t, c)); why != "" {
		t.Errorf("verify with the identity skips the answers: %s", why)
	}
	again, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if again.Certificate.UsersSHA256 != first.Certificate.UsersSHA256 {
		t.Error("the replay comes to other users")
	}
	c.Journal = config.JournalPlain
	night(t, c)
	if n := showing(t, c); n != 1 {
		t.Errorf("%d journals show answers; the last run's is plain", n)
	}
}

// interrupted begins a run and stops it once it has models.
func interrupted(t *testing.T, c *config.Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := Run(ctx, Options{Config: c, Command: Sync, Log: zerolog.Nop(), OnProgress: func(p Progress) {
		if p.Phase == "models" && p.Done > 3 {
			cancel()
		}
	}})
	if err == nil || s.Status != Interrupted {
		t.Fatalf("the run was not interrupted: %s, %v", s.Status, err)
	}
}

func TestResumingAnEncryptedRun(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 60, Limits: "none"})
	identity := encrypted(t, c)
	interrupted(t, c)
	_, err := Run(t.Context(), Options{Config: c, Command: Sync, Log: zerolog.Nop()})
	wantKeyError(t, err, "going on with a run")
	c.JournalIdentity = identity
	if s := night(t, c); s.Status != Certified || s.Requests.Model > 60-3 {
		t.Errorf("%s, with %d requests for models, some of which were there", s.Status, s.Requests.Model)
	}
}

// Retention thins what it can read, keeps what it cannot, and says so.
func TestThinningEncryptedJournals(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 30, Limits: "none"})
	identity := encrypted(t, c)
	night(t, c)
	night(t, c)
	wh := publish.Open(c.Warehouse)
	later := time.Now().Add(2 * c.KeepJournal)
	for _, tt := range []struct {
		identity config.Credential
		removed  bool
	}{{config.Credential{}, false}, {identity, true}} {
		c.JournalIdentity = tt.identity
		kept, err := CollectGarbage(t.Context(), c, wh, later)
		if err != nil {
			t.Fatal(err)
		}
		last := kept[len(kept)-1]
		if last.What != "journal" || last.Removed != tt.removed {
			t.Errorf("identity %v: %+v", tt.identity.IsSet(), last)
		}
	}
}

// With journal: off the answers are there while the run needs them, and then no more.
func TestJournalOff(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 60, Limits: "none"})
	wh := publish.Open(c.Warehouse)
	journals := func() (names []string) {
		runs, err := journal.List(wh.Journal())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			names = append(names, r.Run)
		}
		return names
	}
	c.Journal = config.JournalOff
	interrupted(t, c)
	if left := journals(); len(left) != 1 {
		t.Fatalf("an interrupted run left the journals %v", left)
	}
	if s := night(t, c); s.Status != Certified || s.Requests.Model > 60-3 {
		t.Errorf("the run that went on: %s, %d requests for models", s.Status, s.Requests.Model)
	}
	if left := journals(); len(left) != 0 {
		t.Errorf("published, and the journals %v are still there", left)
	}
	if s := night(t, c); s.Status != Unchanged || len(journals()) != 0 {
		t.Errorf("a night without changes: %s, journals %v", s.Status, journals())
	}
	if why := skipped(verification(t, c)); why == "" {
		t.Error("verify does not say that there is no journal")
	}
	replay := Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()}
	_, err := Run(t.Context(), replay)
	var field *config.FieldError
	if !errors.As(err, &field) || field.Key != "journal" || len(field.Hints()) == 0 {
		t.Errorf("a replay: %v", err)
	}
	c.Journal = config.JournalPlain
	_, err = Run(t.Context(), replay)
	var none *NoJournalError
	if !errors.As(err, &none) || !slices.ContainsFunc(none.Hints(), func(h string) bool { return h != "" }) {
		t.Errorf("a replay of what was off: %v", err)
	}
}

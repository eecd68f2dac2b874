package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/journal"
)

// What is written for the configured recipients is opened with the configured identity, wherever that is.
func TestJournalKeys(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	secret, public := key.String(), key.Recipient().String()
	write(t, filepath.Join(dir, "identity"), "# created: 2025-03-01T02:00:00Z\n# public key: "+public+"\n"+secret+"\n")
	write(t, filepath.Join(dir, "wrong"), "AGE-SECRET-KEY-1CANARY\n")
	write(t, filepath.Join(dir, "empty"), "\n")
	file := func(name, where string) string {
		return write(t, filepath.Join(dir, name), "journal: encrypted\njournal_recipients: "+public+"\n"+where)
	}

	run := filepath.Join(dir, "20250301")
	c, err := load(t, nil, "--config", file("none.yaml", ""))
	if err != nil {
		t.Fatal(err)
	}
	to, err := c.RecipientsOfJournal()
	if err != nil || len(to) != 1 {
		t.Fatalf("%v, %v", to, err)
	}
	j, err := journal.Create(run, journal.Header{Run: "20250301"}, to...)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Note(t.Context(), "fact", 1), j.Seal()); err != nil {
		t.Fatal(err)
	}
	if c.IdentityOfJournals() != nil {
		t.Error("an identity that nobody gave")
	}

	for _, tt := range []struct {
		name, where string
		env         map[string]string
		want        string // "": it opens
	}{
		{name: "file", where: "journal_identity: file:identity\n"},
		{name: "command", where: "journal_identity: command:cat identity\n"},
		{name: "environment", env: map[string]string{"ROLLCALL_JOURNAL_IDENTITY": secret}},
		{"missing", "journal_identity: file:nowhere\n", nil, "journal_identity: " + filepath.Join(dir, "nowhere") + " cannot be read"},
		{"empty", "journal_identity: file:empty\n", nil, "empty is empty"},
		{"no identity", "journal_identity: file:wrong\n", nil, "none of age's"},
	} {
		c, err := load(t, tt.env, "--config", file(tt.name+".yaml", tt.where))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = journal.OpenReadOnly(t.Context(), run, c.IdentityOfJournals())
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) || strings.Contains(fmt.Sprint(err), "CANARY") {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
}

func TestJournalOffReplaysNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	for mode, refused := range map[string]bool{"": false, "plain": false, "off": true} {
		c, err := load(t, map[string]string{"ROLLCALL_JOURNAL": mode})
		if err != nil {
			t.Fatal(err)
		}
		err = c.RequireJournal()
		var field *FieldError
		if refused != errors.As(err, &field) || refused && len(field.Hints()) == 0 {
			t.Errorf("journal %q: %v", mode, err)
		}
		if to, err := c.RecipientsOfJournal(); len(to) > 0 || err != nil {
			t.Errorf("journal %q is for %v, %v", mode, to, err)
		}
	}
	if c := (&Config{Journal: JournalEncrypted}); c.IdentityOfJournals() != nil {
		t.Error("an identity that nobody gave")
	} else if _, err := c.RecipientsOfJournal(); err == nil {
		t.Error("an encrypted journal for nobody would be plain")
	}
	c := Default()
	c.JournalIdentity = Given(extract.Secret("CANARY"))
	for _, s := range c.Settings() {
		if strings.Contains(fmt.Sprint(s), "CANARY") {
			t.Errorf("%s shows the identity", s.Key)
		}
	}
	if err := os.WriteFile("c.yaml", []byte("journal: off # a word, not a boolean\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := load(t, nil, "--config", "c.yaml"); err != nil || c.Journal != JournalOff {
		t.Errorf("off: %q, %v", c.Journal, err)
	}
}

package config

import (
	"context"
	"errors"
	"strings"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/journal"
)

// Journal says what becomes of the API's answers.
type Journal string

// The ways to keep a journal.
const (
	JournalPlain     Journal = "plain"     // compressed, readable by the warehouse's owner
	JournalEncrypted Journal = "encrypted" // for the recipients alone
	JournalOff       Journal = "off"       // kept while the run lasts; no replay
)

func checkRecipient(s string) error {
	_, err := journal.ParseRecipient(s)
	return err
}

// validateJournal holds what the keys about the journal say together.
func (c *Config) validateJournal() error {
	switch {
	case c.Journal == JournalEncrypted && len(c.JournalRecipients) == 0:
		err := c.fieldError("journal", "needs journal_recipients: who can open what is written")
		err.hints = []string{
			"age-keygen -o FILE makes a key and prints its recipient, age1…, for journal_recipients; journal_identity: file:FILE reads with it",
		}
		return err
	case c.Journal == JournalPlain && len(c.JournalRecipients) > 0 && c.origins["journal"].Place == FromDefault:
		err := c.fieldError("journal_recipients", "does nothing: the journal is not encrypted")
		err.hints = []string{"set journal: encrypted, or journal: plain if that is what is meant"}
		return err
	}
	return nil
}

// RecipientsOfJournal are whom a journal that is begun now is encrypted for; none: it is plain.
func (c *Config) RecipientsOfJournal() ([]journal.Recipient, error) {
	if c.Journal != JournalEncrypted {
		return nil, nil
	}
	if err := c.validateJournal(); err != nil {
		return nil, err
	}
	out := make([]journal.Recipient, len(c.JournalRecipients))
	for i, s := range c.JournalRecipients {
		r, err := journal.ParseRecipient(s)
		if err != nil {
			return nil, c.fieldError("journal_recipients", err.Error())
		}
		out[i] = r
	}
	return out, nil
}

// IdentityOfJournals opens encrypted journals, and is nil where none is configured. It is looked for when a journal first needs it: a run that
// only writes does not.
func (c *Config) IdentityOfJournals() *journal.Identity {
	if !c.JournalIdentity.IsSet() {
		return nil
	}
	return journal.NewIdentity(func(ctx context.Context) (extract.Secret, error) {
		text, err := c.JournalIdentity.read(ctx)
		if err == nil && strings.TrimSpace(text) == "" {
			err = errors.New("is empty")
		}
		if err != nil && ctx.Err() == nil {
			err = &FieldError{Key: "journal_identity", Origin: c.origins["journal_identity"], Reason: c.JournalIdentity.where() + err.Error()}
		}
		return extract.Secret(text), err
	})
}

// RequireJournal says whether journals are kept: a replay needs them.
func (c *Config) RequireJournal() error {
	if c.Journal != JournalOff {
		return nil
	}
	err := c.fieldError("journal", "keeps nothing to replay")
	err.hints = []string{"rollcall backfill asks the API for everything anew; journal: plain or encrypted keeps the answers of the runs to come"}
	return err
}

package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"filippo.io/age"

	"github.com/rollcall-data/rollcall/extract"
)

// Recipient is somebody who can open an encrypted journal: the public half of an age key. Make one with [ParseRecipient].
type Recipient struct{ key *age.X25519Recipient }

// ParseRecipient reads a recipient as age-keygen prints it: age1 and 58 more characters. The error is a phrase, and repeats nothing of s.
func ParseRecipient(s string) (Recipient, error) {
	key, err := age.ParseX25519Recipient(s)
	if err != nil {
		if strings.HasPrefix(strings.ToUpper(s), "AGE-SECRET-KEY-") {
			return Recipient{}, errors.New("is the secret half of a key; a recipient is the public one, age1…")
		}
		return Recipient{}, errors.New("is no age recipient, age1… as age-keygen prints it")
	}
	return Recipient{key}, nil
}

// String is the recipient as [ParseRecipient] takes it.
func (r Recipient) String() string { return r.key.String() }

// Identity opens encrypted journals: the secret half of one or more age keys. It is safe for concurrent use. A nil Identity opens nothing.
type Identity struct {
	read func(context.Context) (extract.Secret, error)

	mu   sync.Mutex
	keys []age.Identity // nil until read
}

// NewIdentity returns the identity whose text read returns: lines of AGE-SECRET-KEY-1…, and comments, as age-keygen writes them. It is read
// when the first encrypted journal is opened, and then never again.
func NewIdentity(read func(context.Context) (extract.Secret, error)) *Identity {
	return &Identity{read: read}
}

// errIdentity has no cause: what age says of a text may quote it.
var errIdentity = errors.New("what is given as its identity is none of age's, AGE-SECRET-KEY-1… as age-keygen writes it")

// open returns the keys.
func (i *Identity) open(ctx context.Context) ([]age.Identity, error) {
	if i == nil {
		return nil, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys != nil {
		return i.keys, nil
	}
	text, err := i.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("its identity cannot be read: %w", err)
	}
	if i.keys, err = age.ParseIdentities(strings.NewReader(text.Reveal())); err != nil {
		return nil, errIdentity
	}
	return i.keys, nil
}

// KeyError says that an encrypted journal cannot be opened with what is given. Nothing is wrong with the journal.
type KeyError struct {
	Run string
	Err error // what is missing; nothing of a key is in it
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("the journal of run %s is encrypted: %v", e.Run, e.Err)
}

func (e *KeyError) Unwrap() error { return e.Err }

// Hints says what a person can do.
func (e *KeyError) Hints() []string {
	return []string{
		"journal_identity: file:PATH names the age identity of one of the recipients that the journal was written for",
		"where the identity is lost, an unfinished run can only be given up: remove its folder in journal",
	}
}

var (
	errNoIdentity    = errors.New("no identity is given to open it with")
	errWrongIdentity = errors.New("it was written for none of the identities given")
)

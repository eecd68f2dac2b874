package pipeline

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/rollcall-data/rollcall/load/publish"
)

// suppressedName holds the keyed tombstones of users who are to stay forgotten.
const suppressedName = "suppressed.json"

// suppression knows users again who were erased for good, without knowing who they are: it has a keyed hash of each. Nil suppresses nobody.
type suppression struct {
	Key        []byte   `json:"key"`
	Tombstones []string `json:"tombstones"` // HMAC-SHA-256 of organization, NUL, user_id, in hex; sorted
	known      map[string]bool
}

func suppressedPath(wh *publish.Warehouse) string { return filepath.Join(wh.Dir(), suppressedName) }

// loadSuppression reads who is suppressed, nil where nobody is.
func loadSuppression(wh *publish.Warehouse) (*suppression, error) {
	raw, err := os.ReadFile(suppressedPath(wh))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read who is to stay forgotten: %w", err)
	}
	s := new(suppression)
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("read who is to stay forgotten: %w", err)
	}
	s.index()
	return s, nil
}

func (s *suppression) index() {
	s.known = make(map[string]bool, len(s.Tombstones))
	for _, t := range s.Tombstones {
		s.known[t] = true
	}
}

func (s *suppression) tombstone(id identity) string {
	return hex.EncodeToString(keyed(s.Key, id.scope, id.user))
}

func (s *suppression) has(id identity) bool { return s != nil && s.known[s.tombstone(id)] }

// suppress adds users to those who stay forgotten.
func suppress(wh *publish.Warehouse, users []identity) error {
	s, err := loadSuppression(wh)
	if err != nil {
		return err
	}
	if s == nil {
		s = &suppression{Key: newKey()}
	}
	for _, id := range users {
		if t := s.tombstone(id); !s.known[t] {
			s.Tombstones = append(s.Tombstones, t)
		}
	}
	slices.Sort(s.Tombstones)
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("record who is to stay forgotten: %w", err)
	}
	return publish.WriteFile(suppressedPath(wh), append(raw, '\n'))
}

// suppressed tells whether a user whom the source lists is to stay forgotten.
func (r *run) suppressed(id identity) bool {
	if !r.suppression.has(id) {
		return false
	}
	if r.leftOut == nil {
		r.leftOut = map[identity]bool{}
	}
	r.leftOut[id] = true
	return true
}

// eraseSuppressed takes the users who were left out of the tables out of the run's journal too, where their answers were until now. Of a run that
// fails they stay there until its journal goes.
func (r *run) eraseSuppressed(ctx context.Context) error {
	if len(r.leftOut) == 0 {
		return nil
	}
	x := &journalEraser{run: r.id, opener: r.opener, key: newKey(), users: map[string][]string{}}
	for id := range r.leftOut {
		x.users[id.user] = append(x.users[id.user], id.scope)
	}
	_, err := x.rewrite(ctx, journalDir(r.wh, r.id))
	return err
}

// keyed is the HMAC-SHA-256 of texts, none of which can run into the next.
func keyed(key []byte, texts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, t := range texts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(t), t) // a hash takes everything
	}
	return h.Sum(nil)
}

func newKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}

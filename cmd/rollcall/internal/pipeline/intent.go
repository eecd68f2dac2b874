package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rollcall-data/rollcall/load/publish"
)

// intentName is the record of intent of an erasure that is under way. It is the one file that may name whom it erases, and it is gone when
// the erasure is done.
const intentName = "erasing.json"

// intent is all that is needed to go on with an erasure after a crash.
type intent struct {
	At       string            `json:"at"` // RFC 3339, UTC; it names the erasure
	Users    []doomedUser      `json:"users"`
	Emails   []string          `json:"emails"`
	First    int64             `json:"first"` // microseconds; no run before it can have held any of them
	Key      []byte            `json:"key"`   // of the pseudonyms in journals; nobody can link them once it is gone
	Suppress bool              `json:"suppress"`
	Sums     map[string]string `json:"sums"`  // users_sha256 of versions as they were → as they are
	Files    map[string]int64  `json:"files"` // path in the warehouse → rows or answers taken out or made unrecognizable
}

// doomedUser is a user to be erased.
type doomedUser struct {
	Org    string `json:"org"`
	UserID string `json:"user_id"`
}

func intentPath(wh *publish.Warehouse) string { return filepath.Join(wh.Dir(), intentName) }

// loadIntent is the erasure that is under way, nil where there is none.
func loadIntent(wh *publish.Warehouse) (*intent, error) {
	raw, err := os.ReadFile(intentPath(wh))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of an unfinished erasure: %w", err)
	}
	n := new(intent)
	if err := json.Unmarshal(raw, n); err != nil {
		return nil, fmt.Errorf("read the record of an unfinished erasure: %w", err)
	}
	return n, nil
}

func (n *intent) save(wh *publish.Warehouse) error {
	raw, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("record an erasure: %w", err)
	}
	return publish.WriteFile(intentPath(wh), raw)
}

// UnfinishedErasure is when the erasure began that a crash left unfinished, RFC 3339; empty where there is none.
func UnfinishedErasure(warehouse string) (string, error) {
	n, err := loadIntent(publish.Open(warehouse))
	if err != nil || n == nil {
		return "", err
	}
	return n.At, nil
}

// Package recordertest has a journal in memory for the tests of sources. Runs have package journal.
package recordertest

import (
	"context"
	"sync"

	"github.com/rollcall-data/rollcall/extract"
)

// Tape is a journal in memory. What it records is replayed once it is rewound. It is safe for concurrent use, but for
// Rewind.
type Tape struct {
	mu            sync.Mutex
	records, play map[string][]extract.Answer
}

// Recorded returns the next answer that is left to the same call.
func (m *Tape) Recorded(c extract.Call) (extract.Answer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	queue := m.play[c.ID()]
	if len(queue) == 0 {
		return extract.Answer{}, false
	}
	m.play[c.ID()] = queue[1:]
	return queue[0], true
}

// Record keeps a usable answer.
func (m *Tape) Record(_ context.Context, c extract.Call, a extract.Answer, usable bool) error {
	if !usable {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = map[string][]extract.Answer{}
	}
	m.records[c.ID()] = append(m.records[c.ID()], a)
	return nil
}

// Rewind replays from now on what was recorded so far.
func (m *Tape) Rewind() { m.play, m.records = m.records, nil }

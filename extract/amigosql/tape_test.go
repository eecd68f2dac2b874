package amigosql

import (
	"context"
	"sync"

	"github.com/rollcall-data/rollcall/extract"
)

// tape is a journal in memory. What it records is replayed once it is rewound.
type tape struct {
	mu            sync.Mutex
	records, play map[string][]extract.Answer
}

func (m *tape) Recorded(c extract.Call) (extract.Answer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	queue := m.play[c.ID()]
	if len(queue) == 0 {
		return extract.Answer{}, false
	}
	m.play[c.ID()] = queue[1:]
	return queue[0], true
}

func (m *tape) Record(_ context.Context, c extract.Call, a extract.Answer, usable bool) error {
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

func (m *tape) rewind() { m.play, m.records = m.records, nil }

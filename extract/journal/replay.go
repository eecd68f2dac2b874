package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"

	"github.com/rollcall-data/rollcall/extract"
)

// Recorded returns the next usable answer to c that was recorded before this journal was opened, each one once and in the order in which they
// came; its Body is the caller's, its Replayed true. False says that there is none left: ask the server. It is false, too, if the answer
// cannot be read; then the journal has failed, the next Record returns the reason, and [Journal.Err] has it.
func (j *Journal) Recorded(c extract.Call) (extract.Answer, bool) {
	x := j.others
	if inSweep(c.Kind) {
		x = j.sweeps
	}
	id := c.ID()
	k := keyOf(id)
	j.mu.Lock()
	p, ok := x.take(k)
	j.mu.Unlock()
	if !ok {
		return extract.Answer{}, false
	}
	a, err := j.answer(id, p, c.Has)
	if err != nil {
		_ = j.fail(err) // Err tells
		return extract.Answer{}, false
	}
	return a, true
}

// answer reads the answer at p to the call of that ID. The body that begins a block has a name: of a page of a list, which fills a block, that is nearly
// always so. One that has says its caller has is not read again.
func (j *Journal) answer(id string, p place, has func(name uint64) bool) (extract.Answer, error) {
	raw, err := j.blockAt(p.block)
	if err != nil {
		return extract.Answer{}, err
	}
	if int64(p.off) >= int64(len(raw)) {
		return extract.Answer{}, j.damaged(p.block, errEntries)
	}
	it, err := (&decoder{}).entry(raw[p.off:])
	if err == nil && it.Call.ID() != id {
		err = errEntries
	}
	if err != nil {
		return extract.Answer{}, j.damaged(p.block, err)
	}
	a := it.Answer
	a.Replayed = true
	from, first := p.block, p.off == 0
	if it.same != nil {
		if from, err = j.sharedBlock(p.block, it); err != nil {
			return extract.Answer{}, err
		}
		first = it.same.Entry == 0
	}
	if first {
		a.Name = uint64(from) + 1
	}
	if it.same != nil {
		if first && has != nil && has(a.Name) {
			return a, nil
		}
		if a.Body, err = j.sharedBody(p.block, from, it); err != nil {
			return extract.Answer{}, err
		}
	}
	a.Body = bytes.Clone(a.Body)
	return a, nil
}

// sharedBlock is the block with the body that an entry of a block refers to.
func (j *Journal) sharedBlock(block uint32, it item) (uint32, error) {
	from := uint64(j.segments[j.spots[block].segment].first) + uint64(it.same.Block) - 1 // block 0 is the preamble
	if it.same.Block == 0 || from > uint64(block) {
		return 0, j.damaged(block, errReference)
	}
	return uint32(from), nil
}

// sharedBody reads the body in from that an entry of block refers to.
func (j *Journal) sharedBody(block, from uint32, it item) ([]byte, error) {
	raw, err := j.blockAt(from)
	if err != nil {
		return nil, err
	}
	body, err := (&decoder{}).bodyOf(raw, it.same.Entry, it.body)
	if err != nil {
		return nil, j.damaged(block, err)
	}
	return body, nil
}

// blockAt returns the decoded bytes of a block, by its position among all. They must not be modified.
func (j *Journal) blockAt(block uint32) ([]byte, error) {
	return j.cache.get(block, int64(j.spots[block].raw))
}

// damaged says that a block is not what was there when the journal was opened, or never was what it should be.
func (j *Journal) damaged(block uint32, err error) error {
	s := j.spots[block]
	return damaged(filepath.Join(j.dir, j.segments[s.segment].name), s.off, err)
}

// Noted returns the value of the last note of that name, of this process or an earlier one, and false if there is none.
func (j *Journal) Noted(name string) (json.RawMessage, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v, ok := j.notes[name]
	return bytes.Clone(v), ok
}

// Each calls fn for every answer and note of the run in the order in which they were recorded, unusable and set aside ones included, up to
// the last that was durable when the call began. The entry's bytes are fn's only until it returns. What fn returns ends Each and is returned.
func (j *Journal) Each(ctx context.Context, fn func(Entry) error) error {
	for i, s := range j.segments {
		end := s.end
		if j.writing != nil && i == len(j.segments)-1 {
			end = j.durable.Load()
		}
		_, err := walk{path: filepath.Join(j.dir, s.name), limit: end, codec: s.codec}.run(ctx, func(b *block) error {
			return b.entries(func(it item) error {
				e, err := b.whole(it)
				if err != nil {
					return err
				}
				e.Segment = s.name
				e.SetAside = i+1 < j.sweepsFrom && inSweep(e.Call.Kind)
				return fn(e)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

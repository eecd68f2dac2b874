package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
)

// loader gathers what an open journal must know of the segments that are there.
type loader struct {
	folder   folder
	segments []extent
	spots    []spot
	sweeps   *index
	others   *index
	notes    map[string]json.RawMessage
	oldest   time.Time // when the oldest answer in sweeps came
	setAside int
	last     walked
}

// load reads and verifies every segment of f.
//
// Of a large answer only the head is decoded: its bytes are compared with their checksums now, and decoded when they are handed out, where
// what is no answer ends the journal.
func load(ctx context.Context, f folder) (*loader, error) {
	f.heads = true
	l := &loader{folder: f, sweeps: newIndex(), others: newIndex(), notes: make(map[string]json.RawMessage)}
	for i := range f.segments {
		first := uint32(len(l.spots))
		w, err := f.walk(ctx, i, func(b *block) error { return l.block(i, b) })
		if err != nil {
			return nil, err
		}
		l.segments = append(l.segments, extent{name: w.name, id: w.id, codec: w.codec, first: first, end: w.size})
		l.last = w
	}
	return l, nil
}

// block takes in a block of segment i, counted from 0.
func (l *loader) block(i int, b *block) error {
	n := uint32(len(l.spots))
	l.spots = append(l.spots, spot{off: b.off, segment: uint32(i), raw: b.header.Raw})
	return b.entries(func(e item) error {
		switch {
		case e.Note != "":
			l.notes[e.Note] = bytes.Clone(e.Value)
		case !e.Usable:
		case !inSweep(e.Call.Kind):
			l.others.add(keyOf(e.Call.ID()), n, uint32(e.off))
		case i+1 < l.folder.sweepsFrom:
			l.setAside++
		default:
			l.sweeps.add(keyOf(e.Call.ID()), n, uint32(e.off))
			if l.oldest.IsZero() || e.Answer.At.Before(l.oldest) {
				l.oldest = e.Answer.At
			}
		}
		return nil
	})
}

// tooOld says whether the sweep cannot be resumed. A clock that is set back must not make an old answer young, so what is as far in the
// future is as old.
func (l *loader) tooOld(o ResumeOptions) bool {
	limit := o.SweepMaxAge
	if limit == 0 {
		limit = defaultSweepMaxAge
	}
	return l.sweeps.len() > 0 && o.Now.Sub(l.oldest).Abs() > limit
}

// dropSweep sets the answers of the sweep aside: from the given segment on, there is another.
func (l *loader) dropSweep(from int) {
	l.setAside += l.sweeps.len()
	l.sweeps = newIndex()
	l.folder.sweepsFrom = from
}

// journal is the journal that hands out what was loaded, and the report on it.
func (l *loader) journal() (*Journal, Report) {
	j := &Journal{
		dir: l.folder.dir, header: l.folder.header, segments: l.segments, sweepsFrom: l.folder.sweepsFrom, spots: l.spots,
		sweeps: l.sweeps, others: l.others, notes: l.notes,
	}
	j.cache = &cache{load: func(block uint32) ([]byte, error) {
		s := j.spots[block]
		return readSpot(j.dir, s, j.segments[s.segment].codec)
	}}
	r := Report{
		Sealed:    l.folder.seal != nil,
		Segments:  len(l.segments),
		Answers:   l.sweeps.len() + l.others.len(),
		SetAside:  l.setAside,
		TornBytes: l.last.torn,
	}
	if r.TornBytes > 0 {
		r.TornFile = l.last.name
	}
	return j, r
}

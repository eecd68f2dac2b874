package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// memoryWorkers ask at once; the documented rate is 40 a minute.
const memoryWorkers = 8

// fetchMemories asks for the memories of users who are new or whose item is not what it was: memories come of conversations, and those move
// user_stats. The others keep the memories of the version before. There is no budget: who wants memories wants them all, and a run that stops
// goes on where it was.
func (r *run) fetchMemories(ctx context.Context, o *org) error {
	if !r.rules.Memories || o.memories == nil {
		return nil
	}
	var ask []string
	for user, e := range o.roster.inOrder() {
		before, known := r.prior.find(identity{o.name, user})
		if !known || !r.prior.hasMemories || before.ExtrasHash != e.extras {
			ask = append(ask, user)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, done atomic.Int64
	var workers sync.WaitGroup
	for range memoryWorkers {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(ask) {
					return
				}
				if err := r.fetchMemoriesOf(ctx, o, ask[i]); err != nil {
					cancel(err)
					return
				}
				r.progress("memories", done.Add(1), int64(len(ask)))
			}
		}()
	}
	workers.Wait()
	return context.Cause(ctx)
}

func (r *run) fetchMemoriesOf(ctx context.Context, o *org, user string) error {
	raws, err := o.memories.Memories(ctx, user)
	switch {
	case errors.Is(err, amigo.ErrForbidden), errors.Is(err, amigo.ErrGone):
	case r.offline && errors.Is(err, extract.ErrNotRecorded): // found by a look-up of the absent, who were not asked for
		return nil
	case err != nil:
		return err
	}
	places := make([]extent, len(raws))
	for i, raw := range raws {
		if places[i], err = r.spill.put(r.pii.Memory(raw)); err != nil {
			return err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.roster.answer(o.roster.find(user))
	a.memories, a.remembered = places, true
	return nil
}

// addMemories writes the memories that were fetched, behind those of the version before that still hold.
func (b *build) addMemories(ctx context.Context) error {
	if !b.rules.Memories {
		return nil
	}
	if b.prior.hasMemories {
		holds := map[userKey]bool{}
		for x := range b.d.each() {
			if x.what != deleted && (x.entry == nil || !x.org.roster.answers(x.entry).remembered) && x.known {
				holds[keyOf(x.before)] = true
			}
		}
		err := b.carryTable(ctx, schema.NameMemories, true, nil, func(c transform.Columns, i int) bool {
			return !holds[keyAt(c, i)]
		})
		if err != nil {
			return err
		}
	}
	for x := range b.d.each() {
		if x.entry == nil || x.what == deleted {
			continue
		}
		for _, place := range x.org.roster.answers(x.entry).memories {
			raw, err := b.spill.get(place)
			if err != nil {
				return err
			}
			if err := b.rowsOf.Memory(x.id.scope, x.org.roster.defaults.Org, x.id.user, raw); err != nil {
				return err
			}
		}
	}
	return nil
}

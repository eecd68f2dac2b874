package sweep

import (
	"context"
	"fmt"
	"slices"
)

const (
	agree       = 2   // passes that have to agree where the cursor is opaque
	agreeHidden = 3   // and where rows may be hidden
	maxAsked    = 300 // users that are asked for by id instead of by another pass
	lookupBatch = 100 // ids in one look-up request, to reckon what look-ups cost (api/amigo.md §2.1: limit is at most 100)
)

// bound is an answer that tells how long the list can have been at that instant.
type bound struct {
	pass     int
	at       uint32 // the request
	length   int64  // the list had at most so many rows
	known    int    // keys sighted by then
	got      int    // of those, sighted then or since: they were in the list
	supposed bool   // an empty page that may not be the end
}

// hopeless reports whether even all that were known by then would be too few.
func (b *bound) hopeless() bool { return int64(b.known) < b.length }

// bind records that the list ended with answer a, the last one to have come.
func (s *sweep) bind(pass int, a *answer) {
	b := bound{pass: pass, at: s.requests, length: a.end(), known: s.ledger.len(), got: a.distinct}
	if !b.hopeless() {
		s.bounds = append(s.bounds, b)
	}
}

// suppose records a bound, as an empty page a sets it, that settle is to confirm or strike out.
func (s *sweep) suppose(pass int, a *answer) {
	s.bounds = append(s.bounds, bound{pass: pass, at: s.requests, length: a.cursor, known: s.ledger.len(), supposed: true})
}

// settle decides on what was supposed, and reports whether it stands.
func (s *sweep) settle(stands bool) bool {
	i := slices.IndexFunc(s.bounds, func(b bound) bool { return b.supposed })
	switch {
	case i < 0:
		return false
	case stands && !s.bounds[i].hopeless():
		s.bounds[i].supposed = false
	default:
		s.bounds = slices.Delete(s.bounds, i, i+1)
	}
	return stands
}

// recount brings the bounds up to date with a sighting of a key of which this was known before: it was in the list at every bound between
// its last sighting and this one.
func (s *sweep) recount(known entry) {
	if known.first == 0 {
		return
	}
	for i := range s.bounds {
		if b := &s.bounds[i]; known.last < b.at {
			b.got++
		}
	}
}

// verdict is a proof that holds. Whoever was last sighted at or after the request `since` counts as present.
type verdict struct {
	proof string
	since uint32
}

// judge looks for a proof after a pass.
func (s *sweep) judge(ctx context.Context, p *pass) (verdict, error) {
	if v := s.count(p); v.proof != "" || s.contradicted {
		return v, nil
	}
	switch {
	case s.o.SortKeyImmutable && p.whole && !p.bare:
		return verdict{ProofAnchored, p.since}, nil
	case p.dialect == Token && (p.hidden || p.cursor == opaque) && p.agreeing >= s.quorum():
		return verdict{ProofAgreement, p.since}, nil
	}
	if err := s.ask(ctx, p); err != nil {
		return verdict{}, err
	}
	return s.count(p), nil
}

// count looks for the latest bound of an earlier pass that is filled by users who are proved to have been in the list. More than it
// allows cannot have been there, if the server is honest and nobody left and returned. So one of these is not true, and no bound is to
// be trusted.
func (s *sweep) count(p *pass) verdict {
	s.contradicted = s.contradicted || slices.ContainsFunc(s.bounds, func(b bound) bool { return int64(b.got) > b.length })
	if s.contradicted {
		return verdict{}
	}
	for _, b := range slices.Backward(s.bounds) {
		if b.pass < p.n && int64(b.got) == b.length {
			return verdict{ProofCount, b.at}
		}
	}
	return verdict{}
}

// agrees reports whether this pass and the one before saw the same users, each of them once, in the two orders.
func (p *pass) agrees(q *pass) bool {
	return p.sort != q.sort && p.still() && q.still() && p.users == q.users && p.users == p.common
}

// quorum is how many passes in a row have to agree: one more where a page that claimed more was short. There rows can be hidden, and
// those come and go unnoticed.
func (s *sweep) quorum() int {
	if s.gaps || s.short < s.o.Limit {
		return agreeHidden
	}
	return agree
}

// still reports whether the list did not seem to move under a whole pass.
func (p *pass) still() bool { return p.whole && !p.twice && p.shifts == 0 }

// ask looks up by id those whom the latest bound of an earlier pass still needs, if they are few enough to be worth more than another
// pass. Those whom a whole pass has not shown since are few in a list that holds nearly still.
func (s *sweep) ask(ctx context.Context, p *pass) error {
	if s.o.Lookup == nil {
		return nil
	}
	for _, b := range slices.Backward(s.bounds) {
		unseen := b.known - b.got
		if b.pass >= p.n || unseen > maxAsked || (unseen+lookupBatch-1)/lookupBatch >= p.pages {
			continue
		}
		keys, entries := s.unconfirmed(&b)
		if int64(b.got+len(keys)) < b.length {
			continue
		}
		return s.lookup(ctx, keys, entries)
	}
	return nil
}

// unconfirmed lists the users who were known by the bound's request and neither sighted nor found absent since.
func (s *sweep) unconfirmed(b *bound) (keys []string, entries []int) {
	for i := range b.known {
		e := s.ledger.entries.At(i)
		key := s.ledger.key(i)
		if e.last < b.at && s.absent[i] < b.at && (len(key) == 0 || key[0] != unkeyedMark) {
			keys, entries = append(keys, key), append(entries, i)
		}
	}
	return keys, entries
}

// lookup asks for users by id. Those who are there are sightings like any other.
func (s *sweep) lookup(ctx context.Context, keys []string, entries []int) error {
	found, err := s.o.Lookup(ctx, keys)
	if err != nil {
		return fmt.Errorf("sweep: looking up %d users by id: %w", len(keys), err)
	}
	s.requests++
	s.lookups += len(keys)
	for _, i := range entries {
		s.absent[i] = s.requests
	}
	for _, item := range found {
		i := s.ledger.find(item.Key)
		if i < 0 || s.absent[i] != s.requests {
			continue // nobody that was asked for
		}
		delete(s.absent, i)
		_, known, fresh := s.ledger.sight(item, s.requests)
		s.recount(known)
		if !fresh {
			continue
		}
		if err := s.o.Seen(item); err != nil {
			return fmt.Errorf("sweep: taking in a user who was looked up: %w", err)
		}
	}
	return nil
}

package sweep

import (
	"context"
	"errors"
)

const (
	maxTries   = 3   // times a token is put to the proof of being a skip count; each costs two requests
	stuckAfter = 20  // forward pages in a row with nobody new, beyond as many as the walk had before them
	surveyFrom = 64  // requests of a first pass after which it asks how long the list can be
	growth     = 3   // a pass may take this many times the requests of a whole one
	slack      = 100 // and this many more
)

// errUnfinished ends a pass that cannot come to the list's end; the sweep goes on with the next.
var errUnfinished = errors.New("pass without an end")

// pass reads the list once from its start. What it reads without a gap is its walk.
type pass struct {
	*sweep
	n      int // from 1
	sort   string
	before *pass // the pass before, nil for none

	id     uint16 // marks the entries of this walk
	since  uint32 // the request it begins with
	anchor int    // the entry of the last row taken in, -1 for none
	users  int    // distinct rows taken in
	common int    // of them, those that the walk of the pass before had too
	twice  bool   // a row was taken in again that was not the anchor
	bare   bool   // a page was taken in whose place in the walk is not proved
	whole  bool   // the walk came to the list's end

	agreeing int // passes in a row, up to this one, that saw the same users

	pages, shifts int
	idle          int // pages in a row that took in nobody new
	budget        int // requests this pass may take, 0 for no limit
	glanced       int
	surveyed      int // requests when the list's length was last asked for
}

// restart forgets the walk, not the sightings.
func (p *pass) restart() {
	p.walks++
	p.id, p.since, p.anchor = p.walks, p.requests+1, -1
	p.users, p.common, p.idle, p.twice = 0, 0, 0, false
}

// run walks the list as far as its cursor allows to be known.
func (p *pass) run(ctx context.Context) error {
	for {
		a, err := p.fetch(ctx, 0)
		if err != nil {
			return err
		}
		p.take(a)
		switch {
		case p.ends(a):
			return nil
		case p.hidden || p.cursor == opaque:
			return p.follow(ctx, a)
		case p.positions():
			return p.step(ctx, a)
		case !a.claimsMore():
			return errUnfinished
		case !a.HasNext || a.Next != a.end() || len(a.rows) < minLimit:
			p.cursor = opaque
			return p.follow(ctx, a)
		}
		proved, b, err := p.prove(ctx, a)
		switch {
		case err != nil:
			return err
		case proved:
			return p.step(ctx, b)
		case p.cursor == opaque:
			return p.follow(ctx, a)
		}
		p.restart()
	}
}

// fetch asks for a page unless the pass has had its share of requests.
func (p *pass) fetch(ctx context.Context, cursor int64) (answer, error) {
	if p.budget > 0 && p.pages >= p.budget {
		return answer{}, errUnfinished
	}
	return p.sweep.fetch(ctx, p, cursor)
}

// take adds a page's rows to the walk.
func (p *pass) take(a answer) {
	users := p.users
	for n, i := range a.rows {
		e := &p.ledger.entries[i]
		if e.walk == p.id {
			p.twice = p.twice || n > 0 || i != p.anchor
			continue
		}
		if p.before != nil && e.walk == p.before.id {
			p.common++
		}
		e.walk = p.id
		p.users++
	}
	if len(a.rows) == 0 {
		return
	}
	p.anchor = a.rows[len(a.rows)-1]
	if p.idle++; p.users > users {
		p.idle = 0
	}
}

// ends reports whether the walk ends with a page, and notes it. An empty page at the start is the end of an empty list.
func (p *pass) ends(a answer) bool {
	if a.cursor == 0 && len(a.rows) == 0 && a.More == Unknown && !a.HasNext {
		p.bind(p.n, &a)
		p.whole = true
	}
	p.whole = p.whole || a.More == No
	return p.whole
}

// prove puts an integer token to the proof that it is a skip count: it equals the rows that came before it, and one less begins with
// the last of them. The page that proves it is taken in. A list that moved just then is given another try from its start.
func (p *pass) prove(ctx context.Context, a answer) (bool, answer, error) {
	b, err := p.fetch(ctx, a.Next-1)
	if err != nil {
		return false, answer{}, err
	}
	if len(b.rows) > 0 && b.rows[0] == p.anchor {
		p.cursor = skips
		if b.More == No {
			p.bind(p.n, &b) // fetch could not know yet
		}
		p.take(b)
		return true, b, nil
	}
	if p.tries++; p.tries == maxTries {
		p.cursor = opaque
	}
	return false, answer{}, nil
}

// follow walks by the server's own cursors, from page a on, which is taken in. In the Offset dialect it is the walk over hidden rows:
// by what was received, so that nothing is passed over, though some rows are read twice.
func (p *pass) follow(ctx context.Context, a answer) error {
	p.bare = true
	used := map[int64]struct{}{a.cursor: {}}
	for !p.ends(a) {
		p.short = min(p.short, len(a.rows))
		next, err := p.next(a)
		if err != nil {
			return err
		}
		if _, again := used[next]; again {
			return &LoopError{Pass: p.n, Page: p.pages}
		}
		used[next] = struct{}{}
		if err := p.progress(ctx, a); err != nil {
			return err
		}
		if a, err = p.fetch(ctx, next); err != nil {
			return err
		}
		p.anchor = -1 // these pages do not overlap
		p.take(a)
	}
	p.hidden = p.hidden || p.short < p.longest
	return nil
}

// next is where the server says, or in the Offset dialect implies, that page a goes on.
func (p *pass) next(a answer) (int64, error) {
	switch {
	case p.dialect == Offset && len(a.rows) == 0 && a.More == Unknown:
		return 0, errUnfinished // behind hidden rows an empty page is no end, and there is no other
	case p.dialect == Offset && len(a.rows) == 0:
		return a.cursor + int64(max(1, p.longest)), nil
	case p.dialect == Offset:
		return a.end(), nil
	case a.HasNext:
		return a.Next, nil
	case a.More == Yes:
		return 0, &CursorError{Pass: p.n, Page: p.pages}
	}
	return 0, errUnfinished
}

// progress finds out whether going on from page a can lead anywhere: whether the server heeds the cursor at all, and whether the list
// has an end that the pass can come to.
func (p *pass) progress(ctx context.Context, a answer) error {
	if p.idle > stuckAfter+p.pages-p.idle {
		return p.stuck(ctx, a)
	}
	if p.n > 2 && p.positions() && p.length > 0 && p.pages-p.glanced >= max(3, p.reference/16) {
		p.glanced = p.pages
		if _, err := p.fetch(ctx, p.length-1); err != nil {
			return err
		}
	}
	if p.budget > 0 || p.pages < max(surveyFrom, 2*p.surveyed) || p.dialect == Token && p.cursor != skips {
		return nil
	}
	p.surveyed = p.pages
	far, err := p.fetch(ctx, 2*int64(p.pages)*int64(p.longest))
	if err != nil {
		return err
	}
	if len(far.rows) == 0 && !far.claimsMore() || far.More == No {
		p.budget = growth*2*p.surveyed + slack
	}
	return nil
}

// stuck tells a server that ignores the cursor, which is an error, from a list that grows in front as fast as it is read, which is not:
// the page at the start begins as this one does, and this one still does.
func (p *pass) stuck(ctx context.Context, a answer) error {
	if a.cursor == 0 || len(a.rows) == 0 {
		return errUnfinished
	}
	for _, cursor := range []int64{0, a.cursor} {
		b, err := p.fetch(ctx, cursor)
		if err != nil {
			return err
		}
		if len(b.rows) == 0 || b.rows[0] != a.rows[0] {
			return errUnfinished
		}
	}
	return &StuckError{Pass: p.n, Page: p.pages, Run: p.idle}
}

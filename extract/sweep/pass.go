package sweep

import (
	"context"
	"errors"
)

// maxTries is how many times a token is put to the proof of being a skip count; each costs two requests.
const maxTries = 3

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
	spent  bool   // it had its share of requests before it did

	agreeing int // passes in a row, up to this one, that saw the same users

	pages, shifts int
	idle          int // pages in a row that took in nobody new
	glanced       int // requests when the list's end was last glanced at
	surveyed      int // requests when it was last asked how long the list can be
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
		a, err := p.first(ctx)
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

// first reads the list's start. Where only an empty page can be the end, one at the start has no row before it that would confirm it, and
// is read again.
func (p *pass) first(ctx context.Context) (answer, error) {
	a, err := p.fetch(ctx, 0)
	if err == nil && len(a.rows) == 0 && a.More == Unknown && !a.HasNext {
		a, err = p.fetch(ctx, 0)
	}
	return a, err
}

// fetch asks for a page unless the pass has had its share of requests.
func (p *pass) fetch(ctx context.Context, cursor int64) (answer, error) {
	if p.budget > 0 && p.pages >= p.budget {
		p.spent = true
		return answer{}, errUnfinished
	}
	return p.sweep.fetch(ctx, p, cursor)
}

// take adds a page's rows to the walk.
func (p *pass) take(a answer) {
	users := p.users
	for n, i := range a.rows {
		e := p.ledger.entries.At(i)
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

package sweep

import "context"

// step walks by skip counts from page a on, which is taken in. Each further page begins one row early, so that its first row proves
// that it joins what was read.
func (p *pass) step(ctx context.Context, a answer) error {
	for !p.ends(a) {
		if err := p.vet(a); err != nil {
			return err
		}
		if p.hidden || p.cursor == opaque {
			return p.follow(ctx, a)
		}
		if err := p.guard(ctx, a); err != nil {
			return err
		}
		var err error
		if a, err = p.forward(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// vet checks the server's account of a page against our own arithmetic.
func (p *pass) vet(a answer) error {
	switch {
	case !a.claimsMore():
	case p.dialect == Offset:
		p.gaps, p.hidden = p.gaps || len(a.rows) == 0, len(a.rows) == 0
	case !a.HasNext:
		return &CursorError{Pass: p.n, Page: p.pages}
	case a.Next <= a.cursor:
		return &LoopError{Pass: p.n, Page: p.pages}
	case a.Next > a.end():
		p.gaps, p.hidden = true, true
	case a.Next < a.end():
		p.cursor = opaque
		p.bounds = nil // they took it for a skip count
	}
	return nil
}

// forward reads the page that joins the last one taken in, and takes it in. An empty page that claims more it gives back as it is.
//
// Where the last page brought one row, or is short and no answer says whether more follows, the next may be the end or the server may
// give no more than a row: only the page behind it tells. If that one is empty and says nothing more, the row before it must be there,
// and be the last, for this to be the end.
func (p *pass) forward(ctx context.Context, last answer) (answer, error) {
	lone := len(last.rows) == 1
	if lone || last.More == Unknown && len(last.rows) < p.longest {
		a, err := p.fetch(ctx, last.end())
		switch {
		case err != nil:
			return a, err
		case len(a.rows) == 0 && a.claimsMore():
			return a, nil
		case len(a.rows) == 0 && a.More == Unknown:
			p.suppose(p.n, &a)
		case len(a.rows) > 0 && lone:
			p.bare = true
			p.take(a)
			return a, nil
		}
	}
	a, found, err := p.rejoin(ctx, last.end())
	p.whole = p.settle(found && len(a.rows) == 1 && !a.claimsMore())
	return a, err
}

// rejoin reads a page that begins with a row of the walk, stepping back 1, 2, 4, … rows from the walk's end, to the list's start if need
// be, and takes it in. It reports whether the first step sufficed.
func (p *pass) rejoin(ctx context.Context, end int64) (answer, bool, error) {
	for back := int64(1); ; back *= 2 {
		a, err := p.fetch(ctx, max(0, end-back))
		if err != nil || len(a.rows) == 0 && a.claimsMore() {
			return a, false, err
		}
		if a.cursor > 0 && (len(a.rows) == 0 || p.ledger.entries.At(a.rows[0]).walk != p.id) {
			continue
		}
		if back > 1 || len(a.rows) == 0 || a.rows[0] != p.anchor {
			p.shifts++
			if p.o.Hooks.OnShift != nil {
				p.o.Hooks.OnShift(p.n, p.pages, back-1)
			}
		}
		p.take(a)
		return a, back == 1, nil
	}
}

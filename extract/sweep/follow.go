package sweep

import "context"

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
		if err := p.guard(ctx, a); err != nil {
			return err
		}
		if a, err = p.fetch(ctx, next); err != nil {
			return err
		}
		p.anchor = -1 // these pages do not overlap
		p.take(a)
	}
	if p.short < p.longest {
		p.gaps, p.hidden = true, true
	}
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

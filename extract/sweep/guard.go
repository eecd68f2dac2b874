package sweep

import "context"

const (
	stuckAfter  = 20  // forward pages in a row with nobody new, beyond as many as the pass had before them
	surveyFrom  = 64  // requests after which a first pass asks how long the list can be
	growth      = 3   // a pass may take this many times the requests that the first whole one took, or would take,
	slack       = 100 // and this many more
	maxRunaways = 3   // passes in a row that spend all that before the sweep gives up
	glanceFrom  = 3   // the first pass that glances at the list's end
	glances     = 8   // glances in a pass, or so
	glanceEvery = 3   // requests between two, at least
)

// guard stands between the pages of a walk. It finds out whether going on from page a can lead anywhere: whether the server heeds the
// cursor at all, and whether the list has an end that the pass can come to.
func (p *pass) guard(ctx context.Context, a answer) error {
	if p.idle > stuckAfter+p.pages-p.idle {
		return p.stuck(ctx, a)
	}
	if err := p.glance(ctx); err != nil {
		return err
	}
	return p.survey(ctx)
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

// glance looks at the list's end now and then. Each glance is one more instant that the proof by count can hold for; a list that moved
// too much for the two instants that the usual passes offer has a quiet one sooner among many. Lists that keep still never pay for it.
func (p *pass) glance(ctx context.Context) error {
	if p.n < glanceFrom || !p.positions() || p.length == 0 || p.pages-p.glanced < max(glanceEvery, p.reference/glances) {
		return nil
	}
	_, err := p.fetch(ctx, p.length-1)
	p.glanced = p.pages
	return err
}

// survey gives a sweep that has no measure of the list one: a page so far on that the walk is nowhere near, farther with each doubling
// of its requests. If the list is over by then, so should the pass be after twice as many pages as lie before it; else the list grows, or
// moves, as fast as it is read. If it is not over it is long, and is asked about again. An opaque cursor cannot be asked.
func (p *pass) survey(ctx context.Context) error {
	if p.budget > 0 || p.pages < max(surveyFrom, 2*p.surveyed) || p.dialect == Token && p.cursor != skips {
		return nil
	}
	p.surveyed = p.pages
	pages := 2 * p.pages * (p.pages / surveyFrom)
	a, err := p.fetch(ctx, int64(pages)*int64(max(1, p.longest-1)))
	if err != nil {
		return err
	}
	if a.More == No || len(a.rows) == 0 && !a.claimsMore() {
		p.budget = 2*pages + slack
	}
	return nil
}

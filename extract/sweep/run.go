package sweep

import (
	"context"
	"errors"
	"fmt"
	"math"
)

const (
	defaultPasses = 8
	maxPasses     = math.MaxUint8
	minLimit      = 2   // a page of one row could overlap the one before or bring somebody new, not both
	maxEmpty      = 100 // empty pages in a row that claim more
)

// Run sweeps the list until one of the proofs holds or MaxPasses passes were made. It makes its requests one after another, and given
// the same answers it makes the same requests.
//
// A list that will not hold still is no error: the certificate says so. Errors are those of the lister, of Seen and of Lookup, wrapped;
// ctx's; and for a server whose answers contradict each other a *LoopError, *StuckError, *EmptyPagesError or *CursorError.
func Run(ctx context.Context, l lister, o Options) (*Result, error) {
	s, err := newSweep(l, o)
	if err != nil {
		return nil, err
	}
	var last *pass
	for n := 1; n <= s.o.MaxPasses && s.runaways < maxRunaways && !s.contradicted; n++ {
		p := s.newPass(n, last)
		err := p.run(ctx)
		if err != nil && !errors.Is(err, errUnfinished) {
			return nil, err
		}
		s.finish(p)
		v, err := s.judge(ctx, p)
		if err != nil {
			return nil, err
		}
		if v.proof != "" {
			return s.result(v), nil
		}
		last = p
	}
	return s.result(verdict{}), nil
}

// sweep is one run over a list: what all its passes share.
type sweep struct {
	lister lister
	o      Options

	dialect Dialect    // Token or Offset once the first answer is in
	cursor  cursorKind // what a Token cursor has proved to be
	tries   int        // times the cursor was put to the proof
	gaps    bool       // a page that claimed more held fewer rows than it could have: rows are hidden
	hidden  bool       // and so our own arithmetic is not to be used; in the Offset dialect, where there is no other, for one pass
	open    bool       // an answer did not say whether more follows
	longest int        // rows of the longest page
	short   int        // rows of the shortest page that was read at the server's own cursor and claimed more

	requests     uint32 // numbers the answers; the instants that the proofs speak of
	walks        uint16 // numbers the walks, see pass.id
	empty        int    // empty pages in a row that claim more
	ledger       *ledger
	recurrences  *recurrences
	bounds       []bound
	contradicted bool           // more users were proved to be within a bound than it allows
	length       int64          // rows of the list when its end was last seen
	absent       map[int]uint32 // entries that a look-up did not find, with its request

	pages, shifts, lookups, passes int
	unfinished, runaways           int // passes that came to no end; of the last ones in a row, those that spent their budget
	reference                      int // requests of the first pass that came to the list's end, 0 for none
	budget                         int // requests that a pass may take, 0 as long as nothing is known of the list's length
}

// cursorKind is what a cursor means. Only a skip count can step back.
type cursorKind uint8

const (
	untried cursorKind = iota
	skips              // the number of rows before the page
	opaque             // anything else: to be followed as it comes
)

func newSweep(l lister, o Options) (*sweep, error) {
	switch {
	case o.Limit < 1:
		return nil, fmt.Errorf("sweep: a page size of %d", o.Limit)
	case o.MaxPasses < 0 || o.MaxPasses > maxPasses:
		return nil, fmt.Errorf("sweep: %d passes; 1 to %d are possible", o.MaxPasses, maxPasses)
	case o.Seen == nil:
		return nil, errors.New("sweep: nobody to give the rows to")
	}
	o.Limit = max(o.Limit, minLimit)
	if o.MaxPasses == 0 {
		o.MaxPasses = defaultPasses
	}
	entries := newLedger(o.Space)
	return &sweep{
		lister: l, o: o, dialect: o.Dialect, short: math.MaxInt, ledger: entries, recurrences: newRecurrences(entries), absent: make(map[int]uint32),
	}, nil
}

// answer is a page with where and when it was read.
type answer struct {
	Page
	cursor   int64
	rows     []int // ledger entries of the items
	distinct int   // how many different ones
}

// end is the position behind the last row, where the cursor counts rows.
func (a *answer) end() int64 { return a.cursor + int64(len(a.rows)) }

// claimsMore reports whether the answer itself says that more follows.
func (a *answer) claimsMore() bool { return a.More == Yes || a.More == Unknown && a.HasNext }

// fetch asks for one page and files it: every row is sighted, every bound brought up to date. It does not judge where the page lies.
func (s *sweep) fetch(ctx context.Context, p *pass, cursor int64) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	page, err := p.page(ctx, Query{Limit: s.o.Limit, Cursor: cursor, Sort: p.sort, before: s.recurrences})
	if err != nil {
		return answer{}, fmt.Errorf("sweep: pass %d, list request %d: %w", p.n, p.pages+1, err)
	}
	s.requests++
	s.pages++
	p.pages++
	s.learn(page)
	a := answer{Page: page, cursor: cursor, rows: make([]int, 0, page.rows())}
	if err := s.sight(&a); err != nil {
		return answer{}, fmt.Errorf("sweep: taking in a row of pass %d: %w", p.n, err)
	}
	if a.More == No && (cursor == 0 || s.positions()) {
		s.length = a.end()
		s.bind(p.n, &a)
	}
	if s.o.Hooks.OnPage != nil {
		s.o.Hooks.OnPage(p.n, p.pages, s.ledger.len())
	}
	if len(a.rows) > 0 || !a.claimsMore() {
		s.empty = 0
	} else if s.empty++; s.empty > maxEmpty {
		return answer{}, &EmptyPagesError{Pass: p.n, Page: p.pages, Run: s.empty}
	}
	return a, nil
}

// sight files the rows of an answer.
func (s *sweep) sight(a *answer) error {
	file := func(i int, known entry) {
		s.recount(known)
		if known.last != s.requests {
			a.distinct++
		}
		a.rows = append(a.rows, i)
	}
	if a.again != nil {
		for i := range a.again.entries() {
			file(i, s.ledger.again(i, s.requests))
		}
	}
	for _, item := range a.Items {
		i, known, fresh := s.ledger.sight(item, s.requests)
		file(i, known)
		if !fresh {
			continue
		}
		if err := s.o.Seen(item); err != nil {
			return err
		}
	}
	s.recurrences.note(a.Page, a.rows, s.requests)
	a.Items, a.Body = nil, nil
	return nil
}

// page asks for a page, and for a smaller one where that may help. The error is that of the first try.
func (p *pass) page(ctx context.Context, q Query) (Page, error) {
	page, err := p.lister.Page(ctx, q)
	if err == nil || p.o.Smaller == nil {
		return page, err
	}
	first := err
	for err != nil {
		if q.Limit == minLimit || !p.o.Smaller(err) {
			return Page{}, first
		}
		p.sweep.pages++
		p.pages++
		q.Limit = max(minLimit, q.Limit/2)
		page, err = p.lister.Page(ctx, q)
	}
	p.shrink(q.Limit)
	return page, nil
}

// shrink has the sweep ask for fewer rows from here on. What it knows of pages, it knew of larger ones.
func (s *sweep) shrink(limit int) {
	if s.short < s.o.Limit {
		s.short = min(s.short, limit-1)
	} else {
		s.short = math.MaxInt
	}
	s.longest = min(s.longest, limit)
	s.budget *= (s.o.Limit + limit - 1) / limit
	s.o.Limit = limit
}

// learn notes what an answer tells about the server.
func (s *sweep) learn(page Page) {
	if s.dialect == Auto {
		s.dialect = page.Dialect
	}
	if s.dialect == Auto {
		s.dialect = Offset
		if page.HasNext {
			s.dialect = Token
		}
	}
	if page.More == Unknown {
		s.open = true
	}
	s.longest = max(s.longest, page.rows())
}

// positions reports whether a cursor is the number of rows before its page, and pages are made of rows that we may see.
func (s *sweep) positions() bool {
	return !s.hidden && (s.dialect == Offset || s.cursor == skips)
}

// newPass begins pass n. Where the list's length cannot be taken for proof, or an empty page for the end, each pass reads in the order
// opposite to the one before: what hides from one pass behind the rows before it would have to hide from the next behind those after it.
func (s *sweep) newPass(n int, before *pass) *pass {
	p := &pass{sweep: s, n: n, before: before, sort: Ascending}
	s.hidden = s.hidden && s.dialect == Token
	if before != nil && before.sort == Ascending && (s.gaps || s.open || s.cursor == opaque) {
		p.sort = Descending
	}
	p.restart()
	s.passes++
	return p
}

// finish closes a pass's books.
func (s *sweep) finish(p *pass) {
	s.shifts += p.shifts
	if s.runaways++; !p.spent {
		s.runaways = 0
	}
	if !p.whole {
		s.unfinished++
	} else if s.reference == 0 {
		s.reference = p.pages
		s.budget = growth*p.pages + slack
	}
	p.agreeing = 1
	if p.before != nil {
		if p.agrees(p.before) {
			p.agreeing += p.before.agreeing
		}
		p.before = nil
	}
	if s.o.Hooks.OnPass != nil {
		s.o.Hooks.OnPass(PassReport{Pass: p.n, Sort: p.sort, Pages: p.pages, Users: p.users, Shifts: p.shifts, Whole: p.whole})
	}
}

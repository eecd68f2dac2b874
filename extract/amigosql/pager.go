package amigosql

import (
	"context"
	"errors"
	"net/http"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

const (
	maxRows = 1000 // the most rows of one answer (api/amigo.md §3.11)
	// leastTimed is the size below which a time-out does not lead to a smaller one: the server would need its 30 seconds for any.
	leastTimed = 31
	patience   = 4 // answers in a row that it takes to try a larger size
)

// pager finds out how many rows can be asked for at once.
type pager struct {
	s       *Source
	size    int
	most    int
	good    int  // answers in a row at this size
	wanted  int  // of them before a larger size is tried; doubles each time that was too early
	doubled bool // the size was, and has not stood the test yet
	asked   int  // requests, for who bounds them
}

func newPager(s *Source, most int) *pager {
	return &pager{s: s, size: most, most: most, wanted: patience}
}

// ask sends the query that build makes for a number of rows, for fewer and fewer until there is an answer. final are statuses that are one.
func (p *pager) ask(ctx context.Context, build func(rows int) string, final ...int) (answer, error) {
	for {
		p.asked++
		statuses := final
		if p.size > leastTimed {
			statuses = append([]int{http.StatusRequestTimeout}, final...)
		}
		a, err := p.s.rows(ctx, build(p.size), statuses)
		if err == nil && a.cut == sweep.Yes && len(a.rows) == 0 {
			err = errNoRoom
		}
		switch {
		case err == nil:
			a.limit = p.size
			p.grow()
			return a, nil
		case p.size == 1 || !helped(err):
			return answer{}, err
		}
		p.shrink()
	}
}

// errNoRoom: an answer was cut down to nothing.
var errNoRoom = errors.New("an answer was truncated to no rows")

// helped reports whether asking for fewer rows may help. Offline, a query may be missing because its answer was too large to be taken, and
// so was never recorded.
func helped(err error) bool {
	var large *extract.TooLargeError
	return errors.Is(err, errTimedOut) || errors.Is(err, errNoRoom) || errors.As(err, &large) || errors.Is(err, extract.ErrNotRecorded)
}

func (p *pager) shrink() {
	if p.doubled {
		p.wanted *= 2
	}
	p.size, p.good, p.doubled = p.size/2, 0, false
}

func (p *pager) grow() {
	p.doubled = false
	if p.good++; p.size < p.most && p.good >= p.wanted {
		p.size, p.good, p.doubled = min(2*p.size, p.most), 0, true
	}
}

package sweep_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// person is one user of the model. Instants are request numbers: 0 is before the sweep.
type person struct {
	id, email string
	revision  int  // counts changes, so that a sighting's age shows
	hidden    bool // in the list, but not for this caller
	born      int
	died      int // 0: alive
	moved     []int
}

// raw is the row as the model writes it; a person with an id that begins with "!" has no user_id.
func (p *person) item() sweep.Item {
	if rest, anonymous := strings.CutPrefix(p.id, "!"); anonymous {
		raw := fmt.Appendf(nil, `{"email":%q}`, rest)
		return sweep.Item{Key: sweep.Unkeyed(raw), Raw: raw}
	}
	return sweep.Item{Key: p.id, Raw: fmt.Appendf(nil, `{"user_id":%q,"revision":%d}`, p.id, p.revision)}
}

// model is a list endpoint held in memory. It shares nothing with the sweep but the types of a question and an answer.
type model struct {
	live, dead []*person            // live: in the natural order
	sorted     map[string][]*person // by sort, until the next change

	dialect   sweep.Dialect
	silent    bool              // no has_more
	ceiling   int               // rows on a page at most, whatever was asked for; 0 for none
	capacity  int               // weight of a page at most, or it is refused; 0 for none
	unsorted  bool              // sort is ignored
	foldCase  bool              // e-mails compare without case
	holes     bool              // permission is applied after paging
	base      int64             // tokens are skip+base
	numbered  bool              // tokens are numbers of pages, from 1
	keyset    bool              // tokens stand for the last row's sort value
	mute      bool              // no answer is to be known again by its bytes
	repeats   int               // answers that were
	namely    int               // of them by the recorder's name
	names     map[string]uint64 // of bodies
	bookmarks []bookmark
	plan      map[int][]mutation // before request n
	each      mutation           // before every request
	tamper    func(n int, q sweep.Query, p *sweep.Page)
	n         int // list requests so far
	asked     []sweep.Query
	given     []sweep.Page
	refused   []int // the places of refusals in these
	lookups   int
	fresh     int
}

type bookmark struct{ email, id string }

// mutation changes the model just before a request is answered: rows is the list in the order asked for, skip the request's position.
type mutation func(m *model, rows []*person, skip int)

func newModel(n int) *model {
	m := &model{dialect: sweep.Token, plan: map[int][]mutation{}}
	for i := range n {
		// emails in another order than ids, and in mixed case, so that the orders differ
		email := fmt.Sprintf("%c%03d@example.com", "aBcDeFgH"[(i*5)%8], (i*37)%1000)
		m.live = append(m.live, &person{id: fmt.Sprintf("u%03d", i), email: email})
	}
	return m
}

// order is the list in the order asked for; it stays as it is when the model moves on.
func (m *model) order(sort string) []*person {
	if m.unsorted {
		sort = ""
	}
	if rows, ok := m.sorted[sort]; ok {
		return rows
	}
	rows := slices.Clone(m.live)
	if m.sorted == nil {
		m.sorted = map[string][]*person{}
	}
	m.sorted[sort] = rows
	if m.unsorted {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b *person) int {
		c := m.compare(bookmark{a.email, a.id}, bookmark{b.email, b.id})
		if strings.HasPrefix(sort, "-") {
			return -c
		}
		return c
	})
	return rows
}

func (m *model) compare(a, b bookmark) int {
	if m.foldCase {
		if c := cmp.Compare(strings.ToLower(a.email), strings.ToLower(b.email)); c != 0 {
			return c
		}
		return cmp.Compare(a.id, b.id)
	}
	return cmp.Or(cmp.Compare(a.email, b.email), cmp.Compare(a.id, b.id))
}

// errTooLarge refuses a page that has more than the model's capacity.
var errTooLarge = errors.New("the page is too large")

func isTooLarge(err error) bool { return errors.Is(err, errTooLarge) }

// weight is that of a page: some rows weigh more than others.
func weight(page []*person) int {
	w := 0
	for _, p := range page {
		w++
		if strings.HasPrefix(p.email, "c") {
			w += 2
		}
	}
	return w
}

func visible(rows []*person) []*person {
	hidden := func(p *person) bool { return p.hidden }
	if !slices.ContainsFunc(rows, hidden) {
		return rows
	}
	return slices.DeleteFunc(slices.Clone(rows), hidden)
}

// position is where a cursor points to in rows.
func (m *model) position(q sweep.Query, rows []*person) int {
	if m.numbered {
		return int(max(0, q.Cursor-1)) * q.Limit
	}
	if !m.keyset || q.Cursor == 0 {
		return int(max(0, q.Cursor-m.base))
	}
	i := q.Cursor - 1_000_000
	if i < 0 || i >= int64(len(m.bookmarks)) {
		return len(rows) // not a cursor of ours
	}
	last := m.bookmarks[i]
	next := slices.IndexFunc(rows, func(p *person) bool {
		c := m.compare(bookmark{p.email, p.id}, last)
		return c > 0 && !strings.HasPrefix(q.Sort, "-") || c < 0 && strings.HasPrefix(q.Sort, "-")
	})
	if next < 0 {
		return len(rows)
	}
	return next
}

// question is what a query asks, which can be compared.
func question(q sweep.Query) sweep.Query {
	return sweep.Query{Limit: q.Limit, Cursor: q.Cursor, Sort: q.Sort}
}

func (m *model) Page(ctx context.Context, q sweep.Query) (sweep.Page, error) {
	m.n++
	for _, f := range append(slices.Clone(m.plan[m.n]), m.each) {
		if f != nil {
			rows := m.order(q.Sort)
			f(m, rows, min(m.position(q, rows), len(rows)))
		}
	}
	limit := q.Limit
	if m.ceiling > 0 {
		limit = min(limit, m.ceiling)
	}
	rows := m.order(q.Sort)
	if !m.holes {
		rows = visible(rows)
	}
	skip := m.position(q, rows)
	page := rows[min(skip, len(rows)):min(skip+limit, len(rows))]
	if m.capacity > 0 && weight(page) > m.capacity {
		m.asked, m.given, m.refused = append(m.asked, question(q)), append(m.given, sweep.Page{}), append(m.refused, len(m.asked))
		return sweep.Page{}, errTooLarge
	}
	p := sweep.Page{Dialect: m.dialect, More: sweep.No}
	if skip+limit < len(rows) {
		p.More, p.HasNext, p.Next = sweep.Yes, true, int64(skip+limit)+m.base
		switch {
		case m.numbered:
			p.Next = int64(skip/limit) + 2
		case m.keyset:
			last := page[len(page)-1]
			p.Next = 1_000_000 + int64(len(m.bookmarks))
			m.bookmarks = append(m.bookmarks, bookmark{last.email, last.id})
		}
	}
	for _, u := range visible(page) {
		p.Items = append(p.Items, u.item())
	}
	if m.silent {
		p.More = sweep.Unknown
	}
	if m.dialect == sweep.Offset {
		p.HasNext, p.Next = false, 0
	}
	if m.tamper != nil {
		m.tamper(m.n, q, &p)
	}
	m.asked, m.given = append(m.asked, question(q)), append(m.given, p)
	if m.mute {
		return p, nil
	}
	p.Body = fmt.Appendf(nil, "%v %d %v %v %q", p.More, p.Next, p.HasNext, p.Dialect, p.Items)
	if m.n%3 > 0 { // a recorder's, which does not name all
		if m.names == nil {
			m.names = map[string]uint64{}
		}
		if m.names[string(p.Body)] == 0 {
			m.names[string(p.Body)] = uint64(len(m.names) + 1)
		}
		p.Name = m.names[string(p.Body)]
	}
	if again, ok := q.AgainNamed(p.Name); ok {
		m.repeats++
		m.namely++
		return again, nil
	}
	if again, ok := q.Again(p.Body); ok {
		m.repeats++
		return again, nil
	}
	return p, nil
}

func (m *model) Lookup(_ context.Context, keys []string) ([]sweep.Item, error) {
	m.lookups++
	var out []sweep.Item
	for _, p := range m.live {
		if slices.Contains(keys, p.id) {
			out = append(out, p.item())
		}
	}
	return out, nil
}

// What can happen to the list.

func (m *model) insert(email string, at int) *person {
	m.fresh++
	p := &person{id: fmt.Sprintf("n%03d", m.fresh), email: email, born: m.n}
	m.live = slices.Insert(m.live, at, p)
	m.sorted = nil
	return p
}

func (m *model) delete(p *person) {
	m.live = slices.DeleteFunc(m.live, func(o *person) bool { return o == p })
	p.died = m.n
	m.sorted = nil
	m.dead = append(m.dead, p)
}

// move gives p a place next to another, in either order.
func (m *model) move(p, to *person) {
	if p == to {
		return
	}
	m.fresh++
	p.email = beside(to, m.fresh)
	p.moved = append(p.moved, m.n)
	m.sorted = nil
	m.live = slices.DeleteFunc(m.live, func(o *person) bool { return o == p })
	m.live = slices.Insert(m.live, m.index(to), p)
}

// beside sorts directly behind p's e-mail.
func beside(p *person, n int) string {
	local, domain, _ := strings.Cut(p.email, "@")
	return fmt.Sprintf("%s!%04d@%s", local, n, domain)
}

func (m *model) index(p *person) int { return slices.Index(m.live, p) }

// throughout are those who lived, visible, from the sweep's first request to its last.
func (m *model) throughout() []*person {
	var out []*person
	for _, p := range slices.Concat(m.live, m.dead) {
		if !p.hidden && p.born <= 1 && (p.died == 0 || p.died > m.n) {
			out = append(out, p)
		}
	}
	return out
}

func (m *model) everybody() map[string]*person {
	out := make(map[string]*person)
	for _, p := range slices.Concat(m.live, m.dead) {
		out[p.item().Key] = p
	}
	return out
}

// transcript is what was asked and given, and who there was, for a failure's message.
func (m *model) transcript() string {
	var b strings.Builder
	for i, q := range m.asked {
		fmt.Fprintf(&b, "%d %s at %d, limit %d:", i+1, q.Sort, q.Cursor, q.Limit)
		for _, item := range m.given[i].Items {
			fmt.Fprintf(&b, " %s", item.Key)
		}
		fmt.Fprintf(&b, "; more %d, next %d\n", m.given[i].More, m.given[i].Next)
	}
	for _, p := range append(m.order(sweep.Ascending), m.dead...) {
		fmt.Fprintf(&b, "%+v\n", *p)
	}
	return b.String()
}

// cursors are those that were asked for.
func (m *model) cursors() []int64 {
	var out []int64
	for _, q := range m.asked {
		out = append(out, q.Cursor)
	}
	return out
}

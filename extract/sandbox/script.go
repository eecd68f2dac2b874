package sandbox

import (
	"slices"
	"strconv"
	"strings"
)

// script is a scenario being played. It remembers what its steps refer to: the page about to be read and the one before.
type script struct {
	steps    []Step
	keys     []sortKey // of the last list request
	frontier int       // the row that the last list request began at
	lastPage []handle  // what it was served
	turns    uint64    // changes made so far: each has dice of its own

	freddyFrontier int
	freddyLastPage []handle
}

// on is the steps that happen at a request.
func (s *script) on(kind string, ofKind, ofAll int) faults {
	var f faults
	for i := range s.steps {
		if s.steps[i].hits(kind, ofKind, ofAll) {
			f = append(f, &s.steps[i])
		}
	}
	return f
}

// crowd is a live list that a scenario changes. The rows are in the order that is being paged through.
type crowd interface {
	rows() []handle
	insert(beside handle, alone bool, d *dice) // a new one who stands beside another in that order; alone: there is no other
	remove(gone ...handle)
	alter(h handle, d *dice)
	move(h, beside handle, d *dice)
}

// stage plays the steps that change what there is, before the request is answered.
func (s *Sandbox) stage(c *call) {
	if len(s.script.steps) == 0 {
		return
	}
	s.population.Lock()
	defer s.population.Unlock()
	s.script.follow(c, s.options.Dialect)
	for _, step := range c.faults {
		switch step.Do {
		case DoExpireTokens:
			s.tokens.expire()
		case DoLosePermission:
			s.people.hide(step.Share)
		case DoInsert, DoDelete, DoChange, DoMove:
			s.script.turns++
			d := roll(s.options.Seed, hashOf("turn"), s.script.turns)
			if strings.HasPrefix(c.kind, "freddy_") {
				step.change(freddyCrowd{s.freddy}, s.script.freddyFrontier, &d)
				continue
			}
			step.change(peopleCrowd{s.people, s.script.keys}, s.script.frontier, &d)
		}
	}
}

// follow notes where a list request begins to read. What the request itself is refused for is none of the script's business.
func (s *script) follow(c *call, dialect string) {
	number := func(name string) int {
		n, _ := strconv.Atoi(c.query.Get(name))
		return max(n, 0)
	}
	switch c.kind {
	case KindList:
		s.frontier = number("continuation_token")
		if dialect == DialectOffset {
			s.frontier = number("offset")
		}
		s.keys = nil
		for _, item := range c.query["sort_by"] {
			if key, ok := parseSortKey(item, sortFields); ok {
				s.keys = append(s.keys, key)
			}
		}
	case KindFreddyList:
		s.freddyFrontier = number("skip")
	}
}

// change plays an insert, delete, change or move on a crowd whose reader has come to a row. Where one side of that row is
// empty, there is nobody to delete, change or move there, and an insert goes to the list's own end on that side.
func (s *Step) change(c crowd, frontier int, d *dice) {
	for range max(s.Users, 1) {
		rows := c.rows()
		frontier := min(frontier, len(rows))
		before, after := rows[:frontier], rows[frontier:]
		side, other := before, after
		if s.Where == After {
			side, other = after, before
		}
		switch {
		case s.Do == DoInsert && len(side) > 0:
			c.insert(pick(d, side), false, d)
		case s.Do == DoInsert && len(rows) > 0 && s.Where == Before:
			c.insert(rows[0], false, d)
		case s.Do == DoInsert && len(rows) > 0:
			c.insert(rows[len(rows)-1], false, d)
		case s.Do == DoInsert:
			c.insert(0, true, d)
		case s.Do == DoDelete && len(side) > 0:
			c.remove(pick(d, side))
		case s.Do == DoChange && s.Where == "" && len(rows) > 0:
			c.alter(pick(d, rows), d)
		case s.Do == DoChange && s.Where != "" && len(side) > 0:
			c.alter(pick(d, side), d)
		case s.Do == DoMove && len(side) > 0 && len(other) > 0:
			c.move(pick(d, other), pick(d, side), d)
		}
	}
}

// peopleCrowd is the organization as its list is being read.
type peopleCrowd struct {
	*people
	keys []sortKey
}

func (c peopleCrowd) rows() []handle { return c.sorted(c.keys) }

func (c peopleCrowd) insert(beside handle, alone bool, d *dice) {
	who := c.make.person(c.list.next)
	position := 0
	if !alone {
		other := c.list.at(beside)
		who.first, who.last, who.stats = other.first, other.last, other.stats
		who.email = c.nextTo(other.email, d)
		position = slices.Index(c.list.order, beside)
	}
	c.add(who, position)
}

func (c peopleCrowd) remove(gone ...handle) { c.people.remove(gone...) }

// alter is what a conversation does to a user, and a change of mind.
func (c peopleCrowd) alter(h handle, d *dice) {
	c.change(h, func(p *person) {
		p.stats.conversations++
		p.stats.messages += int64(d.between(2, 40))
		p.stats.last = p.updatedAt
		p.preferences = p.preferences.with("theme", quoted(pick(d, themes)))
	})
}

func (c peopleCrowd) move(h, beside handle, d *dice) {
	other := c.list.at(beside)
	c.change(h, func(p *person) {
		p.first, p.last, p.stats, p.email = other.first, other.last, other.stats, c.nextTo(other.email, d)
	})
	c.list.move(h, beside)
}

// nextTo is an address that stands right before another in the order that is being read, but for addresses that begin as it
// does: "-" comes before the "@" that ends the local part, "_" after it.
func (c peopleCrowd) nextTo(email string, d *dice) string {
	mark := "-"
	if len(c.keys) > 0 && c.keys[0].descending {
		mark = "_"
	}
	local, domain, _ := strings.Cut(email, "@")
	return local + mark + strconv.FormatUint(d.next()%1_000_000_000, 36) + "@" + domain
}

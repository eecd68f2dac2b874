package sandbox

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// people is the organization: who is in it, findable by id and by address, and listable in any order.
type people struct {
	org    string
	make   *generator
	list   roster[person]
	born   handle  // where those who came later begin
	views  []*view // the orders asked for lately, the latest last
	emails map[string]handle
	hidden map[handle]struct{} // living, but no longer visible to the caller: in list.gone too
	now    func() time.Time
}

func newPeople(o Options) *people {
	key := roll(o.Seed, hashOf(o.Org))
	g := &generator{key: key.next()}
	g.roles = makeRoles(g.key)
	return &people{
		org:    o.Org,
		make:   g,
		list:   newRoster(max(o.Users, 0), g.person),
		born:   handle(max(o.Users, 0)),
		emails: make(map[string]handle),
		hidden: make(map[handle]struct{}),
		now:    o.Now,
	}
}

// byID finds a living person whom the caller may see.
func (p *people) byID(id string) (handle, bool) {
	h, ok := numberOf(id)
	if !ok || !p.list.living(h) || p.identity(h).id != id {
		return 0, false
	}
	return h, true
}

// byEmail finds a living person whom the caller may see by the exact address.
func (p *people) byEmail(email string) (handle, bool) {
	h, ok := p.emails[email]
	if !ok {
		h, ok = numberOfEmail(email)
	}
	if !ok || !p.list.living(h) || p.identity(h).email != email {
		return 0, false
	}
	return h, true
}

// identity is the part of a person that searching and sorting need, without making the rest.
func (p *people) identity(h handle) identity {
	if kept, ok := p.list.kept[h]; ok {
		return kept.identity
	}
	return p.make.identity(h)
}

func (p *people) stats(h handle) stats {
	if kept, ok := p.list.kept[h]; ok {
		return kept.stats
	}
	return p.make.stats(h)
}

// add takes in a new person at a position of the unsorted list, and gives them the id and updated_at they lack.
func (p *people) add(who *person, position int) {
	who.id = p.make.identity(p.list.next).id
	who.updatedAt = p.stamp()
	h := p.list.add(who, position)
	p.emails[who.email] = h
	for _, v := range p.views {
		p.place(v, h)
	}
}

// change replaces what is known of a living person by what edit makes of a copy.
func (p *people) change(h handle, edit func(*person)) {
	who := *p.list.at(h)
	edit(&who)
	who.updatedAt = p.stamp()
	for _, v := range p.views {
		v.order = slices.DeleteFunc(v.order, func(x handle) bool { return x == h })
	}
	p.list.put(h, &who)
	p.emails[who.email] = h
	for _, v := range p.views {
		p.place(v, h)
	}
}

// remove deletes people.
func (p *people) remove(gone ...handle) {
	set := make(map[handle]struct{}, len(gone))
	for _, h := range gone {
		set[h] = struct{}{}
	}
	p.list.remove(set)
	for _, v := range p.views {
		v.order = slices.DeleteFunc(v.order, func(h handle) bool { _, out := set[h]; return out })
	}
}

// hide takes a share (0 to 1) of the people out of the caller's sight, always the same ones for the same population.
func (p *people) hide(share float64) {
	for _, h := range p.list.order {
		d := roll(p.make.key, uint64(h), hashOf("hidden"))
		if float64(d.below(1_000_000)) < share*1_000_000 {
			p.hidden[h] = struct{}{}
		}
	}
	p.remove(slices.Collect(maps.Keys(p.hidden))...)
}

// hides says whether an id is of somebody who is there but out of the caller's sight.
func (p *people) hides(id string) bool {
	h, ok := numberOf(id)
	if !ok {
		return false
	}
	_, hidden := p.hidden[h]
	return hidden && p.make.identity(h).id == id
}

// stamp is now as updated_at writes it.
func (p *people) stamp() string { return p.now().UTC().Format("2006-01-02T15:04:05.000000Z") }

// maxViews bounds the orders held at a time: four bytes a person each.
const maxViews = 8

// view is the living in one order.
type view struct {
	keys  []sortKey
	order []handle
}

// sortKey is one key of an order.
type sortKey struct {
	field      string
	descending bool
}

// fieldID sorts by user_id, which the SQL endpoint can and the list cannot.
const fieldID = "user_id"

// sortFields are those that sort_by takes (api/amigo.md §2.1).
var sortFields = []string{"first_name", "last_name", "email", "user_stats.num_conversations", "user_stats.num_messages", "user_stats.last_message_time"}

// sortValue is what a person sorts by: bytes for text, with nothing folded; a number for the rest.
type sortValue struct {
	text   string
	number int64
}

func (p *people) value(h handle, field string) sortValue {
	switch field {
	case fieldID:
		return sortValue{text: p.identity(h).id}
	case "first_name":
		return sortValue{text: p.identity(h).first}
	case "last_name":
		return sortValue{text: p.identity(h).last}
	case "email":
		return sortValue{text: p.identity(h).email}
	case "user_stats.num_conversations":
		return sortValue{number: p.stats(h).conversations}
	case "user_stats.num_messages":
		return sortValue{number: p.stats(h).messages}
	default:
		return sortValue{number: p.stats(h).talked()}
	}
}

func (k sortKey) compare(a, b sortValue) int {
	c := cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.text, b.text))
	if k.descending {
		return -c
	}
	return c
}

// sorted is the living in the order of the keys, people with equal keys in the order they came; without keys, the list as it
// stands. The result is not to be changed, and holds until the next write.
func (p *people) sorted(keys []sortKey) []handle {
	if len(keys) == 0 {
		return p.list.order
	}
	for i, v := range p.views {
		if slices.Equal(v.keys, keys) {
			p.views = append(slices.Delete(p.views, i, i+1), v)
			return v.order
		}
	}
	if len(p.views) == maxViews {
		p.views = slices.Delete(p.views, 0, 1)
	}
	v := &view{keys, p.sort(keys)}
	p.views = append(p.views, v)
	return v.order
}

// sort makes each value once: to compare people by making them would make each of a million forty times.
func (p *people) sort(keys []sortKey) []handle {
	type row struct {
		values []sortValue
		h      handle
	}
	all := make([]sortValue, 0, len(keys)*len(p.list.order))
	rows := make([]row, len(p.list.order))
	for i, h := range p.list.order {
		for _, k := range keys {
			all = append(all, p.value(h, k.field))
		}
		rows[i] = row{all[len(all)-len(keys):], h}
	}
	slices.SortFunc(rows, func(a, b row) int {
		for i, k := range keys {
			if c := k.compare(a.values[i], b.values[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.h, b.h)
	})
	order := make([]handle, len(rows))
	for i, r := range rows {
		order[i] = r.h
	}
	return order
}

// compare orders two of the living by the keys, and by who came first where the keys are equal.
func (p *people) compare(keys []sortKey, a, b handle) int {
	for _, k := range keys {
		if c := k.compare(p.value(a, k.field), p.value(b, k.field)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a, b)
}

// place puts a living person where they belong in a view that lacks them.
func (p *people) place(v *view, h handle) {
	at, _ := slices.BinarySearchFunc(v.order, h, func(a, b handle) int { return p.compare(v.keys, a, b) })
	v.order = slices.Insert(v.order, at, h)
}

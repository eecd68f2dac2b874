package sweep_test

// mutations are what a schedule is made of: changes aimed at the frontier between what was read and what was not. x picks among rows.
var mutations = []struct {
	name string
	do   func(m *model, rows []*person, skip int, x uint64)
}{
	{"insert before", func(m *model, rows []*person, skip int, x uint64) { m.insertNear(rows[:skip], x) }},
	{"insert after", func(m *model, rows []*person, skip int, x uint64) { m.insertNear(rows[skip:], x) }},
	{"insert many", func(m *model, rows []*person, skip int, x uint64) {
		for i := range 2 + x%8 {
			m.insertNear(rows, x*(i+1))
		}
	}},
	{"delete before", func(m *model, rows []*person, skip int, x uint64) { m.deleteOne(rows[:skip], x) }},
	{"delete after", func(m *model, rows []*person, skip int, x uint64) { m.deleteOne(rows[skip:], x) }},
	{"delete anchor", func(m *model, rows []*person, skip int, x uint64) { m.deleteOne(rows[max(0, skip-1):skip], x) }},
	{"delete next", func(m *model, rows []*person, skip int, x uint64) {
		m.deleteOne(rows[skip:min(len(rows), skip+2)], x)
	}},
	{"swap", func(m *model, rows []*person, skip int, x uint64) {
		m.insertNear(rows[skip:], x>>8)
		m.deleteOne(rows[:skip], x)
	}},
	{"change", func(m *model, rows []*person, _ int, x uint64) {
		if len(rows) > 0 {
			rows[x%uint64(len(rows))].revision++
		}
	}},
	{"move back", func(m *model, rows []*person, skip int, x uint64) { m.moveOne(rows[skip:], rows[:skip], x) }},
	{"move next back", func(m *model, rows []*person, skip int, x uint64) {
		m.moveOne(rows[skip:min(len(rows), skip+2)], rows[:skip], x)
	}},
	{"move forward", func(m *model, rows []*person, skip int, x uint64) { m.moveOne(rows[:skip], rows[skip:], x) }},
	{"move back and delete", func(m *model, rows []*person, skip int, x uint64) {
		m.moveOne(rows[skip:min(len(rows), skip+2)], rows[:skip], x)
		m.deleteOne(rows[:skip], x>>16)
	}},
	{"move last first", func(m *model, rows []*person, skip int, x uint64) {
		if len(rows) > 1 && skip > 0 && skip < len(rows) {
			m.moveOne(rows[len(rows)-1:], rows[:1], x)
		}
	}},
	{"cross over", func(m *model, rows []*person, skip int, x uint64) {
		m.moveOne(rows[skip:], rows[:skip], x)
		m.moveOne(rows[:skip], rows[skip:], x>>8)
	}},
}

func pick(rows []*person, x uint64) *person {
	if len(rows) == 0 {
		return nil
	}
	return rows[x%uint64(len(rows))]
}

func (m *model) insertNear(rows []*person, x uint64) {
	if p := pick(rows, x); p != nil && p.died == 0 {
		m.insert(beside(p, m.fresh), m.index(p))
		return
	}
	m.insert("zz@example.com", len(m.live))
}

func (m *model) deleteOne(rows []*person, x uint64) {
	if p := pick(rows, x); p != nil && p.died == 0 {
		m.delete(p)
	}
}

func (m *model) moveOne(from, to []*person, x uint64) {
	p, q := pick(from, x), pick(to, x>>20)
	if p != nil && q != nil && p.died == 0 && q.died == 0 {
		m.move(p, q)
	}
}

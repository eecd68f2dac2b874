package sweep_test

import (
	"slices"
	"testing"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// The package comment says what each proof rests on. These tests break it, one thing at a time, so that the comment stays true: in each,
// somebody is missing from a certified list.

// flee moves a user out of the way whenever the next page would show them.
func flee(who *person) mutation {
	return func(m *model, rows []*person, skip int) {
		if at := indexOf(rows, who); at < skip || at >= skip+10 {
			return
		}
		if skip > 0 {
			m.move(who, rows[0])
		} else {
			m.move(who, rows[len(rows)-1])
		}
	}
}

func wantMissing(t *testing.T, m *model, r *sweep.Result, proof string, who *person) {
	t.Helper()
	if c := r.Certificate; !c.Certified || c.Proof != proof || r.Present(who.id) {
		t.Errorf("%s is present: %v; %+v\n%s", who.id, r.Present(who.id), c, m.transcript())
	}
}

func TestAgreementMissesWhoFleesFromEachPass(t *testing.T) {
	m := newModel(60)
	m.keyset = true
	who := m.order(sweep.Ascending)[30]
	m.each = flee(who)
	r := mustRun(t, m, sweep.Options{Limit: 10})
	wantMissing(t, m, r, sweep.ProofAgreement, who)
	if len(who.moved) < r.Certificate.Sweeps {
		t.Errorf("moved %d times in %d passes", len(who.moved), r.Certificate.Sweeps)
	}
}

func TestAgreementMissesWhoHiddenRowsPullAcross(t *testing.T) {
	m := newModel(60)
	m.holes = true
	rows := m.order(sweep.Ascending)
	for i, p := range rows {
		p.hidden = i%2 == 0
	}
	who := rows[31]
	m.each = func(m *model, rows []*person, skip int) {
		at := indexOf(rows, who)
		switch {
		case skip == 0: // hidden rows come in front until a page is to begin with who
			first := map[bool]string{true: "!", false: "~"}[rows[0].email < rows[len(rows)-1].email]
			for range 10 - at%10 {
				m.insert(first, 0).hidden = true
			}
		case at == skip: // and one goes
			m.delete(rows[slices.IndexFunc(rows, func(p *person) bool { return p.hidden })])
		}
	}
	r := mustRun(t, m, sweep.Options{Limit: 10})
	wantMissing(t, m, r, sweep.ProofAgreement, who)
	if r.Certificate.Sweeps != 3 {
		t.Errorf("%d passes over hidden rows", r.Certificate.Sweeps)
	}
}

func TestAnchoredMissesWhoMoves(t *testing.T) {
	m := newModel(60)
	who := m.order(sweep.Ascending)[30]
	m.each = flee(who)
	wantMissing(t, m, mustRun(t, m, sweep.Options{Limit: 10, SortKeyImmutable: true}), sweep.ProofAnchored, who)

	m = newModel(60)
	who = m.order(sweep.Ascending)[30]
	m.each = flee(who)
	if r := mustRun(t, m, sweep.Options{Limit: 10}); r.Certificate.Certified && !r.Present(who.id) {
		t.Errorf("a count missed them too: %+v", r.Certificate)
	}
}

func TestCountMissesWhenSomebodyReturns(t *testing.T) {
	m := newModel(60)
	rows := m.order(sweep.Ascending)
	who, guest := rows[30], rows[5]
	avoid := flee(who)
	m.each = func(m *model, rows []*person, skip int) {
		avoid(m, rows, skip)
		switch m.n {
		case 7: // the last page of the first pass
			m.delete(guest)
		case 8:
			m.insert(guest.email, 0).id = guest.id
		}
	}
	wantMissing(t, m, mustRun(t, m, sweep.Options{Limit: 10}), sweep.ProofCount, who)
}

func TestCountMissesWhenLookUpsShowMoreThanTheList(t *testing.T) {
	m := newModel(60)
	rows := m.order(sweep.Ascending)
	who, ghost := rows[30], rows[5]
	avoid := flee(who)
	m.each = func(m *model, rows []*person, skip int) {
		avoid(m, rows, skip)
		if m.n == 7 {
			ghost.hidden = true // still found by id
		}
	}
	wantMissing(t, m, mustRun(t, m, sweep.Options{Limit: 10, Lookup: m.Lookup}), sweep.ProofCount, who)
}

// TestSilentOffsetHidingAPage holds that a server without has_more that hides a whole page is not believed where it sorts.
func TestSilentOffsetHidingAPage(t *testing.T) {
	for _, unsorted := range []bool{false, true} {
		m := newModel(100)
		m.dialect, m.silent, m.holes, m.unsorted = sweep.Offset, true, true, unsorted
		for i, p := range m.order(sweep.Ascending) {
			p.hidden = 50 <= i && i < 75
		}
		if c := mustRun(t, m, sweep.Options{Limit: 10}).Certificate; c.Certified != unsorted {
			t.Errorf("unsorted %v: %+v", unsorted, c)
		}
	}
}

// TestAPageThatIsTooLarge is asked for again with half the limit, and the sweep stays with what can be had.
func TestAPageThatIsTooLarge(t *testing.T) {
	m := newModel(60)
	m.capacity = 20
	r := mustRun(t, m, sweep.Options{Limit: 40, Smaller: isTooLarge})
	wantEverybody(t, m, r, sweep.ProofCount)
	var limits []int
	for _, q := range m.asked {
		if n := len(limits); n == 0 || limits[n-1] != q.Limit {
			limits = append(limits, q.Limit)
		}
	}
	if !slices.Equal(limits, []int{40, 20, 10}) && !slices.Equal(limits, []int{40, 20, 10, 5}) {
		t.Errorf("asked for %d", limits)
	}
	m = newModel(60)
	m.capacity = 1 // two rows are too many, and pages overlap by one
	_, err := sweep.Run(t.Context(), m, sweep.Options{Limit: 40, Smaller: isTooLarge, Seen: func(sweep.Item) error { return nil }})
	if !isTooLarge(err) || len(m.asked) != 5 || m.asked[4].Limit != 2 {
		t.Errorf("%v after %v", err, m.asked)
	}
}

package sweep_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// TestFrontier aims each kind of change at the boundary before each request of the first two passes in turn, once, and once in about every
// pass, so that none is spared.
func TestFrontier(t *testing.T) {
	var sum tally
	for _, server := range servers {
		for _, change := range mutations {
			for at := 1; at <= 18; at++ {
				for _, again := range []int{0, 9} {
					if again > 0 && at > again {
						break // as from at-again on
					}
					m := newModel(33)
					server.setup(m)
					for i, p := range m.order(sweep.Ascending) {
						p.hidden = m.holes && i%4 == 1
					}
					do := func(m *model, rows []*person, skip int) { change.do(m, rows, skip, uint64(m.n)*0x9E3779B97F4A7C15) }
					for n := at; n <= at+27; n += max(1, again) {
						m.plan[n] = []mutation{do}
						if again == 0 {
							break
						}
					}
					sum.add(t, m, sweep.Options{Smaller: isTooLarge, Limit: 5, Lookup: m.Lookup}, again == 0)
				}
			}
		}
	}
	sum.report(t, 1)
}

// TestHideAndSeek has somebody who is always on the other side of the frontier: no count may ever be closed over them.
func TestHideAndSeek(t *testing.T) {
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			m := newModel(33)
			server.setup(m)
			if m.keyset {
				return // what agreement cannot exclude, see TestAgreementMissesWhoFlees
			}
			who := m.live[17]
			m.each = func(m *model, rows []*person, skip int) {
				if skip > 1 && skip < len(rows) && indexOf(rows, who) >= skip {
					m.move(who, rows[0])
				} else if skip == 0 {
					m.move(who, rows[len(rows)-1])
				}
			}
			r := mustRun(t, m, sweep.Options{Smaller: isTooLarge, Limit: 5, Lookup: m.Lookup})
			if r.Certificate.Certified && !r.Present(who.id) {
				t.Errorf("certified by %s without the one who hides\n%s", r.Certificate.Proof, m.transcript())
			}
		})
	}
}

func indexOf(rows []*person, p *person) int {
	for i, o := range rows {
		if o == p {
			return i
		}
	}
	return -1
}

// TestNeverStill holds that a list which changes before every request ends the sweep, without an error and within bounds.
func TestNeverStill(t *testing.T) {
	distinct := slices.DeleteFunc(slices.Clone(servers), func(s server) bool {
		return strings.Contains(s.name, "unsorted") || strings.Contains(s.name, "folding") || strings.Contains(s.name, "clamped")
	})
	for _, tc := range []struct {
		name  string
		each  mutation
		grows bool
	}{
		{"one goes in front, one comes at the end", func(m *model, rows []*person, skip int) {
			m.deleteOne(rows[:skip], uint64(m.n)*7)
			m.insert(fmt.Sprintf("zz%06d@example.com", m.n), len(m.live))
		}, false},
		{"one goes in front", func(m *model, rows []*person, _ int) { m.deleteOne(rows[:min(1, len(rows))], 0) }, false},
		{"one moves from end to front", func(m *model, rows []*person, _ int) { m.moveOne(rows[len(rows)-1:], rows[:1], 0) }, false},
		{"one moves from front to end", func(m *model, rows []*person, _ int) { m.moveOne(rows[:1], rows[len(rows)-1:], 0) }, false},
		{"one comes at the end", func(m *model, _ []*person, _ int) { m.insert("zz", len(m.live)) }, true},
		{"two come at the end", func(m *model, _ []*person, _ int) { m.insert("zz", len(m.live)); m.insert("zz", len(m.live)) }, true},
		{"two come in front", func(m *model, _ []*person, _ int) { m.insert("!", 0); m.insert("!", 0) }, true},
	} {
		for _, server := range distinct {
			for _, limit := range []int{1, 5} {
				t.Run(fmt.Sprintf("%s/%s/%d", server.name, tc.name, limit), func(t *testing.T) {
					m := newModel(40)
					server.setup(m)
					if tc.grows {
						m.unsorted, m.keyset = true, false // a long list is dear to sort before every request
					}
					m.each = func(m *model, rows []*person, skip int) {
						// An opaque list that grows for ever is read for ever, see the package comment.
						if m.base == 0 && !m.keyset && !m.numbered || m.n < 500 {
							tc.each(m, rows, skip)
						}
					}
					var sum tally
					sum.add(t, m, sweep.Options{Smaller: isTooLarge, Limit: limit}, false)
					if m.n > 5000 {
						t.Errorf("%d requests for a list of 40", m.n)
					}
				})
			}
		}
	}
}

// TestShrinksToNothing empties the list before each request in turn.
func TestShrinksToNothing(t *testing.T) {
	for _, server := range servers {
		for at := 2; at <= 16; at++ {
			for _, allow := range []bool{false, true} {
				m := newModel(33)
				server.setup(m)
				m.plan[at] = []mutation{func(m *model, rows []*person, _ int) {
					for _, p := range rows {
						m.delete(p)
					}
				}}
				r := mustRun(t, m, sweep.Options{Smaller: isTooLarge, Limit: 5, AllowEmpty: allow, Lookup: m.Lookup})
				if c := r.Certificate; c.Certified && !allow && c.Users == 0 {
					t.Errorf("%s, emptied before request %d: an empty list is certified: %+v", server.name, at, c)
				}
			}
		}
	}
}

// TestMassChanges inserts or deletes hundreds of rows before the frontier between two requests.
func TestMassChanges(t *testing.T) {
	for _, limit := range []int{1, 10} {
		for _, server := range servers[:9] {
			t.Run(fmt.Sprintf("%s/insert/%d", server.name, limit), func(t *testing.T) {
				m := newModel(60)
				server.setup(m)
				m.plan[5] = []mutation{func(m *model, _ []*person, _ int) {
					for i := range 300 {
						m.insert(fmt.Sprintf("!%03d@example.com", i), 0)
					}
				}}
				wantEverybody(t, m, mustRun(t, m, sweep.Options{Smaller: isTooLarge, Limit: limit}), sweep.ProofCount)
			})
			t.Run(fmt.Sprintf("%s/delete/%d", server.name, limit), func(t *testing.T) {
				m := newModel(400)
				server.setup(m)
				m.plan[45] = []mutation{func(m *model, rows []*person, skip int) {
					for _, p := range rows[:skip*9/10] {
						m.delete(p)
					}
				}}
				wantEverybody(t, m, mustRun(t, m, sweep.Options{Smaller: isTooLarge, Limit: limit, Lookup: m.Lookup}), sweep.ProofCount)
			})
		}
	}
}

// TestShiftsAreReported counts the pages that did not begin where they should have.
func TestShiftsAreReported(t *testing.T) {
	for name, tc := range map[string]struct {
		change mutation
		back   int64
	}{
		"gone before":        {func(m *model, rows []*person, skip int) { m.delete(rows[2]) }, 1},
		"five gone before":   {func(m *model, rows []*person, skip int) { drop(m, rows[2:7]) }, 7},
		"the anchor is gone": {func(m *model, rows []*person, skip int) { m.delete(rows[skip]) }, 1},
		"come before":        {func(m *model, rows []*person, skip int) { m.insert("!@example.com", 0) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel(40)
			m.plan[3] = []mutation{tc.change}
			type shift struct {
				pass, page int
				back       int64
			}
			var got []shift
			o := sweep.Options{Smaller: isTooLarge, Limit: 10}
			o.Hooks.OnShift = func(pass, page int, back int64) { got = append(got, shift{pass, page, back}) }
			r := mustRun(t, m, o)
			if len(got) != 1 || got[0].pass != 1 || got[0].back != tc.back || r.Certificate.Shifts != 1 {
				t.Errorf("shifts %+v, want one of %d rows; certificate %+v", got, tc.back, r.Certificate)
			}
			wantEverybody(t, m, r, sweep.ProofCount)
		})
	}
}

func drop(m *model, people []*person) {
	for _, p := range people {
		m.delete(p)
	}
}

// TestBusyList measures how much a list may change for most sweeps to be certified: the package comment says about four times a pass.
func TestBusyList(t *testing.T) {
	for _, tc := range []struct{ changes, certified float64 }{{0.5, 0.98}, {1, 0.98}, {2, 0.95}, {4, 0.75}} {
		var sum tally
		requests := 0
		for seed := range uint64(100) {
			rng := rand.New(rand.NewPCG(seed, 1))
			m := newModel(80)
			m.each = func(m *model, rows []*person, _ int) {
				if perRequest := tc.changes / 20; rng.Float64() < perRequest/2 {
					m.insertNear(rows, rng.Uint64())
				} else if rng.Float64() < perRequest/2 {
					m.deleteOne(rows, rng.Uint64())
				}
			}
			sum.add(t, m, sweep.Options{Smaller: isTooLarge, Limit: 5, Lookup: m.Lookup}, false)
			requests += m.n
		}
		share := float64(sum.certified) / float64(sum.schedules)
		t.Logf("%.1f changes a pass: %.2f certified, %.1f requests a sweep", tc.changes, share, float64(requests)/float64(sum.schedules))
		if share < tc.certified {
			t.Errorf("%.1f changes a pass: %.2f certified, want %.2f", tc.changes, share, tc.certified)
		}
	}
}

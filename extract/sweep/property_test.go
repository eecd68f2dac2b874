package sweep_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// schedulesPerServer is how many random schedules each kind of server is put through; -rapid.checks overrides it.
const schedulesPerServer = 300

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", fmt.Sprint(schedulesPerServer)); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// server is a kind of list that a sweep may meet.
type server struct {
	name  string
	setup func(*model)
	mild  float64 // share of the mild schedules that must end certified
}

var servers = []server{
	{"token", func(m *model) {}, 0.95},
	{"token unsorted", func(m *model) { m.unsorted = true }, 0.95},
	{"token folding case", func(m *model) { m.foldCase = true }, 0.95},
	{"token clamped", func(m *model) { m.ceiling = 3 }, 0.95},
	{"offset", func(m *model) { m.dialect = sweep.Offset }, 0.95},
	{"offset unsorted", func(m *model) { m.dialect, m.unsorted = sweep.Offset, true }, 0.95},
	{"offset silent", func(m *model) { m.dialect, m.silent = sweep.Offset, true }, 0.95},
	{"offset silent unsorted", func(m *model) { m.dialect, m.silent, m.unsorted = sweep.Offset, true, true }, 0.95},
	{"offset silent clamped", func(m *model) { m.dialect, m.silent, m.ceiling = sweep.Offset, true, 3 }, 0.95},
	{"token refusing large pages", func(m *model) { m.capacity = 6 }, 0.95},
	{"offset refusing large pages", func(m *model) { m.dialect, m.capacity = sweep.Offset, 6 }, 0.95},
	{"page numbers refusing large pages", func(m *model) { m.numbered, m.capacity = true, 6 }, 0.9},
	{"hidden rows refusing large pages", func(m *model) { m.holes, m.capacity = true, 6 }, 0.9},
	{"opaque", func(m *model) { m.base = 5000 }, 0.9},
	{"opaque unsorted", func(m *model) { m.base, m.unsorted = 5000, true }, 0.9},
	{"page numbers", func(m *model) { m.numbered = true }, 0.9},
	{"keyset", func(m *model) { m.keyset = true }, 0.9},
	{"hidden rows", func(m *model) { m.holes = true }, 0.9},
	{"hidden rows unsorted", func(m *model) { m.holes, m.unsorted = true, true }, 0.9},
}

// TestNobodyMissed holds the sweep's promise against random schedules of changes: whoever lived from the first request to the last is in
// a certified result, nobody is that never existed, every sweep ends, and a list that settles down is certified.
func TestNobodyMissed(t *testing.T) {
	var all tally
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			var sum tally
			rapid.Check(t, func(t *rapid.T) {
				m := newModel(rapid.IntRange(0, 45).Draw(t, "users"))
				server.setup(m)
				if m.holes {
					hide(t, m)
				}
				o := sweep.Options{Limit: rapid.IntRange(1, 7).Draw(t, "limit"), Smaller: isTooLarge, Dialect: rapid.SampledFrom([]sweep.Dialect{sweep.Auto, m.dialect}).Draw(t, "dialect")}
				if rapid.Bool().Draw(t, "lookup") {
					o.Lookup = m.Lookup
				}
				mild := plan(t, m, o.Limit)
				sum.add(t, m, o, mild)
			})
			sum.report(t, server.mild)
			all.merge(sum)
		})
	}
	all.report(t, 0)
}

// TestNobodyMissedAnchored is the same for the operator's word that places never change: nobody moves then.
func TestNobodyMissedAnchored(t *testing.T) {
	var sum tally
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(rapid.IntRange(0, 45).Draw(t, "users"))
		rapid.SampledFrom(servers).Draw(t, "server").setup(m)
		if m.holes {
			hide(t, m)
		}
		o := sweep.Options{Limit: rapid.IntRange(1, 7).Draw(t, "limit"), Smaller: isTooLarge, SortKeyImmutable: true}
		mild := plan(t, m, o.Limit, "insert before", "insert after", "insert many", "delete before", "delete after", "delete anchor", "delete next", "swap", "change")
		sum.add(t, m, o, mild)
	})
	sum.report(t, 0.9)
	if sum.proofs[sweep.ProofAnchored] == 0 {
		t.Error("no sweep was certified as anchored")
	}
}

func hide(t *rapid.T, m *model) {
	share := rapid.IntRange(1, 10).Draw(t, "hidden in ten")
	from := rapid.IntRange(0, 45).Draw(t, "a block hidden from")
	length := rapid.IntRange(0, 20).Draw(t, "rows hidden")
	for i, p := range m.order(sweep.Ascending) {
		p.hidden = i%10 >= 10-share+1 || from <= i && i < from+length
	}
}

// plan draws a schedule: a few mutations, each before some request, aimed at the page that is about to be read. It reports whether the
// schedule is mild: over by the end of the second pass or so.
func plan(t *rapid.T, m *model, limit int, kinds ...string) bool {
	if len(kinds) == 0 {
		for _, k := range mutations {
			kinds = append(kinds, k.name)
		}
	}
	pages := len(m.live)/max(1, limit-1) + 2
	wild := rapid.IntRange(0, 4).Draw(t, "wild") == 0
	span, count := 2*pages, rapid.IntRange(0, 6).Draw(t, "mutations")
	if wild {
		span, count = 12*pages, 4*count
	}
	for range count {
		n := rapid.IntRange(1, span).Draw(t, "before request")
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		x := rapid.Uint64().Draw(t, "where")
		for _, k := range mutations {
			if k.name == kind {
				m.plan[n] = append(m.plan[n], func(m *model, rows []*person, skip int) { k.do(m, rows, skip, x) })
			}
		}
	}
	return !wild
}

// tally is what came of many schedules.
type tally struct {
	schedules, certified, mild, mildCertified, missed, excused int
	requests, worst                                            int
	proofs                                                     map[string]int
}

type failer interface {
	Fatalf(string, ...any)
	Errorf(string, ...any)
	Logf(string, ...any)
	Helper()
}

// add runs one sweep and checks its result against the model.
func (s *tally) add(t failer, m *model, o sweep.Options, mild bool) *sweep.Result {
	t.Helper()
	last := map[string]string{}
	o.Seen = func(i sweep.Item) error { last[i.Key] = string(i.Raw); return nil }
	passes := map[int][2]int{}
	o.Hooks.OnPage = func(pass, _, _ int) {
		w := passes[pass]
		if w[0] == 0 {
			w[0] = m.n
		}
		passes[pass] = [2]int{w[0], m.n}
	}
	r, err := sweep.Run(context.Background(), m, o)
	if err != nil {
		t.Fatalf("a list that only moves must not end in an error: %v", err)
	}
	c := r.Certificate
	s.schedules++
	s.requests, s.worst = s.requests+m.n, max(s.worst, m.n)
	if c.Pages != m.n {
		t.Errorf("the certificate says %d requests, the server %d", c.Pages, m.n)
	}
	given := map[string]string{}
	for _, p := range m.given {
		for _, i := range p.Items {
			given[i.Key] = string(i.Raw)
		}
	}
	if m.lookups == 0 && !maps.Equal(given, last) {
		t.Fatalf("what Seen has last of the rows is not what was last given:\n%v\n%v\n%s", last, given, m.transcript())
	}
	ever, twice := m.everybody(), map[string]bool{}
	for key := range r.Keys() {
		if ever[key] == nil || twice[key] || last[key] == "" {
			t.Fatalf("a key that nobody has, that came twice, or was never given to Seen: %q", key)
		}
		twice[key] = true
	}
	visible := len(m.throughout())
	if mild {
		s.mild++
	}
	if !c.Certified {
		if len(c.Reasons) == 0 || c.Proof != "" {
			t.Errorf("uncertified without a reason, or with a proof: %+v", c)
		}
		if mild && visible == 0 {
			s.mild-- // nobody to certify
		}
		return r
	}
	s.certified++
	if s.proofs == nil {
		s.proofs = map[string]int{}
	}
	s.proofs[c.Proof]++
	if mild {
		s.mildCertified++
	}
	for _, p := range m.throughout() {
		if r.Present(p.item().Key) {
			continue
		}
		if c.Proof == sweep.ProofAgreement && excused(m, r, p, passes[c.Sweeps-1], passes[c.Sweeps]) {
			s.excused++
			continue
		}
		s.missed++
		t.Fatalf("certified by %s after %d passes, and %s is missing\n%s", c.Proof, c.Sweeps, p.id, m.transcript())
	}
	return r
}

// excused reports whether p is missing from an agreement in the way that the package comment says an agreement cannot exclude: in each of
// the two passes p's own place changed, or, where rows are hidden, a row that neither pass showed left or somebody's place changed.
func excused(m *model, r *sweep.Result, p *person, passes ...[2]int) bool {
	if !m.keyset && !m.holes {
		return false
	}
	for _, w := range passes {
		within := func(n int) bool { return w[0] <= n && n <= w[1] }
		ok := false
		for _, n := range p.moved {
			ok = ok || within(n)
		}
		if m.holes {
			for _, o := range m.live {
				for _, n := range o.moved {
					ok = ok || within(n)
				}
			}
			for _, o := range m.dead {
				ok = ok || within(o.died) && (o.hidden || !r.Present(o.id))
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

func (s *tally) merge(o tally) {
	s.schedules, s.certified, s.mild, s.mildCertified = s.schedules+o.schedules, s.certified+o.certified, s.mild+o.mild, s.mildCertified+o.mildCertified
	s.missed, s.excused, s.requests, s.worst = s.missed+o.missed, s.excused+o.excused, s.requests+o.requests, max(s.worst, o.worst)
}

func (s *tally) report(t *testing.T, mild float64) {
	t.Helper()
	t.Logf("%d schedules, %d certified %v; of %d mild ones %d; missed %d, within the stated limits of agreement %d; %d requests, at most %d a sweep",
		s.schedules, s.certified, s.proofs, s.mild, s.mildCertified, s.missed, s.excused, s.requests, s.worst)
	if share := float64(s.mildCertified) / float64(max(1, s.mild)); share < mild {
		t.Errorf("%.3f of the mild schedules ended certified, want %.3f", share, mild)
	}
}

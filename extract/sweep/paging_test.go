package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// mustRun sweeps a model and expects no error.
func mustRun(t *testing.T, m *model, o sweep.Options) *sweep.Result {
	t.Helper()
	if o.Seen == nil {
		o.Seen = func(sweep.Item) error { return nil }
	}
	r, err := sweep.Run(context.Background(), m, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, m.transcript())
	}
	return r
}

// wantEverybody expects a certificate by the given proof, and all of the model's users, and nobody else, present.
func wantEverybody(t *testing.T, m *model, r *sweep.Result, proof string) {
	t.Helper()
	if c := r.Certificate; !c.Certified || c.Proof != proof || len(c.Reasons) > 0 {
		t.Fatalf("want certified by %s, got %+v\n%s", proof, c, m.transcript())
	}
	var got, want []string
	for key, present := range r.Keys() {
		if present {
			got = append(got, key)
		}
	}
	for _, p := range visible(m.live) {
		want = append(want, p.item().Key)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("present (-want +got):\n%s\n%s", diff, m.transcript())
	}
	if r.Certificate.Users != len(want) {
		t.Errorf("the certificate counts %d users of %d", r.Certificate.Users, len(want))
	}
}

// TestRequests fixes what a sweep of a still list asks for.
func TestRequests(t *testing.T) {
	for _, tc := range []struct {
		name    string
		users   int
		limit   int
		setup   func(*model)
		o       sweep.Options
		proof   string
		cursors []int64
		sorts   string // of the passes, + and -
	}{
		{name: "one page", users: 7, limit: 10, proof: "count", cursors: []int64{0, 0}, sorts: "++"},
		{name: "exactly one page", users: 10, limit: 10, proof: "count", cursors: []int64{0, 0}, sorts: "++"},
		{name: "one more than a page", users: 11, limit: 10, proof: "count", cursors: []int64{0, 9, 0, 9}, sorts: "++"},
		{name: "a multiple of the page", users: 30, limit: 10, proof: "count", cursors: []int64{0, 9, 18, 27, 0, 9, 18, 27}, sorts: "++"},
		{name: "page size 1", users: 4, limit: 1, proof: "count", cursors: []int64{0, 1, 2, 0, 1, 2}, sorts: "++"},
		{name: "clamped", users: 9, limit: 10, setup: func(m *model) { m.ceiling = 4 }, proof: "count", cursors: []int64{0, 3, 6, 0, 3, 6}, sorts: "++"},
		{name: "offset", users: 25, limit: 10, setup: func(m *model) { m.dialect = sweep.Offset }, proof: "count",
			cursors: []int64{0, 9, 18, 0, 9, 18}, sorts: "++"},
		{name: "offset without has_more", users: 25, limit: 10, setup: func(m *model) { m.dialect, m.silent = sweep.Offset, true }, proof: "count",
			cursors: []int64{0, 9, 18, 25, 24, 0, 9, 18, 25, 24}, sorts: "+-"},
		{name: "offset without has_more, a multiple", users: 19, limit: 10, setup: func(m *model) { m.dialect, m.silent = sweep.Offset, true }, proof: "count",
			cursors: []int64{0, 9, 18, 19, 18, 0, 9, 18, 19, 18}, sorts: "+-"},
		{name: "offset without has_more, clamped to a row", users: 3, limit: 10, setup: func(m *model) { m.dialect, m.silent, m.ceiling = sweep.Offset, true, 1 },
			proof: "count", cursors: []int64{0, 1, 2, 3, 2, 0, 1, 2, 3, 2}, sorts: "+-"},
		{name: "opaque", users: 25, limit: 10, setup: func(m *model) { m.base = 500 }, proof: "agreement", cursors: []int64{0, 510, 520, 0, 510, 520}, sorts: "+-"},
		{name: "opaque and clamped", users: 25, limit: 10, setup: func(m *model) { m.base, m.ceiling = 500, 9 }, proof: "agreement",
			cursors: []int64{0, 509, 518, 0, 509, 518, 0, 509, 518}, sorts: "+-+"},
		{name: "hidden rows", users: 25, limit: 10, setup: func(m *model) { m.holes, m.order(sweep.Ascending)[12].hidden = true, true }, proof: "agreement",
			cursors: []int64{0, 9, 19, 0, 10, 20, 0, 10, 20}, sorts: "+-+"},
		{name: "sort key immutable", users: 25, limit: 10, o: sweep.Options{SortKeyImmutable: true}, proof: "anchored", cursors: []int64{0, 9, 18}, sorts: "+"},
		{name: "sort key immutable, without has_more", users: 25, limit: 10, setup: func(m *model) { m.dialect, m.silent = sweep.Offset, true },
			o: sweep.Options{SortKeyImmutable: true}, proof: "anchored", cursors: []int64{0, 9, 18, 25, 24}, sorts: "+"},
		{name: "sort key immutable, clamped to a row", users: 2, limit: 10, setup: func(m *model) { m.dialect, m.ceiling = sweep.Offset, 1 },
			o: sweep.Options{SortKeyImmutable: true}, proof: "count", cursors: []int64{0, 1, 0, 1}, sorts: "++"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel(tc.users)
			if tc.setup != nil {
				tc.setup(m)
			}
			o, sorts, pages := tc.o, "", 0
			o.Limit = tc.limit
			o.Hooks.OnPass = func(p sweep.PassReport) {
				sorts, pages = sorts+p.Sort[:1], pages+p.Pages
				if !p.Whole || p.Shifts > 0 || p.Users != len(visible(m.live)) {
					t.Errorf("a still list, and a pass of it: %+v", p)
				}
			}
			o.Hooks.OnShift = func(pass, page int, back int64) {
				t.Errorf("a still list, and a shift in pass %d, request %d", pass, page)
			}
			r := mustRun(t, m, o)
			wantEverybody(t, m, r, tc.proof)
			if diff := cmp.Diff(tc.cursors, m.cursors()); diff != "" {
				t.Errorf("cursors (-want +got):\n%s", diff)
			}
			if sorts != tc.sorts || r.Certificate.Sweeps != len(sorts) || r.Certificate.Pages != m.n || pages != m.n {
				t.Errorf("passes %s, want %s; %+v of %d requests, passes' %d", sorts, tc.sorts, r.Certificate, m.n, pages)
			}
			for _, q := range m.asked {
				if q.Limit != max(2, tc.limit) {
					t.Errorf("limit %d was sent", q.Limit)
				}
			}
		})
	}
}

// TestSizes sweeps still lists of every size round the page's, from every kind of server.
func TestSizes(t *testing.T) {
	for _, server := range servers {
		for users := range 24 {
			for _, limit := range []int{1, 2, 5, 100} {
				t.Run(fmt.Sprintf("%s/%d by %d", server.name, users, limit), func(t *testing.T) {
					m := newModel(users)
					server.setup(m)
					for i, p := range m.order(sweep.Ascending) {
						p.hidden = m.holes && i%7 > 4
					}
					r := mustRun(t, m, sweep.Options{Limit: limit, Smaller: isTooLarge, AllowEmpty: true})
					proof := r.Certificate.Proof
					if proof != sweep.ProofCount && proof != sweep.ProofAgreement {
						t.Errorf("proof %q", proof)
					}
					wantEverybody(t, m, r, proof)
					if r.Certificate.Shifts > 0 {
						t.Errorf("%d shifts in a still list", r.Certificate.Shifts)
					}
				})
			}
		}
	}
}

// TestHiddenRows reads through blocks of rows that the caller may not see.
func TestHiddenRows(t *testing.T) {
	hide := func(m *model) {
		m.holes = true
		for i, p := range m.order(sweep.Ascending) {
			p.hidden = 20 <= i && i < 45 || i%7 == 0
		}
	}
	t.Run("token", func(t *testing.T) {
		m := newModel(100)
		hide(m)
		r := mustRun(t, m, sweep.Options{Limit: 10})
		wantEverybody(t, m, r, sweep.ProofAgreement)
		if !r.Hidden {
			t.Error("hidden rows were not noticed")
		}
	})
	for name, silent := range map[string]bool{"offset": false, "offset without has_more": true} {
		t.Run(name, func(t *testing.T) {
			m := newModel(100)
			hide(m)
			m.dialect, m.silent = sweep.Offset, silent
			r := mustRun(t, m, sweep.Options{Limit: 10})
			if r.Certificate.Certified {
				t.Errorf("certified: %+v", r.Certificate)
			}
			for _, p := range visible(m.live) {
				if !r.Present(p.id) {
					t.Errorf("%s is missing", p.id)
				}
			}
		})
	}
	t.Run("the first page is all hidden", func(t *testing.T) {
		for _, dialect := range []sweep.Dialect{sweep.Token, sweep.Offset} {
			m := newModel(30)
			m.holes, m.dialect = true, dialect
			for i, p := range m.order(sweep.Ascending) {
				p.hidden = i < 12
			}
			r := mustRun(t, m, sweep.Options{Limit: 10})
			for _, p := range visible(m.live) {
				if !r.Present(p.id) {
					t.Errorf("%s is missing", p.id)
				}
			}
			if c := r.Certificate; c.Certified != (dialect == sweep.Token) || !r.Hidden {
				t.Errorf("%+v, hidden %v", c, r.Hidden)
			}
		}
	})
}

func TestEmptyList(t *testing.T) {
	for _, server := range servers {
		for _, allow := range []bool{false, true} {
			m := newModel(0)
			server.setup(m)
			r := mustRun(t, m, sweep.Options{Limit: 10, AllowEmpty: allow})
			requests := 2
			if m.silent {
				requests = 4
			}
			if c := r.Certificate; c.Certified != allow || m.n != requests || (len(c.Reasons) == 0) != allow || (c.Proof == "") == allow {
				t.Errorf("%s, allowed %v, %d requests: %+v", server.name, allow, m.n, c)
			}
		}
	}
	t.Run("rows without an identity are nobody", func(t *testing.T) {
		m := newModel(0)
		m.live = []*person{{id: "!a"}, {id: "!b"}}
		if c := mustRun(t, m, sweep.Options{Limit: 10}).Certificate; c.Certified || c.Users != 2 {
			t.Errorf("%+v", c)
		}
	})
}

func TestRowsWithoutKey(t *testing.T) {
	m := newModel(20)
	m.live = append(m.live, &person{id: "!a", email: "c1"}, &person{id: "!b", email: "d1"})
	r := mustRun(t, m, sweep.Options{Limit: 5})
	wantEverybody(t, m, r, sweep.ProofCount)
	for _, p := range m.live[20:] {
		if item := p.item(); item.Keyed() || !r.Seen(item.Key) {
			t.Errorf("keyed %v, seen %v", item.Keyed(), r.Seen(item.Key))
		}
	}

	m = newModel(20)
	m.live = append(m.live, &person{id: "!a", email: "c1"}, &person{id: "!a", email: "d1"})
	if c := mustRun(t, m, sweep.Options{Limit: 5}).Certificate; c.Certified {
		t.Errorf("two rows that cannot be told apart, certified: %+v", c)
	}
}

// TestSameUserTwice holds that a list which names somebody twice is not certified, and not an error.
func TestSameUserTwice(t *testing.T) {
	for _, server := range servers {
		for name, twin := range map[string]int{"on one page": 7, "on the last page": 19, "far apart": -1} {
			t.Run(server.name+"/"+name, func(t *testing.T) {
				m := newModel(20)
				server.setup(m)
				rows := m.order(sweep.Ascending)
				if twin < 0 {
					m.live = append(m.live, &person{id: rows[3].id, email: "zzz@example.com"})
				} else {
					m.live = slices.Insert(m.live, m.index(rows[twin]), &person{id: rows[twin].id, email: rows[twin].email})
				}
				m.sorted = nil
				m.plan[3] = []mutation{func(m *model, rows []*person, _ int) { m.delete(rows[0]) }} // its place is not the twin's
				r := mustRun(t, m, sweep.Options{Limit: 5, Smaller: isTooLarge})
				if r.Certificate.Certified {
					t.Fatalf("certified: %+v\n%s", r.Certificate, m.transcript())
				}
				n := 0
				for range r.Keys() {
					n++
				}
				if n != 20 {
					t.Errorf("%d keys of 20", n)
				}
			})
		}
	}
}

func TestSeenIsCalledForEachFormOfARow(t *testing.T) {
	for _, mute := range []bool{false, true} {
		m := newModel(25)
		m.mute = mute
		m.plan[4] = []mutation{func(m *model, _ []*person, _ int) { m.live[3].revision = 9 }}
		var got, want []string
		mustRun(t, m, sweep.Options{Limit: 10, Seen: func(i sweep.Item) error { got = append(got, string(i.Raw)); return nil }})
		last := map[string]string{}
		for _, p := range m.given {
			for _, i := range p.Items {
				if last[i.Key] != string(i.Raw) {
					last[i.Key] = string(i.Raw)
					want = append(want, string(i.Raw))
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sightings (-want +got):\n%s", diff)
		}
		if len(got) != 26 || last["u003"] != `{"user_id":"u003","revision":9}` {
			t.Errorf("%d forms of 25 users of whom one changed, the last of whom is %s", len(got), last["u003"])
		}
		if (m.repeats == 0) != mute {
			t.Errorf("%d answers were known again, mute is %v", m.repeats, mute)
		}
	}
}

// A page is known again by the recorder's name of its bytes, and where that has none, by the bytes.
func TestPagesAreKnownAgainByNames(t *testing.T) {
	m := newModel(100)
	r := mustRun(t, m, sweep.Options{Limit: 10})
	if !r.Certificate.Certified || m.namely == 0 || m.namely == m.repeats {
		t.Errorf("certified %t; %d answers were known again, %d of them by names", r.Certificate.Certified, m.repeats, m.namely)
	}
}

// A page that comes back as it was tells of a row that was another in between.
func TestARowThatBecomesWhatItWas(t *testing.T) {
	m := newModel(6)
	m.unsorted = true
	m.plan[2] = []mutation{func(m *model, _ []*person, _ int) { m.live[2].revision = 1 }}
	m.plan[4] = []mutation{func(m *model, _ []*person, _ int) { m.live[2].revision = 0 }}
	var forms []string
	r := mustRun(t, m, sweep.Options{Limit: 3, Dialect: sweep.Offset, Seen: func(i sweep.Item) error {
		if i.Key == "u002" {
			forms = append(forms, string(i.Raw))
		}
		return nil
	}})
	want := []string{`{"user_id":"u002","revision":0}`, `{"user_id":"u002","revision":1}`, `{"user_id":"u002","revision":0}`}
	if diff := cmp.Diff(want, forms); diff != "" || !r.Certificate.Certified {
		t.Errorf("%+v; forms (-want +got):\n%s\n%s", r.Certificate, diff, m.transcript())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	seen := func(sweep.Item) error { return nil }
	for name, o := range map[string]sweep.Options{
		"no page size":    {Seen: seen},
		"too many passes": {Seen: seen, Limit: 10, MaxPasses: 256},
		"fewer than none": {Seen: seen, Limit: 10, MaxPasses: -1},
		"nobody to tell":  {Limit: 10},
	} {
		m := newModel(3)
		if _, err := sweep.Run(context.Background(), m, o); err == nil || m.n > 0 {
			t.Errorf("%s: error %v after %d requests", name, err, m.n)
		}
	}
}

func TestErrorsOfOthers(t *testing.T) {
	boom := errors.New("boom")
	t.Run("lister", func(t *testing.T) {
		_, err := sweep.Run(context.Background(), failing{newModel(30), 3, boom}, sweep.Options{Limit: 10, Seen: func(sweep.Item) error { return nil }})
		if !errors.Is(err, boom) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("seen", func(t *testing.T) {
		n := 0
		_, err := sweep.Run(context.Background(), newModel(30), sweep.Options{Limit: 10, Seen: func(sweep.Item) error {
			if n++; n == 17 {
				return boom
			}
			return nil
		}})
		if !errors.Is(err, boom) || n != 17 {
			t.Errorf("got %v after %d rows", err, n)
		}
	})
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		m := newModel(30)
		m.plan[2] = []mutation{func(*model, []*person, int) { cancel() }}
		_, err := sweep.Run(ctx, m, sweep.Options{Limit: 10, Seen: func(sweep.Item) error { return nil }})
		if !errors.Is(err, context.Canceled) || m.n != 2 {
			t.Errorf("got %v after %d requests", err, m.n)
		}
	})
}

type failing struct {
	*model
	at  int
	err error
}

func (f failing) Page(ctx context.Context, q sweep.Query) (sweep.Page, error) {
	if f.n+1 == f.at {
		return sweep.Page{}, f.err
	}
	return f.model.Page(ctx, q)
}

package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// TestContradictions holds that a server whose answers cannot be true ends the sweep with its error, soon.
func TestContradictions(t *testing.T) {
	for _, tc := range []struct {
		name   string
		setup  func(*model)
		tamper func(m *model) func(n int, q sweep.Query, p *sweep.Page)
		want   error
		most   int // requests
	}{
		{"token repeats from the first", nil, func(*model) func(int, sweep.Query, *sweep.Page) {
			return func(_ int, q sweep.Query, p *sweep.Page) { p.More, p.HasNext, p.Next = sweep.Yes, true, q.Cursor }
		}, &sweep.LoopError{}, 1},
		{"token repeats from the third", nil, func(*model) func(int, sweep.Query, *sweep.Page) {
			return func(n int, q sweep.Query, p *sweep.Page) {
				if n >= 3 {
					p.More, p.HasNext, p.Next = sweep.Yes, true, q.Cursor
				}
			}
		}, &sweep.LoopError{}, 3},
		{"opaque token goes back", func(m *model) { m.base = 100 }, func(*model) func(int, sweep.Query, *sweep.Page) {
			return func(n int, q sweep.Query, p *sweep.Page) {
				if n == 3 {
					p.Next = 110
				}
			}
		}, &sweep.LoopError{}, 3},
		{"empty pages without end", nil, func(*model) func(int, sweep.Query, *sweep.Page) {
			return func(n int, q sweep.Query, p *sweep.Page) {
				if n >= 3 {
					p.Items, p.More, p.HasNext, p.Next = nil, sweep.Yes, true, q.Cursor+int64(q.Limit)
				}
			}
		}, &sweep.EmptyPagesError{}, 103},
		{"empty pages without end, by offset", func(m *model) { m.dialect = sweep.Offset }, func(*model) func(int, sweep.Query, *sweep.Page) {
			return func(n int, q sweep.Query, p *sweep.Page) {
				if n >= 3 {
					p.Items, p.More = nil, sweep.Yes
				}
			}
		}, &sweep.EmptyPagesError{}, 103},
		{"an empty page that goes nowhere", nil, func(*model) func(int, sweep.Query, *sweep.Page) {
			return func(n int, q sweep.Query, p *sweep.Page) {
				if n >= 3 {
					p.Items, p.More, p.HasNext, p.Next = nil, sweep.Yes, true, q.Cursor
				}
			}
		}, &sweep.LoopError{}, 3},
		{"more and no token", nil, func(*model) func(int, sweep.Query, *sweep.Page) {
			return func(n int, q sweep.Query, p *sweep.Page) {
				if n == 3 {
					p.HasNext = false
				}
			}
		}, &sweep.CursorError{}, 3},
		{"more and no token, opaque", func(m *model) { m.base = 100 }, func(*model) func(int, sweep.Query, *sweep.Page) {
			return func(n int, q sweep.Query, p *sweep.Page) {
				if n == 3 {
					p.HasNext = false
				}
			}
		}, &sweep.CursorError{}, 3},
		{"offset ignored", func(m *model) { m.dialect = sweep.Offset }, ignoreCursor, &sweep.StuckError{}, 26},
		{"offset ignored, without has_more", func(m *model) { m.dialect, m.silent = sweep.Offset, true }, ignoreCursor, &sweep.StuckError{}, 26},
		{"everything ignored", func(m *model) { m.dialect, m.silent = sweep.Offset, true }, func(m *model) func(int, sweep.Query, *sweep.Page) {
			return func(_ int, q sweep.Query, p *sweep.Page) {
				p.Items = nil
				for _, u := range m.order(q.Sort) {
					p.Items = append(p.Items, u.item())
				}
			}
		}, &sweep.StuckError{}, 26},
		{"token ignored", nil, ignoreCursor, &sweep.LoopError{}, 8},
		{"the same page behind ever new tokens", func(m *model) { m.base = 100 }, func(m *model) func(int, sweep.Query, *sweep.Page) {
			return func(n int, q sweep.Query, p *sweep.Page) {
				p.Items, p.More, p.HasNext, p.Next = m.firstPage(q), sweep.Yes, true, int64(1000+n)
			}
		}, &sweep.StuckError{}, 26},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel(63)
			if tc.setup != nil {
				tc.setup(m)
			}
			m.tamper = tc.tamper(m)
			r, err := sweep.Run(context.Background(), m, sweep.Options{Limit: 10, Seen: func(sweep.Item) error { return nil }})
			if err == nil || reflect.TypeOf(err) != reflect.TypeOf(tc.want) || r != nil {
				t.Fatalf("want %T, got %v (%T)\n%s", tc.want, err, err, m.transcript())
			}
			if m.n > tc.most {
				t.Errorf("%d requests, want at most %d", m.n, tc.most)
			}
			if err.Error() == "" {
				t.Error("no message")
			}
		})
	}
}

func (m *model) firstPage(q sweep.Query) []sweep.Item {
	var out []sweep.Item
	for _, u := range m.order(q.Sort)[:min(q.Limit, len(m.live))] {
		out = append(out, u.item())
	}
	return out
}

// ignoreCursor answers whatever the cursor as if it were 0.
func ignoreCursor(m *model) func(int, sweep.Query, *sweep.Page) {
	return func(_ int, q sweep.Query, p *sweep.Page) {
		p.Items = m.firstPage(q)
		if !m.silent {
			p.More = sweep.Yes
		}
		p.HasNext, p.Next = m.dialect == sweep.Token, int64(q.Limit)
	}
}

// TestOneBadAnswer puts each fault that a contradiction does not show at once into each answer of the first two passes in turn. Nobody may
// be missing from what is then certified.
func TestOneBadAnswer(t *testing.T) {
	faults := map[string]func(m *model, n int, q sweep.Query, p *sweep.Page){
		"the rows of the page before": func(m *model, n int, q sweep.Query, p *sweep.Page) {
			if n > 1 {
				p.Items = slices.Clone(m.given[n-2].Items)
			}
		},
		"no has_more and no token": func(m *model, n int, q sweep.Query, p *sweep.Page) { p.More, p.HasNext = sweep.Unknown, false },
		"no has_more":              func(m *model, n int, q sweep.Query, p *sweep.Page) { p.More = sweep.Unknown },
		"short": func(m *model, n int, q sweep.Query, p *sweep.Page) {
			if len(p.Items) > 2 {
				p.Items, p.More, p.HasNext, p.Next = p.Items[:2], sweep.Yes, m.dialect == sweep.Token, q.Cursor+2
			}
		},
		"one row": func(m *model, n int, q sweep.Query, p *sweep.Page) {
			if len(p.Items) > 1 {
				p.Items, p.More, p.HasNext, p.Next = p.Items[:1], sweep.Yes, m.dialect == sweep.Token, q.Cursor+1
			}
		},
		"empty, and more": func(m *model, n int, q sweep.Query, p *sweep.Page) {
			p.Items, p.More, p.HasNext, p.Next = nil, sweep.Yes, m.dialect == sweep.Token, q.Cursor+int64(q.Limit)
		},
		"a row twice": func(m *model, n int, q sweep.Query, p *sweep.Page) {
			if len(p.Items) > 0 {
				p.Items = append(slices.Clone(p.Items), p.Items[0])
			}
		},
	}
	for _, server := range servers[:9] {
		for name, fault := range faults {
			t.Run(server.name+"/"+name, func(t *testing.T) {
				certified := 0
				for at := 1; at <= 16; at++ {
					m := newModel(33)
					server.setup(m)
					m.tamper = func(n int, q sweep.Query, p *sweep.Page) {
						if n == at {
							fault(m, n, q, p)
						}
					}
					r := mustRun(t, m, sweep.Options{Limit: 5, Lookup: m.Lookup})
					if !r.Certificate.Certified {
						continue
					}
					certified++
					wantEverybody(t, m, r, r.Certificate.Proof)
				}
				if certified < 12 {
					t.Errorf("%d of 16 certified", certified)
				}
			})
		}
	}
}

// TestOneFalseEnd holds that an empty page which is not the end does not pass for it where another look can tell.
func TestOneFalseEnd(t *testing.T) {
	for at := 2; at <= 20; at++ {
		m := newModel(33)
		m.dialect, m.silent = sweep.Offset, true
		m.tamper = func(n int, q sweep.Query, p *sweep.Page) {
			if n == at {
				p.Items = nil
			}
		}
		r := mustRun(t, m, sweep.Options{Limit: 5})
		wantEverybody(t, m, r, sweep.ProofCount)
	}
}

// TestMutePages holds that passes which all break off at the same place do not agree on anything.
func TestMutePages(t *testing.T) {
	m := newModel(33)
	m.base, m.unsorted = 100, true
	m.tamper = func(_ int, q sweep.Query, p *sweep.Page) {
		if q.Cursor > 105 {
			p.More, p.HasNext = sweep.Unknown, false
		}
	}
	r := mustRun(t, m, sweep.Options{Limit: 5})
	if c := r.Certificate; c.Certified || c.Sweeps != 8 || len(c.Reasons) < 2 {
		t.Errorf("%+v", c)
	}
}

// TestCursorTurnsOpaque has a token that counted rows through the first pass belie it in the second. What was proved by it falls, and the two
// passes, both in one order, do not make an agreement.
func TestCursorTurnsOpaque(t *testing.T) {
	m := newModel(25)
	m.tamper = func(n int, q sweep.Query, p *sweep.Page) {
		switch n {
		case 5:
			p.Next--
		case 6:
			p.Items = p.Items[1:]
		}
	}
	r := mustRun(t, m, sweep.Options{Limit: 10})
	wantEverybody(t, m, r, sweep.ProofAgreement)
	if r.Certificate.Sweeps != 3 || !r.Opaque {
		t.Errorf("%+v\n%s", r.Certificate, m.transcript())
	}
}

// TestNonsense puts a sweep through answers drawn at random before the server comes to its senses: it ends, in one of its own errors or with
// a result.
func TestNonsense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(rapid.IntRange(0, 20).Draw(t, "users"))
		rapid.SampledFrom(servers).Draw(t, "server").setup(m)
		until := rapid.IntRange(1, 40).Draw(t, "until")
		m.tamper = func(n int, q sweep.Query, p *sweep.Page) {
			if n > until {
				return
			}
			*p = sweep.Page{
				More:    rapid.SampledFrom([]sweep.Tri{sweep.Unknown, sweep.No, sweep.Yes}).Draw(t, "more"),
				Next:    rapid.Int64Range(-2, 30).Draw(t, "next"),
				HasNext: rapid.Bool().Draw(t, "has next"),
				Dialect: rapid.SampledFrom([]sweep.Dialect{sweep.Auto, sweep.Token, sweep.Offset}).Draw(t, "dialect"),
			}
			for range rapid.IntRange(0, 4).Draw(t, "rows") {
				key := fmt.Sprintf("u%03d", rapid.IntRange(0, 20).Draw(t, "user"))
				p.Items = append(p.Items, sweep.Item{Key: key, Raw: []byte("{}")})
			}
		}
		r, err := sweep.Run(context.Background(), m, sweep.Options{
			Smaller: isTooLarge, Limit: rapid.IntRange(1, 5).Draw(t, "limit"), Seen: func(sweep.Item) error { return nil }, Lookup: m.Lookup,
			SortKeyImmutable: rapid.Bool().Draw(t, "immutable"),
		})
		var loop *sweep.LoopError
		var stuck *sweep.StuckError
		var empty *sweep.EmptyPagesError
		var cursor *sweep.CursorError
		if err != nil && !errors.As(err, &loop) && !errors.As(err, &stuck) && !errors.As(err, &empty) && !errors.As(err, &cursor) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if (err == nil) != (r != nil) {
			t.Fatalf("result %v, error %v", r, err)
		}
		if m.n > 5000 {
			t.Errorf("%d requests", m.n)
		}
	})
}

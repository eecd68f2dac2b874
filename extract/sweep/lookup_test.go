package sweep_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// Forty users by fives are ten requests a pass.
const secondPass = 11

func TestLookupConfirmsWhomTheSecondPassMissed(t *testing.T) {
	m := newModel(40)
	var who *person
	m.plan[secondPass+4] = []mutation{func(m *model, rows []*person, skip int) { who = rows[skip+2]; m.move(who, rows[0]) }}
	var asked []string
	r := mustRun(t, m, sweep.Options{Limit: 5, Lookup: func(ctx context.Context, keys []string) ([]sweep.Item, error) {
		asked = append(asked, keys...)
		return m.Lookup(ctx, keys)
	}})
	wantEverybody(t, m, r, sweep.ProofCount)
	if !slices.Equal(asked, []string{who.id}) || r.Lookups != 1 || r.Certificate.Sweeps != 2 {
		t.Errorf("asked for %v, %d look-ups, %+v", asked, r.Lookups, r.Certificate)
	}
}

func TestLookupFindsAbsent(t *testing.T) {
	m := newModel(40)
	var who *person
	m.plan[secondPass+4] = []mutation{func(m *model, rows []*person, skip int) { who = rows[skip+2]; m.delete(who) }}
	r := mustRun(t, m, sweep.Options{Limit: 5, Lookup: m.Lookup})
	wantEverybody(t, m, r, sweep.ProofCount)
	if r.Present(who.id) || !r.Seen(who.id) || r.Lookups != 1 || r.Certificate.Sweeps != 3 {
		t.Errorf("present %v, seen %v, %d look-ups, %+v", r.Present(who.id), r.Seen(who.id), r.Lookups, r.Certificate)
	}

	// The absent are not present in an uncertified result either, and whoever is in doubt is.
	m = newModel(40)
	m.plan[secondPass+4] = []mutation{func(m *model, rows []*person, skip int) { who = rows[skip+2]; m.delete(who) }}
	r = mustRun(t, m, sweep.Options{Limit: 5, Lookup: m.Lookup, MaxPasses: 2})
	if c := r.Certificate; c.Certified || r.Present(who.id) || c.Users != 39 {
		t.Errorf("present %v, %+v", r.Present(who.id), c)
	}
}

func TestLookupIsNotCalled(t *testing.T) {
	never := func(t *testing.T) func(context.Context, []string) ([]sweep.Item, error) {
		return func(_ context.Context, keys []string) ([]sweep.Item, error) {
			t.Errorf("%d users were looked up", len(keys))
			return nil, nil
		}
	}
	t.Run("for a still list", func(t *testing.T) {
		mustRun(t, newModel(40), sweep.Options{Limit: 5, Lookup: never(t)})
	})
	t.Run("where a pass costs no more", func(t *testing.T) {
		m := newModel(5)
		m.plan[2] = []mutation{func(m *model, _ []*person, _ int) { m.delete(m.live[2]) }}
		mustRun(t, m, sweep.Options{Limit: 5, Lookup: never(t)})
	})
	t.Run("for many", func(t *testing.T) {
		m := newModel(900)
		m.plan[100] = []mutation{func(m *model, rows []*person, skip int) {
			for _, p := range rows[len(rows)-400:] {
				m.delete(p)
			}
		}}
		wantEverybody(t, m, mustRun(t, m, sweep.Options{Limit: 10, Lookup: never(t)}), sweep.ProofCount)
	})
	t.Run("for a row without an identity", func(t *testing.T) {
		m := newModel(40)
		nobody := &person{id: "!x", email: "c5"}
		m.live = append(m.live, nobody)
		m.plan[secondPass+1] = []mutation{func(m *model, _ []*person, _ int) { m.delete(nobody) }}
		wantEverybody(t, m, mustRun(t, m, sweep.Options{Limit: 5, Lookup: never(t)}), sweep.ProofCount)
	})
}

func TestLookupFails(t *testing.T) {
	boom := errors.New("boom")
	m := newModel(40)
	m.plan[secondPass+4] = []mutation{func(m *model, rows []*person, skip int) { m.delete(rows[skip+2]) }}
	_, err := sweep.Run(context.Background(), m, sweep.Options{Limit: 5, Seen: func(sweep.Item) error { return nil },
		Lookup: func(context.Context, []string) ([]sweep.Item, error) { return nil, boom }})
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}

// TestLookupAnswersWithStrangers ignores whom nobody asked for.
func TestLookupAnswersWithStrangers(t *testing.T) {
	m := newModel(40)
	m.plan[secondPass+4] = []mutation{func(m *model, rows []*person, skip int) { m.delete(rows[skip+2]) }}
	r := mustRun(t, m, sweep.Options{Limit: 5, Lookup: func(context.Context, []string) ([]sweep.Item, error) {
		return []sweep.Item{{Key: "stranger"}, m.live[0].item()}, nil
	}})
	wantEverybody(t, m, r, sweep.ProofCount)
	if r.Seen("stranger") {
		t.Error("a stranger was taken in")
	}
}

package sweep_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// recording answers as a model did before, in the order in which it was asked, and refuses any other question.
type recording struct {
	asked   []sweep.Query
	given   []sweep.Page
	lookups []struct {
		keys  []string
		found []sweep.Item
	}
}

var errOther = errors.New("another request than was recorded")

func (r *recording) Page(_ context.Context, q sweep.Query) (sweep.Page, error) {
	if len(r.asked) == 0 || r.asked[0] != question(q) {
		return sweep.Page{}, errOther
	}
	p := r.given[0]
	r.asked, r.given = r.asked[1:], r.given[1:]
	return p, nil
}

func (r *recording) Lookup(_ context.Context, keys []string) ([]sweep.Item, error) {
	if len(r.lookups) == 0 || !cmp.Equal(r.lookups[0].keys, keys) {
		return nil, errOther
	}
	found := r.lookups[0].found
	r.lookups = r.lookups[1:]
	return found, nil
}

// TestReplay holds that a sweep is a function of the answers: given the recorded ones it makes the same requests and comes to the same
// result, row by row. Resuming a run, and rebuilding tables without the API, rest on it.
func TestReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(rapid.IntRange(0, 45).Draw(t, "users"))
		rapid.SampledFrom(servers).Draw(t, "server").setup(m)
		if m.holes {
			hide(t, m)
		}
		m.mute = rapid.Bool().Draw(t, "mute") // the tape knows no answer again
		o := sweep.Options{Smaller: isTooLarge, Limit: rapid.IntRange(1, 7).Draw(t, "limit"), SortKeyImmutable: rapid.IntRange(0, 3).Draw(t, "immutable") == 0}
		plan(t, m, o.Limit)
		var tape recording
		first, rows1 := run(t, m, o, func(ctx context.Context, keys []string) ([]sweep.Item, error) {
			found, err := m.Lookup(ctx, keys)
			tape.lookups = append(tape.lookups, struct {
				keys  []string
				found []sweep.Item
			}{keys, found})
			return found, err
		})
		for i, q := range m.asked { // what was too large is in no journal
			if !slices.Contains(m.refused, i) {
				tape.asked, tape.given = append(tape.asked, q), append(tape.given, m.given[i])
			}
		}
		o.Smaller = func(err error) bool { return errors.Is(err, errOther) }
		again, rows2 := run(t, &tape, o, tape.Lookup)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("certificate and keys:\n%s", diff)
		}
		if diff := cmp.Diff(rows1, rows2); diff != "" {
			t.Errorf("rows:\n%s", diff)
		}
		if len(tape.asked)+len(tape.lookups) > 0 {
			t.Errorf("%d requests and %d look-ups were not repeated", len(tape.asked), len(tape.lookups))
		}
	})
}

type outcome struct {
	Certificate sweep.Certificate
	Keys        []string
	Present     []bool
}

func run(t *rapid.T, l interface {
	Page(context.Context, sweep.Query) (sweep.Page, error)
}, o sweep.Options, lookup func(context.Context, []string) ([]sweep.Item, error)) (outcome, []string) {
	var rows []string
	o.Seen = func(i sweep.Item) error { rows = append(rows, i.Key+" "+string(i.Raw)); return nil }
	o.Lookup = lookup
	r, err := sweep.Run(context.Background(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	out := outcome{Certificate: r.Certificate}
	for key, present := range r.Keys() {
		out.Keys, out.Present = append(out.Keys, key), append(out.Present, present)
	}
	return out, rows
}

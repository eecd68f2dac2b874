package amigosql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/internal/recordertest"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

func TestLookup(t *testing.T) {
	known := ids(800)
	ask := append([]string{"gone", "", known[3], "\x00unkeyed", "go'ne"}, known[:700]...)
	long := make([]string, 100)
	for i := range long {
		long[i] = fmt.Sprintf("%d%s", i, strings.Repeat("'", 120))
	}
	tests := []struct {
		name    string
		e       func() *engine
		ask     []string
		want    int
		queries int
	}{
		{"nobody", func() *engine { return newEngine(known...) }, nil, 0, 0},
		{"two queries", func() *engine { return newEngine(known...) }, ask, 700, 2},
		{"truncated", func() *engine { e := newEngine(known...); e.most = 150; return e }, ask, 700, 5},
		{"nothing said of what was left out", func() *engine { e := newEngine(known...); e.most, e.mute = 150, true; return e }, ask, 700, 6},
		{"long ids", func() *engine { return newEngine(long...) }, long, 100, 3},
		{"conditions ignored", func() *engine { e := newEngine(known...); e.unheeded = true; return e }, known[:2], 2, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := tt.e()
			items, err := newSource(t, e, Options{Complement: true}).Lookup(t.Context(), tt.ask)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, i := range items {
				if !slices.Contains(tt.ask, i.Key) || !strings.Contains(string(i.Raw), `"user_id":`+quoted(i.Key)) {
					t.Errorf("%q: %s", i.Key, i.Raw)
				}
				got[i.Key] = true
			}
			if len(got) != tt.want || len(items) != tt.want || len(e.log) != tt.queries {
				t.Errorf("%d users in %d rows, %d queries; want %d and %d", len(got), len(items), len(e.log), tt.want, tt.queries)
			}
		})
	}
	e := newEngine("a")
	e.intercept = func(int) (int, string) { return 400, "" }
	if _, err := newSource(t, e, Options{}).Lookup(t.Context(), []string{"a"}); !errors.As(err, new(*QueryError)) {
		t.Error(err)
	}
}

// TestReplay: with the journal of a run an offline client comes to the same, time-outs and answers too large to keep included.
func TestReplay(t *testing.T) {
	e := newEngine(ids(700)...)
	e.slow, e.large, e.most = 500, 200, 90
	e.before = func(n int) {
		if n == 8 {
			e.insert("0")
		}
	}
	var tape recordertest.Tape
	options := extract.Options{BaseURL: "http://127.0.0.1:9", Transport: direct{e}, Recorder: &tape}
	first, want := collect(t, New(newClient(t, options), Options{Org: org}))
	asked := len(e.log)
	tape.Rewind()
	options.Offline = true
	again, got := collect(t, New(newClient(t, options), Options{Org: org}))
	if !want.Certificate.Certified || fmt.Sprint(got.Certificate) != fmt.Sprint(want.Certificate) || fmt.Sprint(again) != fmt.Sprint(first) || len(e.log) != asked {
		t.Errorf("%+v of %+v, %d queries more", got.Certificate, want.Certificate, len(e.log)-asked)
	}
	_, err := New(newClient(t, options), Options{Org: org}).Sweep(t.Context(), func(sweep.Item) error { return nil })
	if !errors.Is(err, extract.ErrNotRecorded) {
		t.Errorf("an empty journal: %v", err)
	}
}

package pipeline

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract/mapped"
)

// TestByKey compares what is on disk, and what is in memory, with a map.
func TestByKey(t *testing.T) {
	space, err := newSpace(t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := space.Close(); err != nil {
			t.Error(err)
		}
	})
	key := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00é")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		k := newByKey[extent](rapid.SampledFrom([]*mapped.Space{nil, space}).Draw(t, "space"))
		want, order := map[string]extent{}, []string{}
		for _, id := range rapid.SliceOfN(key, 0, 80).Draw(t, "added") {
			e := extent{off: int64(len(order)), len: int32(len(id))}
			if _, known := want[id]; !known {
				order = append(order, id)
				if at := k.find(id); at != nil {
					t.Fatalf("%q is known as %v", id, *at)
				}
			} else if at := k.add(id); *at != want[id] {
				t.Fatalf("%q is %v, was %v", id, *at, want[id])
			}
			want[id], *k.add(id) = e, e
		}
		var came []string
		got := map[string]extent{}
		for id, e := range k.all() {
			came = append(came, id)
			got[id] = *e
		}
		if !slices.Equal(order, came) || !maps.Equal(want, got) || k.len() != len(want) {
			t.Fatalf("%d: %v, want %v, in the order %q, want %q", k.len(), got, want, came, order)
		}
		var sorted []string
		for _, n := range k.sorted() {
			sorted = append(sorted, k.keys.Key(int(n)))
		}
		if !slices.Equal(sorted, slices.SortedFunc(slices.Values(order), cmp.Compare[string])) {
			t.Fatalf("sorted: %q", sorted)
		}
	})
}

// TestByKeyOfNobody: where nothing was asked there is nothing to look in.
func TestByKeyOfNobody(t *testing.T) {
	for _, k := range []*byKey[seed]{nil, newByKey[seed](nil), (*seeds)(nil).of("acme"), (&seeds{}).of("acme")} {
		if k.find("a") != nil || k.len() != 0 || len(k.sorted()) != 0 {
			t.Error("somebody is known")
		}
		for id := range k.all() {
			t.Errorf("%q is known", id)
		}
	}
	if err := (*seeds)(nil).close(); err != nil {
		t.Error(err)
	}
}

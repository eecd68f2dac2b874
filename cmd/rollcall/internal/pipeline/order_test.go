package pipeline

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract/keyset"
)

// TestSortByKey compares with sorting the keys themselves, of which some are the beginnings of others.
func TestSortByKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var keys keyset.Set
		shared := rapid.StringN(0, 12, -1).Draw(t, "all begin with")
		for _, k := range rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00é")), 0, 12, -1), 0, 60).Draw(t, "keys") {
			keys.Add(shared + k)
		}
		var numbers []uint32
		for n := range keys.Len() {
			if n%5 > 0 {
				numbers = append(numbers, uint32(n))
			}
		}
		order := func(a, b uint32) int { return cmp.Compare(keys.Key(int(a)), keys.Key(int(b))) }
		if rapid.Bool().Draw(t, "sorted already") {
			slices.SortFunc(numbers, order)
		}
		want := slices.SortedFunc(slices.Values(numbers), order)
		sortByKey(&keys, numbers)
		if !slices.Equal(want, numbers) {
			t.Errorf("%v, want %v", numbers, want)
		}
	})
}

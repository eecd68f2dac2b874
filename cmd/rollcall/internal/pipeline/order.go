package pipeline

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/rollcall-data/rollcall/extract/keyset"
)

// there are the numbers of the users who are there, in the order of their ids.
func (r *roster) there() []uint32 {
	numbers := make([]uint32, 0, r.len())
	for n := range r.len() {
		if !r.values.At(n).unkept {
			numbers = append(numbers, uint32(n))
		}
	}
	sortByKey(&r.keys, numbers)
	return numbers
}

// sortByKey sorts numbers of keys by their keys, bytewise. Most lists come sorted, and that is all there is to see then. Else the beginnings of the keys
// are taken into memory, as far as they differ: keys may be on disk, and to compare two of them means to fetch them.
func sortByKey(keys *keyset.Set, numbers []uint32) {
	shared, sorted := beginning(keys, numbers)
	if sorted {
		return
	}
	type begun struct {
		begins uint64
		n      uint32
	}
	all := make([]begun, len(numbers))
	var key []byte
	for i, n := range numbers {
		key = keys.AppendKey(key[:0], int(n))
		var next [8]byte
		copy(next[:], key[shared:])
		all[i] = begun{binary.BigEndian.Uint64(next[:]), n}
	}
	var other []byte
	slices.SortFunc(all, func(a, b begun) int {
		if order := cmp.Compare(a.begins, b.begins); order != 0 {
			return order
		}
		key, other = keys.AppendKey(key[:0], int(a.n)), keys.AppendKey(other[:0], int(b.n))
		return bytes.Compare(key, other)
	})
	for i := range all {
		numbers[i] = all[i].n
	}
}

// beginning is how many bytes all keys begin with alike, and whether the keys are in order.
func beginning(keys *keyset.Set, numbers []uint32) (shared int, sorted bool) {
	sorted = true
	var key, before []byte
	for i, n := range numbers {
		before, key = key, keys.AppendKey(before[:0], int(n))
		if i == 0 {
			shared = len(key)
			continue
		}
		sorted = sorted && bytes.Compare(before, key) < 0
		alike := 0
		for alike < min(shared, len(key)) && before[alike] == key[alike] {
			alike++
		}
		shared = alike
	}
	return shared, sorted
}

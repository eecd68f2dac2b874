package pipeline

import (
	"iter"

	"github.com/rollcall-data/rollcall/extract/keyset"
	"github.com/rollcall-data/rollcall/extract/mapped"
)

// byKey is what is known of each of many users, by user_id or another key of theirs. T is of a fixed size and holds no pointer. A nil one knows nobody.
type byKey[T any] struct {
	keys   keyset.Set
	values mapped.List[T] // by the numbers of the keys
}

// newByKey makes an empty one, which grows in a space, if there is one.
func newByKey[T any](space *mapped.Space) *byKey[T] {
	k := new(byKey[T])
	k.in(space)
	return k
}

func (k *byKey[T]) in(space *mapped.Space) {
	k.keys.In(space)
	k.values.In(space)
}

// len is how many there are.
func (k *byKey[T]) len() int {
	if k == nil {
		return 0
	}
	return k.keys.Len()
}

// find is what is known under a key, nil where there is none. It stays where it is.
func (k *byKey[T]) find(key string) *T {
	if k == nil {
		return nil
	}
	n := k.keys.Find(key)
	if n < 0 {
		return nil
	}
	return k.values.At(n)
}

// add is what is known under a key, zero where there was none.
func (k *byKey[T]) add(key string) *T {
	n, added := k.keys.Add(key)
	if added {
		var zero T
		return k.values.Add(zero)
	}
	return k.values.At(n)
}

// all are they, in the order in which they came.
func (k *byKey[T]) all() iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		for n := range k.len() {
			if !yield(k.keys.Key(n), k.values.At(n)) {
				return
			}
		}
	}
}

// sorted are the numbers of all, in the order of their keys.
func (k *byKey[T]) sorted() []uint32 {
	numbers := make([]uint32, k.len())
	for n := range numbers {
		numbers[n] = uint32(n)
	}
	if k != nil {
		sortByKey(&k.keys, numbers)
	}
	return numbers
}

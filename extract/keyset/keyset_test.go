package keyset_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract/keyset"
	"github.com/rollcall-data/rollcall/extract/mapped"
)

// TestSet compares the set with a map.
func TestSet(t *testing.T) {
	space, err := mapped.New(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := space.Close(); err != nil {
			t.Error(err)
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		var s keyset.Set
		if rapid.Bool().Draw(t, "in a space") {
			s.In(space)
		}
		want, order := map[string]int{}, []string{}
		long := rapid.IntRange(0, 200_000).Draw(t, "a long key of")
		for range rapid.IntRange(0, 600).Draw(t, "keys") {
			n := rapid.IntRange(0, 400).Draw(t, "key")
			key := fmt.Sprintf("%d", n*n*n)
			switch n % 100 {
			case 7:
				key = strings.Repeat(key, long/len(key))
			case 8:
				key = ""
			}
			number, added := s.Add(key)
			if was, known := want[key]; known == added || known && was != number {
				t.Fatalf("number %d, added %t; it was known: %t, as %d", number, added, known, was)
			} else if !known {
				want[key] = number
				order = append(order, key)
			}
		}
		if s.Len() != len(order) || s.Find("never added") != -1 {
			t.Fatalf("%d keys of %d, or one that never was", s.Len(), len(order))
		}
		for n, key := range order {
			if s.Key(n) != key || s.Find(key) != n || string(s.AppendKey([]byte("x"), n)) != "x"+key {
				t.Fatalf("number %d is not the key's", n)
			}
		}
	})
}

// TestSetIsSmall holds the memory of a key to what the package promises, with ids as the API's are.
func TestSetIsSmall(t *testing.T) {
	const keys = 300_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := new(keyset.Set)
	for i := range keys {
		s.Add(fmt.Sprintf("u%029d", i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := float64(after.HeapAlloc-before.HeapAlloc) / keys
	t.Logf("%.1f bytes a key", per)
	if per > 55 {
		t.Errorf("%.1f bytes a key", per)
	}
	if objects := after.HeapObjects - before.HeapObjects; objects > keys/100 {
		t.Errorf("%d objects", objects)
	}
	runtime.KeepAlive(s)
}

func ExampleSet() {
	var s keyset.Set
	seen := []int{} // by number
	for _, id := range []string{"u7", "u3", "u7"} {
		n, added := s.Add(id)
		if added {
			seen = append(seen, 0)
		}
		seen[n]++
	}
	for n, times := range seen {
		fmt.Println(s.Key(n), times)
	}
	// Output:
	// u7 2
	// u3 1
}

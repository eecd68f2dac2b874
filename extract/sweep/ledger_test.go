package sweep

import (
	"fmt"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// TestLedger compares the ledger with a map.
func TestLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, want, order, rows := newLedger(nil), map[string]entry{}, []string{}, map[string]string{}
		for request := range uint32(rapid.IntRange(1, 600).Draw(t, "sightings")) {
			n := rapid.IntRange(0, 400).Draw(t, "key")
			key := fmt.Sprintf("%d", n*n*n)
			if n%100 == 8 {
				key = ""
			}
			row := rapid.SampledFrom([]string{"{}", "[]"}).Draw(t, "row")
			i, known, fresh := l.sight(Item{Key: key, Raw: []byte(row)}, request+1)
			was, old := want[key]
			if known.first != was.first || known.last != was.last || known.changed != was.changed || fresh != (rows[key] != row) {
				t.Fatalf("known %+v, want %+v; fresh %v, was %q, is %q", known, was, fresh, rows[key], row)
			}
			if fresh {
				was.changed, rows[key] = request+1, row
			}
			if !old {
				was.first = request + 1
				order = append(order, key)
			}
			was.last = request + 1
			want[key] = was
			if order[i] != key || l.key(i) != key || l.find(key) != i {
				t.Fatalf("entry %d is not of the key", i)
			}
		}
		if l.len() != len(order) || l.find("never sighted") != -1 {
			t.Fatalf("%d entries of %d, or one for a key that never was", l.len(), len(order))
		}
		for i, key := range order {
			if e := *l.entries.At(i); l.key(i) != key || e.first != want[key].first || e.last != want[key].last {
				t.Fatalf("entry %d is %+v, want %+v", i, e, want[key])
			}
		}
	})
}

// TestLedgerIsSmall holds the memory of a user to what the package promises, with ids as the API's are.
func TestLedgerIsSmall(t *testing.T) {
	const users = 300_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l := newLedger(nil)
	for i := range users {
		l.sight(Item{Key: fmt.Sprintf("u%029d", i)}, uint32(i/100)+1)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := float64(after.HeapAlloc-before.HeapAlloc) / users
	t.Logf("%.1f bytes a user", per)
	if per > 75 {
		t.Errorf("%.1f bytes a user", per)
	}
	runtime.KeepAlive(l)
}

package journal

import (
	"runtime"
	"strconv"
	"testing"
)

// A million models must not be felt: an answer that waits on disk takes about 60 bytes of memory, and at worst, when the map has just
// grown, not much over a hundred.
func TestIndexMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 500_000
	x := newIndex()
	for i := range n {
		x.add(keyOf(strconv.Itoa(i)), uint32(i/64), uint32(i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := float64(after.HeapAlloc-before.HeapAlloc) / n; each > 110 {
		t.Errorf("%.0f bytes an answer", each)
	} else {
		t.Logf("%.0f bytes an answer", each)
	}
	runtime.KeepAlive(x)
}

// Places of one call are taken in their order, whatever is between them.
func TestIndexOrder(t *testing.T) {
	x := newIndex()
	for i := range uint32(9) {
		x.add(keyOf(strconv.Itoa(int(i%3))), i, 0)
	}
	for i := range uint32(9) {
		k := keyOf(strconv.Itoa(int(i % 3)))
		if p, ok := x.take(k); !ok || p.block != i || x.len() != int(8-i) {
			t.Errorf("take %d: %+v, %v, %d left", i, p, ok, x.len())
		}
	}
	if _, ok := x.take(keyOf("0")); ok {
		t.Error("taken once too often")
	}
	x.add(keyOf("0"), 7, 7)
	if p, ok := x.take(keyOf("0")); !ok || p.off != 7 {
		t.Error("a call cannot come again")
	}
}

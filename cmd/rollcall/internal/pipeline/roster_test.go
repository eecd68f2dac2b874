package pipeline

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestInTurn reads a spill back in its order, in another and while it grows, and compares with what was put.
func TestInTurn(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s, err := newSpill(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.close() }()
		var put [][]byte
		var places []extent
		add := func(n int) {
			for range n {
				b := bytes.Repeat([]byte{byte(len(put))}, rapid.SampledFrom([]int{0, 1, 3000, spillAhead - 1, spillAhead, spillAhead + 1, spillBuffer + 7}).Draw(t, "length"))
				e, err := s.put(b)
				if err != nil {
					t.Fatal(err)
				}
				put, places = append(put, b), append(places, e)
			}
		}
		add(rapid.IntRange(1, 20).Draw(t, "values"))
		r := inTurn{spill: s}
		i := 0
		for range rapid.IntRange(1, 60).Draw(t, "reads") {
			switch rapid.IntRange(0, 9).Draw(t, "next") {
			case 0:
				i = rapid.IntRange(0, len(put)-1).Draw(t, "value")
			case 1:
				add(1)
			}
			i %= len(put)
			got, err := r.get(places[i])
			if err != nil || !bytes.Equal(got, put[i]) {
				t.Fatalf("value %d of %d bytes: %d bytes, %v", i, len(put[i]), len(got), err)
			}
			i++
		}
	})
}

// What cannot be read is an error, also later.
func TestInTurnFails(t *testing.T) {
	s, err := newSpill(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.put(make([]byte, spillBuffer))
	if err != nil {
		t.Fatal(err)
	}
	r := inTurn{spill: s}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.get(e); err == nil {
			t.Fatal("read from a file that is closed")
		}
	}
}

package mapped

import (
	"os"
	"testing"
)

// TestWithoutRoomListsStayInMemory: on a disk that is full, for a file that cannot be written to stands.
func TestWithoutRoomListsStayInMemory(t *testing.T) {
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &Space{file: readOnly}
	var l List[int64]
	l.In(s)
	for i := range 100_000 {
		l.Add(int64(i))
	}
	for i := range 100_000 {
		if *l.At(i) != int64(i) {
			t.Fatalf("element %d is %d", i, *l.At(i))
		}
	}
	if len(s.regions) > 0 || !s.full {
		t.Error("there was room")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestLookingAround: what is dropped from memory meanwhile is there for those who look.
func TestLookingAround(t *testing.T) {
	s, err := New(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var l List[int64]
	l.In(s)
	const n = 1 << 18
	for i := range n {
		l.Add(int64(i))
	}
	done := make(chan int64)
	for from := range 4 {
		go func() {
			wrong := int64(0)
			for i := range n {
				at := (i*7919 + from*n/4) % n
				if *l.At(at) != int64(at) {
					wrong++
				}
			}
			done <- wrong
		}()
	}
	for range 4 {
		if wrong := <-done; wrong > 0 {
			t.Errorf("%d elements are not what they were", wrong)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

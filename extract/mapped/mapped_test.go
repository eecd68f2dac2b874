package mapped_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract/mapped"
)

type element struct {
	n    int64
	hash [16]byte
	few  uint16
}

func space(t testing.TB, after int) *mapped.Space {
	t.Helper()
	s, err := mapped.New(t.TempDir(), after)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestLists compares lists, of which some are in a space and some are not, with slices.
func TestLists(t *testing.T) {
	spaces := []*mapped.Space{nil, space(t, 0), space(t, 100_000)}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(spaces).Draw(t, "space")
		var elements mapped.List[element]
		var bytes mapped.List[byte]
		var pages mapped.List[[40_000]byte]
		elements.In(s)
		bytes.In(s)
		pages.In(s)
		var pointers []*element
		n := rapid.IntRange(0, 5000).Draw(t, "elements")
		for i := range n {
			pointers = append(pointers, elements.Add(element{n: int64(i), few: uint16(i % 7)}))
			*bytes.Add(0) = byte(i)
			if i%1000 == 0 {
				pages.Add([40_000]byte{39_999: byte(i / 1000)})
			}
		}
		elements.Len()
		for i := range n {
			if rapid.IntRange(0, 9).Draw(t, "change") == 0 {
				pointers[i].hash[3] = byte(i)
			}
		}
		if elements.Len() != n || bytes.Len() != n || pages.Len() != (n+999)/1000 {
			t.Fatalf("%d, %d and %d elements", elements.Len(), bytes.Len(), pages.Len())
		}
		for i := range n {
			if e := elements.At(i); e != pointers[i] || e.n != int64(i) || e.few != uint16(i%7) || *bytes.At(i) != byte(i) {
				t.Fatalf("element %d is %+v", i, *e)
			}
		}
		for i := range pages.Len() {
			if p := pages.At(i); p[39_999] != byte(i) || p[0] != 0 {
				t.Fatalf("page %d ends with %d", i, p[39_999])
			}
		}
	})
}

// resident is how much memory the process has, in bytes.
func resident(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("the system does not say how much memory a process has: ", err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestWhatIsNotLookedAtTakesNoMemory: however one goes through a list, the process has but a part of it.
func TestWhatIsNotLookedAtTakesNoMemory(t *testing.T) {
	const n = 4 << 20 // 128 MiB
	var l mapped.List[element]
	l.In(space(t, 1<<20))
	before := resident(t)
	most := int64(0)
	at := 0
	for i := range n {
		l.Add(element{n: int64(i)})
		if i%65536 == 0 {
			most = max(most, resident(t)-before)
		}
	}
	for i := range n {
		if l.At(i).n != int64(i) {
			t.Fatalf("element %d is %d", i, l.At(i).n)
		}
		if i%65536 == 0 {
			most = max(most, resident(t)-before)
		}
	}
	for i := range n / 64 {
		at = (at + 5_000_011) % n
		if l.At(at).n != int64(at) {
			t.Fatalf("element %d is %d", at, l.At(at).n)
		}
		if i%4096 == 0 {
			most = max(most, resident(t)-before)
		}
	}
	t.Logf("%d MB of 128 at most", most>>20)
	if most > 90<<20 {
		t.Errorf("%d MB of 128", most>>20)
	}
}

func TestNoFolder(t *testing.T) {
	if s, err := mapped.New(filepath.Join(t.TempDir(), "nowhere"), 0); err == nil {
		t.Error(s.Close())
	}
}

func TestTheFileHasNoName(t *testing.T) {
	dir := t.TempDir()
	s, err := mapped.New(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	var l mapped.List[int64]
	l.In(s)
	l.Add(1)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

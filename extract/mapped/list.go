package mapped

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// chunkBytes is about how much a list takes at once. Of elements that are larger, a chunk is one.
const chunkBytes = 32 << 10

// List grows without moving what it has: pointers into it stay good, and there is never twice of it. T is of a fixed size and holds no pointer. The zero
// value is an empty list in plain memory. Only one goroutine may use it while one adds to it; else any number may look at it.
type List[T any] struct {
	space  *Space
	chunks []chunk[T]
	shift  uint8 // a chunk has 1 << shift elements
	n      int
	last   atomic.Int64 // the chunk that was looked at last, of those in the space
}

type chunk[T any] struct {
	elements []T
	mapped   bool
}

// In has the list grow in a space once it is large. It comes before the first Add.
func (l *List[T]) In(s *Space) { l.space = s }

// Len is how many elements there are.
func (l *List[T]) Len() int { return l.n }

// At is the ith element.
func (l *List[T]) At(i int) *T {
	at := i >> l.shift
	c := &l.chunks[at]
	if c.mapped && l.last.Load() != int64(at) {
		l.last.Store(int64(at))
		l.space.look(len(c.elements) * l.size())
	}
	return &c.elements[i&(1<<l.shift-1)]
}

// Stays tells whether the ith element is in plain memory, where it is good for as long as anybody has a hold of it.
func (l *List[T]) Stays(i int) bool { return !l.chunks[i>>l.shift].mapped }

// Add returns where the new last element is.
func (l *List[T]) Add(v T) *T {
	if l.n == 0 {
		l.shift = uint8(max(0, bits.Len(uint(chunkBytes/max(1, l.size())))-1))
	}
	if l.n&(1<<l.shift-1) == 0 {
		l.chunks = append(l.chunks, l.chunk())
	}
	l.n++
	at := l.At(l.n - 1)
	*at = v
	return at
}

// size is that of an element in bytes.
func (l *List[T]) size() int {
	var v T
	return int(unsafe.Sizeof(v))
}

func (l *List[T]) chunk() chunk[T] {
	n := 1 << l.shift
	if l.space != nil && l.n*l.size() >= l.space.after {
		if b := l.space.alloc(n * l.size()); b != nil {
			// The bytes are this list's alone and begin at a place that is good for any type, and T holds nothing that the collector would look for.
			elements := unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n) //nolint:gosec // see above
			return chunk[T]{elements, true}
		}
	}
	return chunk[T]{elements: make([]T, n)}
}

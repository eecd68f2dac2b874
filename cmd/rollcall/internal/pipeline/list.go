package pipeline

// list grows without moving what it has: pointers into it stay good, and there is never twice of it. The zero value is an empty list.
type list[T any] struct {
	chunks [][]T
	n      int
}

const listChunk = 256 // elements

func (l *list[T]) len() int { return l.n }

func (l *list[T]) at(i int) *T { return &l.chunks[i/listChunk][i%listChunk] }

// add returns where the new last element is.
func (l *list[T]) add(v T) *T {
	if l.n%listChunk == 0 {
		l.chunks = append(l.chunks, make([]T, listChunk))
	}
	l.n++
	at := l.at(l.n - 1)
	*at = v
	return at
}

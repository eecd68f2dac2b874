package sandbox

import "slices"

// handle is a record's number. Those below the population's size are generated; each record made later has the next one.
type handle = uint32

// roster is the live list of records: which there are, and in what order they stand when nobody asks for a sort. What was
// generated is made anew at each use; only what was written since is kept.
type roster[R any] struct {
	make  func(handle) *R
	kept  map[handle]*R
	gone  map[handle]struct{}
	order []handle
	next  handle
}

func newRoster[R any](size int, generate func(handle) *R) roster[R] {
	order := make([]handle, size)
	for i := range order {
		order[i] = handle(i)
	}
	return roster[R]{generate, make(map[handle]*R), make(map[handle]struct{}), order, handle(size)}
}

// at is the record of a handle, as it last was where it is gone. Whoever changes it gives a changed copy to put.
func (r *roster[R]) at(h handle) *R {
	if kept, ok := r.kept[h]; ok {
		return kept
	}
	return r.make(h)
}

// living says whether a handle is of a record in the list.
func (r *roster[R]) living(h handle) bool {
	_, gone := r.gone[h]
	return h < r.next && !gone
}

// add puts a new record at a position of the list. The handle is r.next.
func (r *roster[R]) add(record *R, position int) handle {
	h := r.next
	r.next++
	r.kept[h] = record
	r.order = slices.Insert(r.order, min(max(position, 0), len(r.order)), h)
	return h
}

func (r *roster[R]) put(h handle, record *R) { r.kept[h] = record }

// remove takes records out for good.
func (r *roster[R]) remove(gone map[handle]struct{}) {
	r.order = slices.DeleteFunc(r.order, func(h handle) bool { _, out := gone[h]; return out })
	for h := range gone {
		r.gone[h] = struct{}{}
	}
}

// move takes a living record to the place of another.
func (r *roster[R]) move(h, to handle) {
	r.order = slices.DeleteFunc(r.order, func(x handle) bool { return x == h })
	r.order = slices.Insert(r.order, max(slices.Index(r.order, to), 0), h)
}

package sweep

import "fmt"

// LoopError is a server that claims more and hands out a cursor that it has handed out before in the same pass.
type LoopError struct {
	Pass, Page int // where, from 1
}

func (e *LoopError) Error() string {
	return fmt.Sprintf("the list's cursor repeats (pass %d, request %d): the server says that more follows and points back", e.Pass, e.Page)
}

// StuckError is a server that answers every cursor with the same rows, as one that ignores the parameter does.
type StuckError struct {
	Pass, Page int
	Run        int // forward pages in a row that brought nobody new
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("%d pages in a row brought nobody new (pass %d, request %d): the server ignores the cursor", e.Run, e.Pass, e.Page)
}

// EmptyPagesError is a server that goes on claiming more behind empty pages.
type EmptyPagesError struct {
	Pass, Page int
	Run        int // empty pages in a row
}

func (e *EmptyPagesError) Error() string {
	return fmt.Sprintf("%d empty pages in a row that claim more (pass %d, request %d)", e.Run, e.Pass, e.Page)
}

// CursorError is a server that claims more and does not say where.
type CursorError struct {
	Pass, Page int
}

func (e *CursorError) Error() string {
	return fmt.Sprintf("an answer says that more follows and has no continuation token (pass %d, request %d)", e.Pass, e.Page)
}

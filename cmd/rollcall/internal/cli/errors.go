package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/output"
	"github.com/rollcall-data/rollcall/load/publish"
)

// PrintError prints the error and what to do about it. It returns nothing: there is nobody left to tell.
func PrintError(w io.Writer, err error) {
	if errors.Is(err, ErrAttention) || as[*EndedError](err) {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s\n", oneLine(message(err)))
	for _, h := range hints(err) {
		fmt.Fprintf(&b, "hint: %s\n", output.Visible(strings.TrimRight(h, " \t\r\n")))
	}
	_, _ = io.WriteString(w, b.String())
}

func message(err error) string {
	switch {
	case errors.Is(err, ErrInterrupted), errors.Is(err, context.Canceled):
		return "interrupted"
	case err.Error() == "":
		return fmt.Sprintf("%T", err)
	}
	return err.Error()
}

// oneLine joins the lines of a text, as of several errors joined, and escapes what would draw on a terminal.
func oneLine(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	return output.Visible(strings.Join(lines, "; "))
}

// hints come from the error itself, else from what the system said.
func hints(err error) []string {
	var advised interface{ Hints() []string }
	if errors.As(err, &advised) && len(advised.Hints()) > 0 {
		return advised.Hints()
	}
	for _, h := range systemHints {
		if errors.Is(err, h.target) {
			return []string{h.hint}
		}
	}
	return nil
}

var systemHints = []struct {
	target error
	hint   string
}{
	{ErrInterrupted, "run it again: it goes on from here, and asks for nothing twice"},
	{publish.ErrNoVersion, "rollcall sync publishes one (rollcall sync --sandbox, without an account); --warehouse names another folder"},
	{syscall.ENOSPC, "free some space, then run it again: it goes on from here; rollcall gc removes what retention no longer keeps"},
	{syscall.EDQUOT, "the disk quota is used up; run it again when there is room: it goes on from here"},
	{syscall.EROFS, "the file system is read-only; name a folder that can be written to with --warehouse"},
	{syscall.EACCES, "run as the user who owns the warehouse, or name another folder with --warehouse"},
	{syscall.EPERM, "run as the user who owns the warehouse, or name another folder with --warehouse"},
	{syscall.EADDRINUSE, "another program listens there, perhaps another rollcall schedule; schedule.listen names another address, or off"},
	{syscall.EMFILE, "raise the limit of open files (ulimit -n)"},
}

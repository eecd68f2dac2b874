// Package faulttest runs a process for a test and stands between it and the file system: it kills the process before its nth operation, or
// makes operations fail as a full disk does. It works from outside, on the system calls, so that the code under test has no seam for it, and
// what libraries do (DuckDB) is met like what is ours.
//
// It needs ptrace, and so Linux on amd64 and the permission for it; elsewhere Run fails with an error wrapping errors.ErrUnsupported.
package faulttest

import (
	"fmt"
	"syscall"
)

// Operation is what a process is about to do to a file or folder.
type Operation struct {
	Number int    // from 1
	Call   string // open (for writing), write, sync, truncate, mode, mkdir, rename, link or remove
	Path   string // in the folder watched
	To     string // of a rename, the new name
}

func (o Operation) String() string {
	if o.To != "" {
		return fmt.Sprintf("%d: %s %s to %s", o.Number, o.Call, o.Path, o.To)
	}
	return fmt.Sprintf("%d: %s %s", o.Number, o.Call, o.Path)
}

// Verdict is what becomes of an operation. The zero value lets it be done.
type Verdict struct {
	kill  bool
	fault syscall.Errno
}

// Kill ends the process, as kill -9 does, before the operation.
var Kill = Verdict{kill: true}

// Fail has the operation not done, and fail with this error.
func Fail(with syscall.Errno) Verdict { return Verdict{fault: with} }

// Result is how the process ended.
type Result struct {
	Status     syscall.WaitStatus
	Output     string      // standard output and standard error
	Operations []Operation // those that were done, and the one that it was killed before
}

// Killed tells whether it ended by Kill.
func (r Result) Killed() bool { return r.Status.Signaled() && r.Status.Signal() == syscall.SIGKILL }

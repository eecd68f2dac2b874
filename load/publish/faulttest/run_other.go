//go:build !linux || !amd64

package faulttest

import (
	"errors"
	"fmt"
	"os/exec"
)

// Run starts the process and asks meddle before each of its operations on what is below dir.
func Run(_ *exec.Cmd, _ string, _ func(Operation) Verdict) (Result, error) {
	return Result{}, fmt.Errorf("trace a process: %w", errors.ErrUnsupported)
}

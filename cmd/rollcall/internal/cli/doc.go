// Package cli is how rollcall behaves as a command: exit codes, what errors look like, signals, logs and the progress bar.
//
// Data goes to standard output, everything else to standard error. An error is one line that begins with "error: ", followed by lines that begin with
// "hint: "; neither breaks over lines nor carries control characters, whatever the error's text.
package cli

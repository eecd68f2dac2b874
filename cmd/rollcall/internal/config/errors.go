package config

import (
	"fmt"
	"strings"
)

// FieldError is a key whose value cannot be used.
type FieldError struct {
	Key    string // page_size
	Value  string // as it was given; empty for secrets, whose text is never repeated
	Origin Origin
	Reason string
	hints  []string
}

func (e *FieldError) Error() string {
	value := ""
	if e.Value != "" {
		value = fmt.Sprintf(" %q", e.Value)
	}
	switch e.Origin.Place {
	case FromFlag, FromEnvironment:
		return fmt.Sprintf("%s%s: %s", e.Origin, value, e.Reason)
	case FromFile:
		return fmt.Sprintf("%s: %s%s: %s", e.Origin, e.Key, value, e.Reason)
	}
	return fmt.Sprintf("%s%s: %s", e.Key, value, e.Reason)
}

// Hints says what a person can do.
func (e *FieldError) Hints() []string { return e.hints }

// FileError is a configuration file that cannot be read as one.
type FileError struct {
	Path   string
	Line   int // from 1; 0 where the trouble is with the file as a whole
	Reason string
	hints  []string
	err    error
}

func (e *FileError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Reason)
	}
	return fmt.Sprintf("configuration file %s: %s", e.Path, e.Reason)
}

// Hints says what a person can do.
func (e *FileError) Hints() []string { return e.hints }

// Unwrap gives the cause, where the system had one.
func (e *FileError) Unwrap() error { return e.err }

// NoCredentialsError: a source has to be asked, and there is nothing to sign in with.
type NoCredentialsError struct {
	Source  Source
	Missing []string // variables that would mend it
}

func (e *NoCredentialsError) Error() string {
	return fmt.Sprintf("no credentials for %s: %s not set", e.Source, strings.Join(e.Missing, ", "))
}

// Hints says what a person can do.
func (e *NoCredentialsError) Hints() []string {
	if e.Source == Freddy {
		return []string{"set FREDDY_API_KEY, or name a file or a command in the configuration (freddy_api_key: file:/path)"}
	}
	return []string{
		"set AMIGO_API_KEY, AMIGO_API_KEY_ID and AMIGO_USER_ID to sign in with a key, or AMIGO_TOKEN to use a bearer token as it is",
		"or name files or commands in the configuration (amigo_api_key: file:/path)",
		"to try rollcall without an account: rollcall sync --sandbox",
	}
}

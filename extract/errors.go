package extract

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNotRecorded: the client is offline and the journal holds no usable answer to the call.
var ErrNotRecorded = errors.New("not recorded")

// RefusedError: the API knows who asks and refuses, or will not know them: a refused sign-in, a 401 that a new token did not mend, a 403
// where one person's permission is not the matter. Asking again changes nothing.
type RefusedError struct {
	Org    string
	Kind   Kind
	Status int // 401 or 403
}

func (e *RefusedError) Error() string {
	switch {
	case e.Kind == KindSignIn:
		return fmt.Sprintf("the sign-in to %s was refused (HTTP %d)", e.Org, e.Status)
	case e.Status == 403:
		return fmt.Sprintf("no permission for %s requests to %s (HTTP 403)", e.Kind, e.Org)
	}
	return fmt.Sprintf("the credentials were refused by %s (%s request, HTTP %d)", e.Org, e.Kind, e.Status)
}

// Hints says what a person can do.
func (e *RefusedError) Hints() []string {
	if e.Status == 403 && e.Kind != KindSignIn {
		return []string{"ask an administrator for the permission, or sign in as a user who has it"}
	}
	return []string{
		"check the key, its id and the user to sign in as, or the token; API keys expire after at most 90 days",
		"a key signs in only users whose role is less permissive than its own",
	}
}

// OrgNotFoundError: the API answered 404 for the organization itself. An organization lives in one region, and only that region's host
// knows it (api/amigo.md §1.1).
type OrgNotFoundError struct {
	Org   string
	Kind  Kind
	Host  string   // the host that was asked
	Hosts []string // hosts of the API's regions; may be nil
}

func (e *OrgNotFoundError) Error() string {
	return fmt.Sprintf("the organization %s is not known at %s (%s request, HTTP 404)", e.Org, e.Host, e.Kind)
}

// Hints names the region hosts.
func (e *OrgNotFoundError) Hints() []string {
	return append([]string{"check the organization's id"}, regionHint(e.Hosts)...)
}

// UnavailableError: no usable answer, and no reason to expect one by asking again now.
type UnavailableError struct {
	Org      string
	Kind     Kind
	Status   int           // the last answer's; 0 where none came
	Attempts int           // requests tried
	Failing  time.Duration // spent failing and waiting between attempts
	Reason   string        // the last fault, in a constant phrase: "status 503", "the body was cut short"

	hints []string
	err   error
}

func (e *UnavailableError) Error() string {
	if e.Attempts <= 1 {
		return fmt.Sprintf("no usable answer to a %s request to %s: %s", e.Kind, e.Org, e.Reason)
	}
	return fmt.Sprintf("no usable answer to a %s request to %s, %d attempts in %s: %s", e.Kind, e.Org, e.Attempts,
		e.Failing.Round(100*time.Millisecond), e.Reason)
}

// Hints says what a person can do.
func (e *UnavailableError) Hints() []string { return e.hints }

// Unwrap gives the last fault, for errors.Is and errors.As; its text may quote what the network said and is not for printing.
func (e *UnavailableError) Unwrap() error { return e.err }

// TooLargeError: a body of more bytes than the cap. The client does not ask for it again; a sweep asks for fewer rows.
type TooLargeError struct {
	Org  string
	Kind Kind
	Max  int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("an answer to a %s request to %s has more than %d bytes", e.Kind, e.Org, e.Max)
}

// Hints says what a person can do.
func (e *TooLargeError) Hints() []string {
	return []string{"ask for smaller pages"}
}

func regionHint(hosts []string) []string {
	if len(hosts) == 0 {
		return nil
	}
	return []string{"check the base URL; the regions' hosts are " + strings.Join(hosts, ", ")}
}

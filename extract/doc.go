// Package extract is the way rollcall asks an API for anything: one HTTP client that is polite, distrustful and repeatable.
//
// A source (extract/amigo and its siblings) describes a request as a [Call], without credentials, and hands it to [Client.Do] with a
// function that says whether an answer is usable. Do returns an [Answer] that was received whole, was usable, and is already safe in the
// journal; or an error that says what a person can do about it. Everything between is this package's business:
//
// # What it guarantees
//
//   - Nothing is paid twice. The recorder (the journal) is asked first; what it holds is returned without a request, a sign-in or a wait.
//     A usable answer is recorded durably before Do returns it. An offline client (--replay) asks nobody: a miss is [ErrNotRecorded].
//   - Nothing is half read. A body that ends before its length, JSON that stops in the middle, HTML or nothing where JSON is due, a reset,
//     a silence of 30 seconds: all are faults, and the request is repeated. A slow body is waited for while bytes come, five minutes in all.
//     A body of more than [Options.MaxBody] bytes is a [TooLargeError].
//   - The API's limits hold. Every endpoint of every organization has a schedule of its own, 1 % slower than what is allowed, so that
//     neither fixed nor sliding windows refuse anything; list and look-ups are one endpoint, and so is all of Freddy. X-RateLimit-* and
//     Retry-After rule over it. See [RPM].
//   - Faults are bounded. Statuses 408, 429, 500, 502, 503, 504 and faults of the network or of the content are tried at most eight times
//     and for 150 seconds of failing, with full jitter between. A 429 is no fault while waiting it out may help: see [Retry]. No other
//     status is repeated.
//   - Sign-in is never hammered: one flight at a time, a refused key is not tried again, a token is renewed before its time where the
//     clock allows and once after a 401.
//   - Credentials go nowhere else. Plain http is for loopback only, TLS is verified, a redirect to another host or scheme is refused, and a
//     [Secret] prints as **redacted**.
//
// # How it fails
//
// By errors with hints, none of which quotes a body, a URL or an identifier of a user:
//
//   - [RefusedError]: credentials or permission;
//   - [OrgNotFoundError]: the organization is not known at this base URL;
//   - [UnavailableError]: a fault that persisted, or a status that no repetition mends;
//   - [TooLargeError]: a body over the cap;
//   - [ErrNotRecorded]: offline, and the journal has no such answer.
//
// A recorder that fails stops the call at once: what cannot be kept must not be used.
//
// Above the client everything is deterministic given the answers; that is what makes a run resumable by running it again.
package extract

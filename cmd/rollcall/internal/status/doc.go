// Package status is the page about a warehouse for people with a browser: whether to trust it now, how it has been, what a run did, what the tables are
// made of, and a box for read-only SQL.
//
// It is an http.Handler for everything below "/", made of HTML, one stylesheet and nothing else: no script, nothing from elsewhere, and headers that let a
// browser fetch no more than that. Where a request came in on a loopback address, it has to name one as its host: a name that somebody else's DNS points here
// (rebinding) is refused.
//
// Of users it shows numbers, paths and reasons. Their values, ids and what is in quarantine are shown by the SQL box alone, which there is only with a token:
// given to the login form, which sets a cookie for a session of eight hours, or as a bearer. Too many wrong tokens close the login for a while, to the right
// one too; sessions that are open stay so.
//
// SQL runs in a process of its own, one at a time: this program again, begun by Worker, with an empty environment, no core dumps, bounds on memory, time, disk
// and rows, and DuckDB locked to the tables of the current version. It is killed when its time is over, when the client goes, and when the page is closed.
// What a statement says, and what it finds, is in no log.
//
// A page that cannot be made answers 500 and says so in the log; nothing else is affected.
package status

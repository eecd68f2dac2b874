// Package pipeline is a run: it sweeps the users, fetches the models that are due, decides what changed and what may be deleted, and
// publishes a version.
//
//	sweep (extract/sweep, journalled) → roster → models by budget → look-ups of the absent → decide → build → verify → publish
//
// Everything above the HTTP client is a function of the answers, the version before and the run's clock, and the clock is in the journal. So
// a run that died is resumed by running again with the journal answering first, and a replay is a run whose client is offline.
//
// A run holds the warehouse's lock from begin to end. It fails with the errors of extract (refused, unavailable), sweep (a server that
// contradicts itself), publish (locked, a version that does not verify) and the file system; whatever fails, the version before stays
// current and what was received stays in the journal.
package pipeline

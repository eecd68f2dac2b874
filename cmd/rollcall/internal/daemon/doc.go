// Package daemon is the night shift: it begins a run whenever one is due, each in a process of its own, and serves what people and monitors ask.
//
// One run at a time. A time that comes while a run is on is counted as missed, and never replayed; so is one that passed while the machine slept, unless
// missed runs are to be made up for: then one run stands for all of them. A run that fails is tried again, ever later, as long as the next is not due.
// What a person has to mend (credentials, configuration) is not tried again.
//
// A run is a process so that nothing it does, a crash in the database included, ends the daemon. It is interrupted as a person would do it, with SIGINT:
// it stops where the next can go on. What it logs goes to the daemon's log and, beside the run's record, to runs/RUN.log, one JSON object a line.
//
// Time comes from a clock that is asked, for waking up at the right time is not enough: machines sleep, and clocks are set. Loop returns nil when it was
// told to drain, and the context's cause when that ended.
package daemon

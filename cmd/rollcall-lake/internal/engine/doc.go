// Package engine has heavy work on the lake's tables done by an engine that the operator has: Spark or Trino.
//
// A job is SQL, written once, in DuckDB's dialect (sql/JOB.sql). What sqlglot makes of it for Spark and Trino lies beside it, and .ci/lake checks that it does, and that
// the three engines make tables of it that are equal to the last byte. Compaction is each engine's own command.
//
// # What holds
//
// A job reads the tables of rollcall at one snapshot, which is named in its statements: what is published meanwhile it does not see. It never writes to them, but for
// compaction, which changes files and nothing that is in them. What it makes are tables of its own in the same namespace, whose names begin with
// lake_, each by one atomic commit. A job can be run again at any time: it makes the same of the same run. History takes no run that is older than what it has.
//
// # How it fails
//
// An engine that is not there is an [UnreachableError], one that refuses the credentials a [RefusedError], a statement that fails a [FailedError] with what the engine
// said. A context that ends cancels the statement on Trino, and ends Spark's driver with all its processes. No secret is on a command line or in an error.
package engine

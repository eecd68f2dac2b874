// Package duckdb writes and reads the DuckDB file of a version.
//
// A Writer makes one new file, or amends a copy of one, and fills it from record batches in a single transaction, with one thread; it is
// without a write-ahead log when Close returns, and compact where it was new. A Reader opens a published file read-only. Neither ever
// downloads an extension. The database file must not be opened, copied or hashed by any other means in this process while a Writer or
// Reader has it open: that would drop DuckDB's lock on it.
//
// What DuckDB may use for writing, where nobody says it, is bounded by the number of columns, and comes to some hundred MiB; what Update needs for each
// row of a table, which does not go to disk, comes on top. Fill needs none.
//
// Everything fails with the statement's purpose and DuckDB's own message; nothing written before a failed Close may be used.
package duckdb

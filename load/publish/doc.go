// Package publish keeps the versions of a warehouse: it builds a version aside, reads it back, and makes it current by one rename.
//
// The layout is the contract's: versions/RUN with users.duckdb, parquet/TABLE/part-NNNNN.parquet and manifest.json, and a symlink current.
// A version is built in versions/.building-RUN. Only when every file is written, synced, read back and found equal is the folder renamed to
// its name, and only then is current replaced. Whatever stops the process, current names a whole version, and what lies in a
// .building- or .removed- folder is swept away by the next Begin.
//
// Reading needs no lock. Writing is for the holder of the warehouse's lock (Lock) alone.
package publish

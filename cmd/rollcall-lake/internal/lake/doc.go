// Package lake makes Iceberg tables show a published version: tables of the same names and columns, in one namespace.
//
// # What is committed
//
// A table's new state is one atomic commit of the catalog, whoever publishes and however often: the head of main that the commit was made from is asserted
// with it, so that of several publishers one commits and the others begin again from what it left. The commit sets the table's properties
// rollcall.run-id (the run that the table shows), and the snapshot's summary has that and the certificate (rollcall.certified, rollcall.proof,
// rollcall.users-sha256). Properties outlive snapshots, which expire. A run that a table is marked with is not committed to it again; an older one is
// refused. An error of a commit says nothing about whether it was made: the table is loaded again and its mark decides.
//
// # What changed is found by content
//
// The rows that a table has now are read and compared with the version's. The unit is the row: all of its columns are hashed (xxh3, 128 bits, keyed with a number
// of this process, so that nobody can prepare two rows that collide). The lake's rows are held by their hashes, 40 bytes each and so many at a time
// (Options.HeldRows; a larger table is compared in several passes, each over a share of the hashes). Then the version's rows come by: one that is the same as a
// row that is held takes it away, and what has none to take is written, at once. What is left is deleted by position (merge on read): a file of
// deletes for each partition that has any, sorted by path and position. Both sides are read once, in batches of about a megabyte. Rows and deletes are one
// snapshot, and one commit with everything else.
//
// A table without user_id of which anything changed, one of whose rows more than ReplaceShare are to be written or deleted, one with a column whose new type Iceberg
// cannot widen the old one to, one that another program put equality deletes into or made another format version of, and one a file of which is gone from the
// storage, is replaced whole: all its files, the delete files included, go in the commit that brings the new ones. So a table that another program wrote to, or that a publish left half way, is mended by the
// next run, and the state that is committed never depends on what somebody believed to be there.
//
// One thing is believed: a table's own present snapshot. Its summary says what content of which version it has (rollcall.content-sha256, of the hashes
// of the version's files). Where the version to be shown has the same, as most tables do of which nobody's rows changed, nothing is read. Any snapshot of another
// program, any change of the columns, and a rollback to other rows end that. An erasure believes nothing and compares.
//
// The column _run_id of users_flat is the run of the version on every row, and _last_seen_run is the same on almost every row. Rewriting a table every
// night for that alone would be absurd: in the lake they are the run that last wrote the row, and equal where that run saw the user. A row that differs
// in nothing else is not written again; the run of the table is the property. A query that looks for users who are absent but kept
// (_last_seen_run <> _run_id) gives the same answer as in the warehouse.
//
// # Layout
//
// Format version 2, Parquet with zstd. Tables with an org_id are partitioned by bucket(N, org_id): what is asked about one organization, and the night's
// work on it, stays in a part of the files, and any number of organizations makes no more than N of them at a time; and identity partitions would make
// a file for the smallest of a thousand organizations. Every table of users has an org_id. The others (_runs, _columns) are small and not partitioned.
// Timestamps are without zone, JSON columns are strings, lists are lists.
//
// # Columns and tables that come and go
//
// A new column is added in the commit that brings its rows. A type is widened where Iceberg can (int to long, float to double, a decimal's
// precision). Where it cannot (long to string), the column is dropped and one of the same name, with a new field id, added, and the table replaced. A column
// that a version no longer has is dropped: the tables have the version's columns, and a column of NULLs would say that nobody has a value,
// which is not known. Snapshots of before still show it. A table that the version does not have is emptied, and stays: queries that name it go on running, and
// show nobody who is not in the version.
//
// # Rollback and erasure
//
// Rollback points main at the snapshot whose summary names a run, with that snapshot's columns. The table remembers the run it was rolled back
// from (rollcall.rolled-back-from), and takes no run up to that one until a newer one comes. Erase makes tables equal to the current version and leaves
// no byte that is not in it; how it does that beside other publishers is said at Erase.
package lake

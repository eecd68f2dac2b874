// Package parquet writes and reads the Parquet parts of a version: parquet/TABLE/part-NNNNN.parquet.
//
// Parts are written with zstd, in row groups of at most 122,880 rows and about 64 MB, timestamps in microseconds not adjusted to UTC, JSON
// as strings marked arrow.json. A Writer's files are complete and synced when Close returns nil, and not before. Readers stream batches of
// at most 2,048 rows in the order they were written.
//
// A table may be made out of another version's (Writer.Over): a part in which nothing changed is linked, and of the others the column chunks in which
// nothing changed are copied, compressed as they are, row group by row group. Row groups into which rows are put may get twice as long as others.
//
// A Writer that failed to append does not close: its file must not be used. A Reader fails where a part is cut off or does not have the rows
// that it says it has, but it is no check of a file that may be damaged: that is for publish.Version.Verify, and comes before reading.
package parquet

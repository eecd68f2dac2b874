// Package version reads a published version of a warehouse: its manifest, and the rows of its Parquet parts as Arrow record batches.
//
// A version is read by its manifest alone: a part that the manifest does not name is not read, and one that is not the size or has not the SHA-256
// that the manifest gives is a *DamagedError, before a row of it is handed out. A part is hashed and read through one open file, so that what is
// read is what was hashed, whoever renames what meanwhile (gc removes versions, forget rewrites them).
//
// The version behind the name current is resolved once, by Open: a publish is of one version from its beginning to its end.
package version

// Package objectstore keeps a copy of a warehouse's current version in a bucket of S3 or of any server that speaks its protocol.
//
//	PREFIX/versions/RUN/…     the files of a version as they are in the warehouse, its manifest last
//	PREFIX/current.json       names the version that readers are to use: see Pointer
//
// A version is whole before current.json names it, and current.json is replaced by one conditional write: If-Match on the ETag that was seen, or
// If-None-Match for the first. So readers who resolve current.json once a query see one version, and of two publishers one wins. The other looks
// again: it tries once more where its own run is the newer one, and gives up with a *NewerError where it is not. Only the warehouse that a newer
// run came from may go back behind it.
//
// What is there already is not sent again: an object counts where its size and the SHA-256 in its metadata are the manifest's, and a part of a large
// one where the server's SHA-256 of it is that of the file's. The server checks the hash of each object and part as it arrives.
//
// A version that gave way to another stays for as long as Terms say, then it is removed, and what an upload left that nobody went on with, a day after
// its last object came; what current.json names never is. A version that was rewritten to forget users lies in a folder of its own, RUN.HASH, so that
// nobody reads half of the old and half of the new; Erase removes everything that is not as the warehouse has it now, whoever reads it, with the older
// versions of objects that the bucket may keep.
//
// Credentials, region and endpoint come from the usual chain of AWS (environment, shared files, roles) where Options leave them open; nothing of
// them is in any error. A fault of the network or the server is tried again for about two minutes.
package objectstore

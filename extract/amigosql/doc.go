// Package amigosql is the source that reads an organization's users from Amigo's SQL endpoint (api/amigo.md §3.11, §6.4): the only one with
// all twelve columns of users, and open only to those with more privileges than an administrator, where Amigo has switched it on.
//
// [Source.Sweep] reads the table by keyset: each query asks for the next rows in the order of user_id, 1,000 at most. A query that takes too
// long (408) is asked again for half as many, down to 31, and for twice as many after some that went well; so is one whose answer
// is too large to take, down to a single row. Rows come out as JSON objects with the table's columns as keys: text cells as they are
// written, JSON cells byte for byte whether they came nested or as text, timestamps as given, and no key for a cell that is NULL.
//
// # The certificate
//
// Its proof is sweep.ProofCount. The rows are counted before the table is read and after it, and both counts must equal the number of
// different users read. It rests on two legs.
//
// Keyset paging alone passes everybody who lives throughout, whatever happens meanwhile: the queries cut the table into stretches, one behind
// the other and without a gap, and each stretch is read whole at one instant; somebody who is there all the time is in one stretch, and so
// is read. That assumes of the server:
//
//   - one total order: > and ORDER BY agree on it, and no two different ids are equal in it, as they are in a collation without case;
//   - ids never change;
//   - an answer is the table at one instant that is not before the query, its rows are the first of those asked for, and it says so
//     (truncated) if it leaves out any. Where it does not say, only an empty answer ends a stretch.
//
// The counts put these to the test: whoever the keyset passes over, for an order that is none, a limit that cuts in the middle or a literal
// that the server reads otherwise than it was meant, the count still has. A table that does not change is certified only if really
// everybody was read, assumptions or not. In one that changes, an error could hide only behind equally many users who left after they
// were read, within one sweep in which an assumption fails as well.
//
// Somebody who comes or goes during the sweep makes the counts differ without any error. Then the stretches that differ are searched out
// by counting halves of the table, and only those are read again, until two counts in a row agree with what was read: a handful of queries,
// where another pass over the table would take as long as the first and meet as many changes. This is bounded: at most eight rounds, begun
// while there were fewer queries than two more passes and a few take. What cannot be settled within is not certified, and says why.
//
// An empty table is not certified unless [Options.AllowEmpty] says so. Rows whose user_id is NULL or empty have a key that sweep.Unkeyed makes;
// those with NULL, which no page need have, are asked for by a query of their own once the count misses some.
//
// # For who uses it
//
// Everything is deterministic given the answers: a resumed run asks the journal for the same queries. [Source.Sweep] takes the place of
// sweep.Run, and its [Result] that of sweep.Result. [Source.Lookup] confirms deletions. Whether the table shows users who were deleted softly,
// and how far it lags, is not known (api/amigo.md §6.4).
//
// [Source.Complement] reads the table in one pass and proves nothing, for package amigo's users: with [Options.Complement], what their list lacks.
//
// # How it fails
//
// By package extract's errors; [QueryError] where the endpoint refuses the query; sweep.StuckError for a server whose answers do not go on from
// where they were asked to. A table that will not hold still is no error.
package amigosql

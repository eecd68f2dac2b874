// Package freddy is the source that reads users from Aitronos Freddy (api/freddy.md).
//
// No endpoint of Freddy's returns a whole user. The list has nine fields, a profile has eighteen, and the list's global_role_id is in none
// but the list (api/freddy.md §4). So users come in three steps:
//
//  1. [Source.Page] asks for a page of the list; package sweep walks it. Its items are thin: a field that is not there was not fetched.
//  2. [Source.Profiles] asks for the profiles of those whom the sweep found, once each, a hundred in a request.
//  3. [Source.Merge] joins item and profile into one record with the columns of users (api/freddy.md §10).
//
// A Source reads either all users that the key may see, which is one connection, or, with [Options.Org], the members of an organization.
//
// # For who uses it
//
// Sweep with the dialect sweep.Offset and without a look-up of sweep's own (sweep.Options.Lookup): a proof by look-ups would need that who
// is found by id is also in the list, and whether Freddy finds deleted or inactive users by id is not known. Keep the last item seen of each
// user; it becomes a record only in Merge.
//
// Ask for the profiles of all who are present, in one order that depends on nothing but the users (a run that is resumed asks the journal
// for the very same requests), then merge. Someone without a profile, because they left in between, has a record of the item alone: it
// lacks the keys that the item does not carry, and what a version before has in those columns is to be kept. Only a user nobody knows from
// before has NULL there.
//
// [Source.Lookup] confirms deletions: it is asked for those whom a version before has and a certified sweep has not. Whom it returns is to
// be kept as the version before has them. What it returns is no list item: global_role_id is missing, and must not become NULL.
//
// # What it guarantees
//
// Values are copied byte for byte; the keys of a record come in one order. An answer that is not what the API promises (cut short, HTML,
// no array of users) is a fault of the answer and asked for again. Nobody counts as gone by a silence: an id that a batch neither
// returned nor named among its requested_ids is asked for by itself, and a 404 counts where it is Freddy's own and not that of a path that
// is not served. Where there is no batch endpoint (404 or 405), profiles come one by one from then on; a batch that is refused as a whole (413,
// 422) is split.
//
// # How it fails
//
// By package extract's errors, and by [NotServedError] where there is no user list at the base URL. The documented limit is that of the
// standard plan, 100 requests a minute ([Limits]); its 10,000 a day are not watched.
package freddy

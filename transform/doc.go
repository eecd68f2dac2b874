// Package transform turns records as they came, JSON bytes, into rows: typed cells, flattened tables as Arrow record batches, canonical
// hashes, changes, and quarantine for what no typed column can hold.
//
// It guarantees that nothing changes on the way: text, numbers and JSON come out as they went in, or the cell is NULL and its raw bytes
// are an Issue. It asks nobody and keeps nothing: the same records, in the same order, with the same clock give the same rows.
//
// # The canonical hash
//
// Whether a user changed is decided by two hashes, each the first 16 bytes of a SHA-256:
//
//   - the item hash over the ten columns that come with the list: _id, email, first_name, last_name, org_id, preferences, region_name,
//     role, updated_at, user_id, in this order;
//   - the models hash over additional_context and user_models.
//
// A column is encoded as 0x00 for NULL; else 0x01 and its value: text and JSON as rawjson.AppendCanonical writes them (so key order and white
// space do not count, array order does, and numbers count by their text), a timestamp as its microseconds since 1970 in eight bytes, big
// end first. An observed updated_at counts as NULL. A row's canonical hash is the item hash followed by the models hash, 32 bytes.
// The certificate's users_sha256 is the SHA-256 of the canonical hashes of all rows, ordered bytewise by scope and user_id.
package transform

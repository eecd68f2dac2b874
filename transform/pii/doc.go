// Package pii keeps personal data out of the tables: rules by column or JSON path drop, mask or hash values in the records that a source
// gives, before anything is made of them.
//
//   - drop takes the member or the list element away, as though the API had never sent it: the column is NULL, the list shorter.
//   - mask puts a constant of the same JSON type in its place: "***" for text (1970-01-01T00:00:00Z where the column is a timestamp), 0,
//     false, [] and {}. It says that there was a value, and nothing else.
//   - hash puts the text hmac:KEYID:HEX in its place, an HMAC-SHA-256 of the value's canonical JSON. Equal values have equal hashes,
//     wherever they are, so that tables still join. KEYID is a fingerprint of the key. null stays null under mask and hash.
//
// A path is $.email, $.preferences.nickname, $.user_models[*].content, $.additional_context[*], $.nonsensitive_variables.* or
// $.memories[*].content; a key that is no plain word is quoted, $.preferences."favourite colour". The name of a column of users or users_flat
// (email, pref_timezone, last_message_time), a table's column (user_models.content) and "variables" stand for their paths.
//
// Rules fail closed: where a value does not have the shape that a path goes through, so that what is to be hidden could be anywhere in it,
// the value is dropped. Objects and lists that a rule changes are written without white space; everything else keeps its bytes.
//
// Some rules are refused. user_id and org_id are the identity that requests, look-ups of deletions and the journal go by: a table that had
// but their hashes could not be compared with the API the next night, so they stay as they are. A hash is text, so it is refused for
// columns of another type and for whole lists and objects.
package pii

// Package amigo is the source that reads an organization's users from the Amigo Classic API (api/amigo.md).
//
// A [Source] asks for one organization. Its list ([Source.Page]) speaks both dialects of paging: the specification's, a limit and a
// continuation_token, and the "Users" page's, a limit and an offset. Which one a server speaks, its first answer tells: one with a
// continuation_token key speaks tokens. The first request has neither parameter, and no request ever has both. [Source.Lookup] asks for
// users by id, [Source.Model], [Source.Memories] and [Source.Roles] for what the list does not carry.
//
// What it guarantees: rows come out byte for byte as they came in, whatever they hold; a row is told from others by its user_id, exactly
// spelled, and one without a usable user_id is still a row. An envelope that is not what the API promises (cut short, HTML, no list of
// users, a has_more that is no boolean, a token that is no integer) is a fault of the answer and asked for again, never read as far as it
// goes. Unknown keys and any order of keys are fine.
//
// [KeyAuth] exchanges an API key for tokens and renews them. The errors are package extract's; a user whose model or memories may not be
// read is a state of that user, not an error of the source.
package amigo

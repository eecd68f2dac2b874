// Package journal keeps every answer of an API on disk, compressed, checksummed and fsynced, before anything uses it.
//
// It is the recorder under the HTTP client. A run that died is resumed by running the same code again with the journal answering first; a
// replay is the same code with nothing but the journal. So whoever asks must ask the same things in the same order for each call, and the
// journal gives back the same bytes, in the order in which they came.
//
// # Guarantees
//
//   - [Journal.Record] returns nil only when the answer would survive a power cut. Whatever was so acknowledged is there after a kill or a
//     crash at any instant, and so is whatever a resumed run was handed.
//   - Answers that come at the same time share one fsync: whatever is waiting when an fsync ends, up to 64 entries or 4 MiB, is one block and
//     the next fsync. Nobody waits for company.
//   - The first write or fsync that fails ends the journal: that Record and every later one return the error, and nothing more is
//     acknowledged. The same goes for an answer that was there when the journal was opened and cannot be read any more.
//   - Of an unfinished run, a torn tail (what a crash left of the last block, never acknowledged) is cut off and counted in [Report]. Damage
//     anywhere else is a [*DamageError] that names file and byte.
//   - A sealed run is whole to the bit: [Check] finds any flipped bit, any cut, any file too many or too few, and names the file.
//   - A body of 1 KiB or more that a process recorded before is not written again: a sweep proves itself by asking for the list twice, and its
//     pages are kept once. Whoever reads gets each answer whole all the same, and whoever edits one changes none of the others.
//   - Bodies stay on disk: an open journal takes 60 to 110 bytes of memory for each answer it can give, 32 MiB of decoded blocks, and 16 MiB
//     at most to know bodies again.
//   - Of a run that is encrypted, no byte of a call, an answer or a note is on disk in the clear.
//   - Files are 0600 and folders 0700, whatever the umask. Only request lines, request bodies, status, content type, time and bodies are
//     written: there is no field for a header, so none for a credential. Errors name files and positions, never contents.
//
// To open a run is to compare every byte with its checksums, and to decode every head. The body of a large answer that has a block to itself is
// decoded when it is asked for, or by [Check]; should a block then not hold what its head says, which no crash and no flipped bit brings about with
// the checksum right, the answer is not handed out and the journal has failed with a [*DamageError].
//
// Two bodies are held to be one if they are equally long and two sums of 64 bits agree, each under a seed that the process draws at random and
// shows to nobody. So no server can make two that are taken for one, and by chance it happens to one pair in 2^128.
//
// What it cannot know: a bit that flips in the last block of a run that was killed looks like that block torn by the crash, and is cut off
// and reported as such. One process has a run open at a time; that is the warehouse lock's business, not this package's.
//
// # Resuming
//
// [Resume] hands out what earlier processes recorded, first in first out for each [extract.Call.ID]: a sweep that asks for a page twice gets
// the two answers in their order. Answers recorded by this process are not handed out again by it. The answers of a sweep (kinds list, lookup,
// sql, freddy_list) prove something only as one sequence, and a replay must be a prefix of it: leaving out just the old ones would leave a
// sequence without its beginning. So once the oldest of them is over six hours old, all of them are set aside, and the new segment says so,
// lest a later replay mixes the two sweeps. Everything else (models, roles, memories, profiles) is resumed however old.
//
// # Encryption
//
// A run that is created for [Recipient]s, the public halves of age keys, is encrypted; whoever writes needs no secret, so a machine that
// fetches at night need not be able to read what it fetched before. Reading needs the [Identity] of one recipient: to resume, to replay, to
// rewrite. [List], [Check] and [Remove] do without. Each segment has a key of its own, drawn at random and wrapped once for the recipients, so a
// run may be resumed for others, or encrypted from then on; what is there already stays as it is.
//
// Hidden are calls, answers and notes: their blocks are compressed and then sealed with XChaCha20-Poly1305. In the clear are the run's
// header, the sizes of blocks and how many entries each has, and when files were written. Every block has a nonce of 192 random bits, so none
// comes twice under a key: not after a crash, for who resumes a run begins a segment and a key, and not in a [Rewrite], which keeps the key and
// writes other contents under an old number. The seal binds a block to its segment, its number and its size, and the checksums, being over the
// ciphertext, prove the files whole without a key. It is no signature: recipients are public, so whoever can write to the folder can
// forge a journal, as they can a plain one.
//
// # Format
//
// A run is a folder named by the run's id:
//
//	00001.rcj 00002.rcj …   segments: one for each process that worked on the run
//	seal.json               names the segments; there once the run is sealed
//
// A segment is a sequence of blocks, each of them two zstd frames (RFC 8878), so that `zstd -dc 00001.rcj` prints what is in it. The first is a
// skippable frame of 48 bytes, the header; integers are little endian:
//
//	 0  4  0x184D2A57, the magic of a skippable frame
//	 4  4  40, the bytes that follow
//	 8  4  "RCJ" and the version, 2, or 1; the same in all of a segment
//	12  1  what it is: 1 preamble, 2 entries, 3 trailer
//	13  1  codec of the payload: 0 a plain zstd frame, 1 an encrypted one
//	14  2  entries in the block, 0 in a preamble and a trailer
//	16  8  id of the segment, drawn at random when it is made
//	24  4  number of the block in the segment, from 0
//	28  4  payload's length
//	32  4  payload's length decoded, at most 512 MiB
//	36  4  CRC-32C of the payload
//	40  4  reserved, 0
//	44  4  CRC-32C of the 44 bytes before
//
// and the second, the payload, follows at once. Decoded it is, in the preamble (block 0, durable before the segment gets its name), one line of
// JSON: the run's [Header], the segment's number, the segment from which on sweep answers count, and in an encrypted segment the key of 32 bytes, as
// an age file in base64. In a block of entries it is 1 to 64 of
//
//	{"type":"answer","org":"acme","kind":"list","method":"GET","path":"/v1/acme/users","query":"limit=100",
//	 "status":200,"content_type":"application/json","at":"2025-03-01T02:00:00.123456Z","usable":true,"request":0,"body":5120}
//
// on one line, then that many bytes of the request's body, that many of the answer's, and a line feed. A note is
// {"type":"note","name":…,"request":0,"body":…}. An answer whose body is another's ends its line with
//
//	,"request":0,"body":5120,"same":{"block":3,"entry":0}}
//
// and has no body behind it: its 5120 bytes are those of that entry, counted from 0, of the block with that number. That one comes before it in
// the same segment, in its own block or an earlier one, is an answer of that length, has its body itself, and is among the last 131,072 such of 1,024
// bytes or more. Anything else is damage. Request bodies and notes are always where they belong. Version 1 has no "same", and is otherwise the
// same; a segment keeps its version when it is rewritten. The trailer ends a segment whose process came to an orderly end, or whose tail was cut by
// the next process; in a sealed run all have one, and the last one's says that the run is sealed. It is one line of JSON: the blocks and
// entries before it, the size and the SHA-256 of all bytes before it, and whether it seals the run.
//
// Preamble and trailer are always of codec 0, the blocks of entries of an encrypted segment always of codec 1: a skippable frame again, so
// that zstd passes over what it cannot read, of
//
//	 0  4  0x184D2A58
//	 4  4  the bytes that follow
//	 8 24  the nonce
//	32     the zstd frame, sealed with the segment's key by XChaCha20-Poly1305, 16 bytes longer than it was; the associated data are the first
//	       44 bytes of the block's header with 0 for the payload's length and CRC
//
// Since each segment carries its own proof, [Rewrite] replaces one at a time, by one rename: to forget a user, or to keep of an old run only
// what a replay still needs. A body that goes, and that a later answer shares, is written there.
package journal

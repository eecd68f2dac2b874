package sweep

import (
	"context"
	"crypto/sha256"

	"github.com/rollcall-data/rollcall/extract/mapped"
)

// Dialect says what a list's cursor is.
type Dialect uint8

const (
	// Auto takes the dialect from the first answer (Page.Dialect).
	Auto Dialect = iota
	// Token is the specification's dialect: a cursor is an integer that the server hands out (api/amigo.md §2.1). It is used as a
	// skip count only after it has proved to be one.
	Token
	// Offset is the "Users" page's dialect: the cursor is the number of rows to skip (api/amigo.md §5). Freddy's skip is one too.
	Offset
)

// Tri is what an answer says of a fact that it need not mention.
type Tri uint8

// The zero value is Unknown: the answer had no such key.
const (
	Unknown Tri = iota
	No
	Yes
)

// The orders a sweep asks for. A source that cannot sort ignores them; nothing that is proved depends on being obeyed.
const (
	Ascending  = "+email"
	Descending = "-email"
)

// Query is one list request.
type Query struct {
	Limit  int    // rows asked for, 2 or more
	Cursor int64  // 0 for the start of the list, else a skip count or a token of an earlier answer
	Sort   string // Ascending or Descending

	before *recurrences // see Again
}

// Item is one row of an answer.
type Item struct {
	Key string // the user_id, or what Unkeyed makes of a row without a usable one; never empty
	Raw []byte // the row's bytes as they came
}

// Keyed reports whether the row has an identity that the source can be asked for.
func (i Item) Keyed() bool { return i.Key != "" && i.Key[0] != unkeyedMark }

const unkeyedMark = '\x00'

// Unkeyed returns the key of a row that has no usable user_id: a hash of its bytes behind a NUL. A user_id that begins with a NUL passes
// for such a key, and is never looked up. Two rows with the same bytes are one key, and a sweep that meets both is not certified.
func Unkeyed(raw []byte) string {
	sum := sha256.Sum256(raw)
	return string(unkeyedMark) + string(sum[:16])
}

// Page is one answer to a Query: the list at one instant, from the cursor on.
type Page struct {
	Items   []Item
	More    Tri     // has_more; Unknown where the answer has no such key
	Next    int64   // the continuation token, when HasNext
	HasNext bool    // whether the answer carried a token that is not null
	Dialect Dialect // what the source takes its cursor to be; needed of the first answer only, and only under Auto

	// Body is the answer, where the page is what it says and nothing else; nil where the page is not to be known again, see Query.Again.
	Body  []byte
	Name  uint64      // the recorder's for the Body, see extract.Answer
	again *recurrence // then there are no Items
}

// rows is how many the page has.
func (p *Page) rows() int {
	if p.again != nil {
		return p.again.n
	}
	return len(p.Items)
}

// lister is a source's list endpoint. An error ends the sweep.
type lister interface {
	Page(ctx context.Context, q Query) (Page, error)
}

// Options configure a sweep. Seen is required.
type Options struct {
	// Limit is the page size, 1 or more. What is sent is never under 2, since pages overlap by one row.
	Limit int
	// Smaller tells of an error whether fewer rows may be had where these could not: the page is asked for again with half the limit, down to 2, and the
	// sweep stays with that. nil: of none.
	Smaller func(error) bool
	// Dialect of the cursor.
	Dialect Dialect
	// SortKeyImmutable is the operator's word that the list's order is total and that nobody's place in it relative to others ever
	// changes. It makes one pass enough (the proof "anchored").
	SortKeyImmutable bool
	// MaxPasses bounds the passes over the list, 1 to 255; 0 means 8.
	MaxPasses int
	// AllowEmpty lets an empty list be certified.
	AllowEmpty bool
	// Seen is called for each row in the order of the answers, and again for each later sighting with other bytes: the last one wins. The
	// item is the caller's to keep. Its error ends the sweep.
	Seen func(Item) error
	// Lookup asks for users by id and returns those that exist; nil where the source cannot. It is called with at most a few
	// hundred keys at a time, and never with the key of an Unkeyed row.
	Lookup func(ctx context.Context, keys []string) (present []Item, err error)
	// Space is where the sweep keeps what it knows of each of millions of users, so that it takes less memory; nil: in memory. It is closed after the
	// last use of the Result.
	Space *mapped.Space
	// Hooks report progress.
	Hooks Hooks
}

// Hooks report what a sweep does; each may be nil. They run on the sweep's goroutine and carry counts only.
type Hooks struct {
	// OnPage is called after each answer: the pass from 1, the pass's requests so far, and the distinct rows that the sweep has sighted.
	OnPage func(pass, page, users int)
	// OnPass is called after each pass.
	OnPass func(PassReport)
	// OnShift is called where a page did not begin with the row that it should have begun with, once the walk goes on: back is how many
	// rows further back it had to begin, 0 where rows had come in and none were in danger.
	OnShift func(pass, page int, back int64)
}

// PassReport sums up a pass.
type PassReport struct {
	Pass   int    // from 1
	Sort   string // the order that was asked for
	Pages  int    // requests it took
	Users  int    // distinct rows that it saw
	Shifts int    // pages that did not begin with the row they should have begun with
	Whole  bool   // whether it came to the list's end
}

// The proofs that a certificate can name. See the package comment for what each claims.
const (
	ProofCount     = "count"
	ProofAnchored  = "anchored"
	ProofAgreement = "agreement"
)

// Certificate says whether the sweep proved that it saw everybody, and how.
type Certificate struct {
	Certified bool     `json:"certified"`
	Proof     string   `json:"proof"`   // ProofCount, ProofAnchored, ProofAgreement, or "" when not certified
	Reasons   []string `json:"reasons"` // why it is not certified, for an operator; empty, never nil, when it is
	Sweeps    int      `json:"sweeps"`  // passes
	Pages     int      `json:"pages"`   // list requests
	Users     int      `json:"users"`   // rows that count as present, see Result.Present
	Shifts    int      `json:"shifts"`  // pages that did not begin where they should have, because the list moved
}

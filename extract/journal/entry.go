package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rollcall-data/rollcall/extract"
)

// Entry is one thing in a journal, an answer or a note, as [Journal.Each] and [Rewrite] show it.
type Entry struct {
	// Note is the name of a note, and empty for an answer.
	Note string
	// Value is the note's value; nil for an answer.
	Value json.RawMessage

	// Call, Answer and Usable are what was given to [Journal.Record]: the time in UTC to the microsecond, Replayed always false.
	// Zero for a note.
	Call   extract.Call
	Answer extract.Answer
	Usable bool

	// Segment is the base name of the file that holds the entry. Rewrite ignores changes of it and of SetAside.
	Segment string
	// SetAside says that the answer belongs to a sweep that a resumed run began anew, so no replay hands it out.
	SetAside bool
}

const (
	typeAnswer = "answer"
	typeNote   = "note"
)

// head is the line before an entry's bytes. The order of the fields is the file's.
type head struct {
	Type        string       `json:"type"`
	Name        string       `json:"name,omitempty"`
	Org         string       `json:"org,omitempty"`
	Kind        extract.Kind `json:"kind,omitempty"`
	Method      string       `json:"method,omitempty"`
	Path        string       `json:"path,omitempty"`
	Query       string       `json:"query,omitempty"`
	Status      int          `json:"status,omitempty"`
	ContentType string       `json:"content_type,omitempty"`
	At          time.Time    `json:"at,omitzero"`
	Usable      bool         `json:"usable,omitempty"`
	Request     int          `json:"request"`
	Body        int          `json:"body"`
	// Same is where the body is; nil: it is here.
	Same *bodyAt `json:"same,omitempty"`
}

// maxHead is the most that an entry's head may take, in bytes: a look-up's query names a hundred ids.
const maxHead = 1 << 20

// maxEntry is the most that an entry's bodies may take, in bytes, so that it fits a block even after others.
const maxEntry = maxRaw - maxBatch - 2*maxHead

var (
	errText      = errors.New("a request line that is not UTF-8")
	errNote      = errors.New("a note needs a name in UTF-8 and a value in JSON")
	errTooBig    = errors.New("an entry larger than any block")
	errMalformed = errors.New("a malformed entry")
)

// headOf returns the head of e, or why e cannot be written.
func headOf(e Entry) (head, error) {
	if len(e.Call.Body)+len(e.Answer.Body)+len(e.Value) > maxEntry {
		return head{}, errTooBig
	}
	if e.Note != "" {
		if !utf8.ValidString(e.Note) || !json.Valid(e.Value) {
			return head{}, errNote
		}
		return head{Type: typeNote, Name: e.Note, Body: len(e.Value)}, nil
	}
	c, a := e.Call, e.Answer
	// JSON would quietly turn a stray byte into another, and the call into one that nobody asked.
	for _, s := range []string{c.Org, string(c.Kind), c.Method, c.Path} {
		if !utf8.ValidString(s) {
			return head{}, errText
		}
	}
	return head{
		Type: typeAnswer, Org: c.Org, Kind: c.Kind, Method: c.Method, Path: c.Path, Query: c.Query.Encode(),
		Status: a.Status, At: a.At.UTC().Truncate(time.Microsecond), Usable: e.Usable,
		// A server may say anything; what is not text is no content type.
		ContentType: strings.ToValidUTF8(a.ContentType, "\uFFFD"),
		Request:     len(c.Body), Body: len(a.Body),
	}, nil
}

// frame is an entry as its bytes: the head's line, then one or two parts.
type frame struct {
	line          []byte
	request, body []byte
	sum           bodySum // of an answer's body that others may share; zero for any other
}

// frameOf encodes e; the frame shares e's bodies.
func frameOf(e Entry) (frame, error) {
	h, err := headOf(e)
	if err != nil {
		return frame{}, err
	}
	line, err := jsonLine(h)
	if err != nil {
		return frame{}, fmt.Errorf("encode an entry's head: %w", err)
	}
	if len(line) > maxHead {
		return frame{}, errTooBig
	}
	if e.Note != "" {
		return frame{line: line, body: e.Value}, nil
	}
	return frame{line: line, request: e.Call.Body, body: e.Answer.Body}, nil
}

// size is the frame's length in a block, in bytes.
func (f frame) size() int { return len(f.line) + len(f.request) + len(f.body) + 1 }

// begins says whether b begins with the frame.
func (f frame) begins(b []byte) bool {
	for _, part := range [][]byte{f.line, f.request, f.body, []byte("\n")} {
		if !bytes.HasPrefix(b, part) {
			return false
		}
		b = b[len(part):]
	}
	return true
}

func (f frame) append(dst []byte) []byte {
	dst = append(dst, f.line...)
	dst = append(dst, f.request...)
	dst = append(dst, f.body...)
	return append(dst, '\n')
}

// part is n bytes of b, and nil for none; its capacity ends with it, so that appending to it leaves the rest of the block alone.
func part(b []byte, from, n int) []byte {
	if n == 0 {
		return nil
	}
	return b[from : from+n : from+n]
}

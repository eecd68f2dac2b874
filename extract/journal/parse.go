package journal

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

// decoder decodes entries. A journal says the same few organizations, methods and content types over and over; a decoder with a map keeps one
// string of each, and is not for concurrent use. The zero decoder is ready, and keeps none.
type decoder struct{ seen map[string]string }

func newDecoder() *decoder { return &decoder{seen: make(map[string]string)} }

// maxSeen bounds what a decoder keeps.
const maxSeen = 256

func (d *decoder) text(b []byte) string {
	if s, ok := d.seen[string(b)]; ok {
		return s
	}
	s := string(b)
	if d.seen != nil && len(d.seen) < maxSeen {
		d.seen[s] = s
	}
	return s
}

// item is an entry as it lies in a block.
type item struct {
	// Entry has no Answer.Body where the body is elsewhere.
	Entry
	off, size int     // where the entry begins in the decoded block, and how many bytes it takes
	body      int     // length of the answer's body, in bytes, wherever it is
	same      *bodyAt // where that is; nil: here
}

// entry decodes the entry at the start of raw. The entry's bodies are parts of raw.
func (d *decoder) entry(raw []byte) (item, error) {
	h, eol, err := d.head(raw)
	if err != nil {
		return item{}, err
	}
	rest, here := raw[eol:], h.here()
	if h.Request > len(rest) || here >= len(rest)-h.Request || rest[h.Request+here] != '\n' {
		return item{}, errMalformed
	}
	e, err := h.entry(part(rest, 0, h.Request), part(rest, h.Request, here))
	if err != nil {
		return item{}, err
	}
	return item{Entry: e, size: eol + h.Request + here + 1, body: h.Body, same: h.Same}, nil
}

// large decodes the one answer of a block of size bytes, of which raw is the beginning, but for its body. It is false where more is needed
// for that, or where the block is not as it should be.
func (d *decoder) large(raw []byte, size int) (item, bool) {
	h, eol, err := d.head(raw)
	if err != nil || h.Type != typeAnswer || h.Request > len(raw)-eol || h.Same != nil || h.Body != size-eol-h.Request-1 {
		return item{}, false
	}
	e, err := h.entry(part(raw, eol, h.Request), nil)
	return item{Entry: e, size: size, body: h.Body}, err == nil
}

// head decodes the head at the start of raw and says how many bytes its line takes.
func (d *decoder) head(raw []byte) (head, int, error) {
	eol := bytes.IndexByte(raw[:min(len(raw), maxHead)], '\n')
	if eol < 0 {
		return head{}, 0, errMalformed
	}
	h, ok := d.plainHead(raw[:eol])
	if !ok {
		h = head{}
		if err := strictJSON(raw[:eol], &h); err != nil {
			return head{}, 0, err
		}
	}
	if h.Request < 0 || h.Body < 0 || h.Same != nil && (h.Type != typeAnswer || h.Body < minShared) {
		return head{}, 0, errMalformed
	}
	return h, eol + 1, nil
}

// here is how many bytes of the body follow the head.
func (h head) here() int {
	if h.Same != nil {
		return 0
	}
	return h.Body
}

// entry is the entry of that head and these bodies.
func (h head) entry(request, body []byte) (Entry, error) {
	switch h.Type {
	case typeNote:
		if h.Name == "" || h.Request != 0 || !json.Valid(body) {
			return Entry{}, errMalformed
		}
		return Entry{Note: h.Name, Value: body}, nil
	case typeAnswer:
		if h.At.Location() != time.UTC {
			return Entry{}, errMalformed
		}
		e := Entry{
			Call:   extract.Call{Org: h.Org, Kind: h.Kind, Method: h.Method, Path: h.Path, Body: request},
			Answer: extract.Answer{Status: h.Status, ContentType: h.ContentType, Body: body, At: h.At},
			Usable: h.Usable,
		}
		if h.Query != "" {
			q, err := url.ParseQuery(h.Query)
			if err != nil {
				return Entry{}, errMalformed
			}
			e.Call.Query = q
		}
		return e, nil
	}
	return Entry{}, errMalformed
}

// plainHead decodes a head whose strings need no escapes, which nearly all are, in a tenth of the time that encoding/json takes. It takes
// nothing but the spelling that headOf's encoding has, and leaves all else to encoding/json.
func (d *decoder) plainHead(line []byte) (head, bool) {
	s := spelling{rest: line}
	var h head
	s.must(`{"type":`)
	h.Type = d.text(s.text())
	if s.has(`,"name":`) {
		h.Name = string(s.text())
	}
	if s.has(`,"org":`) {
		h.Org = d.text(s.text())
	}
	if s.has(`,"kind":`) {
		h.Kind = extract.Kind(d.text(s.text()))
	}
	if s.has(`,"method":`) {
		h.Method = d.text(s.text())
	}
	if s.has(`,"path":`) {
		h.Path = string(s.text())
	}
	if s.has(`,"query":`) {
		h.Query = string(s.text())
	}
	if s.has(`,"status":`) {
		h.Status = s.number()
	}
	if s.has(`,"content_type":`) {
		h.ContentType = d.text(s.text())
	}
	if s.has(`,"at":`) {
		if err := h.At.UnmarshalText(s.text()); err != nil {
			s.bad = true
		}
	}
	h.Usable = s.has(`,"usable":true`)
	s.must(`,"request":`)
	h.Request = s.number()
	s.must(`,"body":`)
	h.Body = s.number()
	if s.has(`,"same":{"block":`) {
		h.Same = &bodyAt{Block: s.number32()}
		s.must(`,"entry":`)
		h.Same.Entry = s.number()
		s.must(`}`)
	}
	s.must(`}`)
	return h, !s.bad && len(s.rest) == 0
}

// spelling reads a line of JSON in the one spelling that is expected; once it is another, bad is set for good.
type spelling struct {
	rest []byte
	bad  bool
}

// has consumes the literal if it is next.
func (s *spelling) has(literal string) bool {
	if len(s.rest) < len(literal) || string(s.rest[:len(literal)]) != literal {
		return false
	}
	s.rest = s.rest[len(literal):]
	return true
}

func (s *spelling) must(literal string) {
	if !s.has(literal) {
		s.bad = true
	}
}

// text consumes a string of printable ASCII without escapes.
func (s *spelling) text() []byte {
	s.must(`"`)
	for i, c := range s.rest {
		switch {
		case c == '"':
			t := s.rest[:i]
			s.rest = s.rest[i+1:]
			return t
		case c < 0x20 || c >= 0x7f || c == '\\':
			s.bad = true
			return nil
		}
	}
	s.bad = true
	return nil
}

// number consumes an integer of 0 to 18 digits without a sign, as encoding/json writes it.
func (s *spelling) number() int {
	n, digits := 0, 0
	for digits < len(s.rest) && s.rest[digits] >= '0' && s.rest[digits] <= '9' {
		n = n*10 + int(s.rest[digits]-'0')
		digits++
	}
	if digits == 0 || digits > 18 || digits > 1 && s.rest[0] == '0' {
		s.bad = true
		return 0
	}
	s.rest = s.rest[digits:]
	return n
}

// number32 is number for what has 32 bits.
func (s *spelling) number32() uint32 {
	n := s.number()
	if n > math.MaxUint32 {
		s.bad = true
	}
	return uint32(n)
}

package transform

import (
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// cells makes typed cells of JSON values; what a cell cannot hold is reported and reads as NULL.
type cells struct {
	report func(Issue)
	exact  bool // JSON can be stored as it is
}

func (c cells) issue(column string, at path, reason string, raw []byte) {
	if c.report != nil {
		c.report(Issue{Path: at.String(), Column: column, Reason: reason, Raw: raw})
	}
}

const inexact = "the text has a lone surrogate or bytes that are no UTF-8; they read as U+FFFD"

func (c cells) text(v []byte, column string) Text { return c.textAt(v, column, in(column)) }

func (c cells) textAt(v []byte, column string, at path) Text {
	switch rawjson.KindOf(v) {
	case rawjson.Invalid, rawjson.Null:
		return Text{}
	case rawjson.String:
		text, exact := rawjson.Unquote(v)
		if !exact {
			c.issue(column, at, inexact, v)
		}
		return Text{text, true}
	}
	c.issue(column, at, "not a text", v)
	return Text{}
}

// put appends to t what textAt returns.
func (c cells) put(t *batcher, v []byte, column string, at path) {
	if rawjson.KindOf(v) != rawjson.String {
		t.text(c.textAt(v, column, at))
		return
	}
	if !t.quoted(v) {
		c.issue(column, at, inexact, v)
	}
}

// putList appends an array of text; anything else is an issue and NULL.
func (c cells) putList(t *batcher, v []byte, column string, at path) {
	switch {
	case absent(v):
		t.null()
	case !isTextList(v):
		c.issue(column, at, "not a list of text", v)
		t.null()
	default:
		if _, exact := rawjson.Sanitize(v); !exact {
			c.issue(column, at, inexact, v)
		}
		t.quotedList(v)
	}
}

// isTextList tells whether a value is an array of nothing but text and null.
func isTextList(v []byte) bool {
	if rawjson.KindOf(v) != rawjson.Array {
		return false
	}
	is := true
	_ = rawjson.Elements(v, func(e []byte) error { // v is valid
		kind := rawjson.KindOf(e)
		is = is && (kind == rawjson.String || kind == rawjson.Null)
		return nil
	})
	return is
}

// json is a JSON value as it is stored.
func (c cells) json(v []byte, column string) []byte {
	if v == nil || c.exact {
		return v
	}
	clean, exact := rawjson.Sanitize(v)
	if !exact {
		c.issue(column, in(column), "the JSON has a lone surrogate or bytes that are no UTF-8; they read as U+FFFD", v)
	}
	return clean
}

func (c cells) time(v []byte, column string, at path) Micros {
	if absent(v) {
		return Micros{}
	}
	if rawjson.KindOf(v) != rawjson.String {
		c.issue(column, at, "not a timestamp", v)
		return Micros{}
	}
	text, _ := rawjson.Unquote(v)
	t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text))
	if err != nil {
		c.issue(column, at, "not a timestamp with a zone (RFC 3339)", v)
		return Micros{}
	}
	if finerThanMicros(text) {
		c.issue(column, at, "finer than a microsecond; cut off there", v)
	}
	return MicrosOf(t)
}

// finerThanMicros tells whether a timestamp has digits other than 0 behind its microseconds. time.Parse drops what is behind nanoseconds.
func finerThanMicros(text string) bool {
	i := strings.IndexAny(text, ".,")
	if i < 0 {
		return false
	}
	digits := text[i+1:]
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	return end > 6 && strings.Trim(digits[6:end], "0") != ""
}

func (c cells) int(v []byte, column string, at path) (n int64, ok bool) {
	if absent(v) {
		return 0, false
	}
	if rawjson.KindOf(v) == rawjson.Number {
		if n, ok = (number{v}).int(); ok {
			return n, true
		}
	}
	c.issue(column, at, "not a 64-bit integer", v)
	return 0, false
}

func (c cells) bool(v []byte, column string, at path) (b, ok bool) {
	if absent(v) {
		return false, false
	}
	if rawjson.KindOf(v) != rawjson.Bool {
		c.issue(column, at, "not true or false", v)
		return false, false
	}
	return v[0] == 't', true
}

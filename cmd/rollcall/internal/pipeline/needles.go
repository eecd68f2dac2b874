package pipeline

import (
	"bytes"
	"strings"

	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// needles are what makes a row without an identity somebody's: the user's id or e-mail address in it. Nil finds nothing.
type needles struct {
	anywhere [][]byte // in lower case
	quoted   [][]byte // ids so short that they only count as a whole string
}

// shortest is the length from which an id anywhere in a row counts.
const shortest = 8

func newNeedles(ids, emails []string) *needles {
	n := &needles{}
	for _, id := range ids {
		low := strings.ToLower(id)
		if len(id) >= shortest {
			n.anywhere = append(n.anywhere, []byte(low))
		} else {
			n.quoted = append(n.quoted, []byte(`"`+low+`"`))
		}
	}
	for _, e := range emails {
		if len(e) >= shortest && strings.Contains(e, "@") {
			n.anywhere = append(n.anywhere, []byte(strings.ToLower(e)))
		}
	}
	return n
}

// in tells whether raw, JSON or a part of it, has one of them, however it is escaped.
func (n *needles) in(raw []byte) bool {
	if n == nil {
		return false
	}
	text := bytes.ToLower(raw)
	if bytes.IndexByte(raw, '\\') >= 0 {
		plain, _ := rawjson.AppendUnquoted(nil, append(append([]byte{'"'}, raw...), '"'))
		text = append(append(text, 0), bytes.ToLower(plain)...)
	}
	for _, list := range [][][]byte{n.anywhere, n.quoted} {
		for _, needle := range list {
			if bytes.Contains(text, needle) {
				return true
			}
		}
	}
	return false
}

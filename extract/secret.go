package extract

import (
	"fmt"
	"io"
)

// redacted is what stands for a secret wherever one would be printed.
const redacted = "**redacted**"

// Secret is a credential: an API key, a token. However it is printed or marshalled it reads **redacted**; an empty one, which hides
// nothing, reads as the empty string. Only [Secret.Reveal] gives the value, and only what puts it on the wire calls that.
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String returns **redacted**, or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is String: %#v shows no more than %v.
func (s Secret) GoString() string { return s.String() }

// Format prints String under every verb, %x and %q included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText is String, for every encoder of text: YAML, XML, flags.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON is String as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

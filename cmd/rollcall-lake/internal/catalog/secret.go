package catalog

// Secret is a text that prints as **redacted**.
type Secret string

const redacted = "**redacted**"

// String is not the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is not the secret either.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// MarshalText is not the secret either.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal is the secret.
func (s Secret) Reveal() string { return string(s) }

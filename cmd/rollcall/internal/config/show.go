package config

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Setting is one key in force, for printing. Secrets are redacted.
type Setting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // string, number, boolean or list of strings
	Origin string `json:"origin"`
}

// Settings are all keys in force, in the order of Keys.
func (c *Config) Settings() []Setting {
	out := make([]Setting, len(keys))
	for i, k := range keys {
		out[i] = Setting{Key: k.Name, Value: k.field.show(c), Origin: c.origins[k.Name].String()}
	}
	return out
}

// WriteYAML prints the configuration in force as a file that could be read back, the secrets apart, with the origin of each
// value beside it.
func (c *Config) WriteYAML(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range c.Settings() {
		if _, err := fmt.Fprintf(tw, "%s\t# %s\n", yamlLine(s), s.Origin); err != nil {
			return fmt.Errorf("print the configuration: %w", err)
		}
	}
	return tw.Flush()
}

// yamlLine is "key: value"; a key without a value is a comment.
func yamlLine(s Setting) string {
	switch v := s.Value.(type) {
	case string:
		if v == "" {
			return "# " + s.Key + ":"
		}
		return s.Key + ": " + yamlText(v)
	case []string:
		quoted := make([]string, len(v))
		for i, t := range v {
			quoted[i] = yamlText(t)
		}
		if len(v) == 0 {
			return "# " + s.Key + ":"
		}
		return s.Key + ": [" + strings.Join(quoted, ", ") + "]"
	}
	return s.Key + ": " + showText(s.Value)
}

var plainText = regexp.MustCompile(`^[A-Za-z0-9./][A-Za-z0-9/._-]*$|^https?://[A-Za-z0-9.:/_-]+$`)

// yamlText quotes what YAML would not read back as the same text. A JSON string is a YAML string.
func yamlText(s string) string {
	if plainText.MatchString(s) && s != "null" {
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.Quote(s)
	}
	return strings.TrimSpace(b.String())
}

// showText is a value as a flag takes it.
func showText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, ",")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

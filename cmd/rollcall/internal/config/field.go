package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/transform/pii"
)

// kind is what a key takes in the file.
type kind uint8

const (
	kindText kind = iota // any scalar, as it is written
	kindInteger
	kindNumber
	kindBool
	kindList  // a scalar, or a sequence of them
	kindNamed // a mapping of name to text, or a sequence of name=text; as texts name=text
	kindRules // a mapping of path to action, or a sequence of {path, action} or path=action; as texts path=action
)

// given is a value as a place gives it: text, or several for a list.
type given struct {
	texts []string
	file  *source // the file it stands in; nil for the environment and flags
}

func (g given) text() string { return strings.Join(g.texts, ",") }

// field is how a key's value is read into a Config and shown again. The error of set is the reason alone, a phrase.
type field struct {
	kind    kind
	choices []string
	secret  bool              // its text is never repeated in a message
	schema  jsonschema.Schema // what an editor lets the value be
	set     func(*Config, given) error
	show    func(*Config) any // as JSON and YAML print it
}

func text(at func(*Config) *string, check func(string) error) field {
	return field{
		schema: jsonschema.Schema{Type: "string"},
		set: func(c *Config, g given) error {
			if err := check(g.text()); err != nil {
				return err
			}
			*at(c) = g.text()
			return nil
		},
		show: func(c *Config) any { return *at(c) },
	}
}

// path is a file name, in the file relative to the folder it lies in.
func path(at func(*Config) *string) field {
	return field{
		schema: jsonschema.Schema{Type: "string", MinLength: ptr(1)},
		set: func(c *Config, g given) error {
			if err := checkPath(g.text()); err != nil {
				return err
			}
			*at(c) = g.file.resolve(g.text())
			return nil
		},
		show: func(c *Config) any { return *at(c) },
	}
}

func list(at func(*Config) *[]string, check func(string) error) field {
	return field{
		kind: kindList,
		schema: jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string", MinLength: ptr(1)},
			{Type: "array", MinItems: ptr(1), UniqueItems: true, Items: &jsonschema.Schema{Type: "string", MinLength: ptr(1)}},
		}},
		set: func(c *Config, g given) error {
			if len(g.texts) == 0 {
				return errors.New("must name at least one")
			}
			for i, t := range g.texts {
				if err := check(t); err != nil {
					return err
				}
				if slices.Contains(g.texts[:i], t) {
					return fmt.Errorf("%q is named twice", t)
				}
			}
			*at(c) = slices.Clone(g.texts)
			return nil
		},
		show: func(c *Config) any { return append([]string{}, *at(c)...) },
	}
}

// piiRules are rules about personal data.
func piiRules(at func(*Config) *[]pii.Rule) field {
	action := &jsonschema.Schema{Type: "string", Enum: []any{string(pii.Drop), string(pii.Mask), string(pii.Hash)}}
	rule := jsonschema.NewProperties()
	rule.Set("path", &jsonschema.Schema{Type: "string", MinLength: ptr(1)})
	rule.Set("action", action)
	return field{
		kind: kindRules,
		schema: jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "object", AdditionalProperties: action},
			{Type: "array", Items: &jsonschema.Schema{OneOf: []*jsonschema.Schema{
				{Type: "string", Pattern: `=(drop|mask|hash)$`},
				{Type: "object", Properties: rule, Required: []string{"path", "action"}, AdditionalProperties: jsonschema.FalseSchema},
			}}},
		}},
		set: func(c *Config, g given) error {
			var out []pii.Rule
			for _, t := range g.texts {
				r, err := pii.ParseRule(t)
				if err != nil {
					return err
				}
				out = append(out, r)
			}
			*at(c) = out
			return nil
		},
		show: func(c *Config) any {
			out := []string{}
			for _, r := range *at(c) {
				out = append(out, r.String())
			}
			return out
		},
	}
}

func choice[T ~string](at func(*Config) *T, allowed ...T) field {
	names, values := make([]string, len(allowed)), make([]any, len(allowed))
	for i, a := range allowed {
		names[i], values[i] = string(a), string(a)
	}
	return field{
		choices: names,
		schema:  jsonschema.Schema{Type: "string", Enum: values},
		set: func(c *Config, g given) error {
			if !slices.Contains(names, g.text()) {
				return fmt.Errorf("must be %s or %s", strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
			}
			*at(c) = T(g.text())
			return nil
		},
		show: func(c *Config) any { return string(*at(c)) },
	}
}

func integer(at func(*Config) *int, least, most int) field {
	return field{
		kind:   kindInteger,
		schema: jsonschema.Schema{Type: "integer", Minimum: number(least), Maximum: number(most)},
		set: func(c *Config, g given) error {
			n, err := strconv.Atoi(g.text())
			if err != nil || n < least || n > most {
				return fmt.Errorf("must be a whole number from %d to %d", least, most)
			}
			*at(c) = n
			return nil
		},
		show: func(c *Config) any { return *at(c) },
	}
}

func percent(at func(*Config) *float64) field {
	return field{
		kind:   kindNumber,
		schema: jsonschema.Schema{Type: "number", Minimum: "0", Maximum: "100"},
		set: func(c *Config, g given) error {
			f, err := strconv.ParseFloat(g.text(), 64)
			if err != nil || math.IsNaN(f) || f < 0 || f > 100 {
				return errors.New("must be a number from 0 to 100")
			}
			*at(c) = f
			return nil
		},
		show: func(c *Config) any { return *at(c) },
	}
}

func boolean(at func(*Config) *bool) field {
	return field{
		kind:    kindBool,
		choices: []string{"true", "false"},
		schema:  jsonschema.Schema{Type: "boolean"},
		set: func(c *Config, g given) error {
			b, err := strconv.ParseBool(g.text())
			if err != nil {
				return errors.New("must be true or false")
			}
			*at(c) = b
			return nil
		},
		show: func(c *Config) any { return *at(c) },
	}
}

func duration(at func(*Config) *time.Duration, least time.Duration) field {
	return field{
		schema: jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`},
		set: func(c *Config, g given) error {
			d, err := time.ParseDuration(g.text())
			switch {
			case err != nil:
				return errors.New("must be a duration such as 10m, 4h or 720h")
			case d < least && least > 0:
				return errors.New("must be more than zero")
			case d < least:
				return errors.New("must not be negative")
			}
			*at(c) = d
			return nil
		},
		show: func(c *Config) any { return shortDuration(*at(c)) },
	}
}

// shortDuration is Go's form without the parts that are zero: 4h, not 4h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func rate(at func(*Config) *extract.RPM) field {
	return field{
		schema: jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string", Enum: []any{"auto", "none"}},
			{Type: "integer", Minimum: "1"},
		}},
		set: func(c *Config, g given) error {
			r, err := extract.ParseRPM(g.text())
			if err != nil || g.text() == "" {
				return errors.New("must be auto, none or a number of requests a minute, 1 or more")
			}
			*at(c) = r
			return nil
		},
		show: func(c *Config) any { return at(c).String() },
	}
}

// secret is a credential that the environment holds, or that the file says where to find.
func secret(at func(*Config) *Credential) field {
	return field{
		secret: true,
		schema: jsonschema.Schema{Type: "string", Pattern: `^(file|command):.`},
		set: func(c *Config, g given) error {
			v, err := parseCredential(g)
			if err != nil {
				return err
			}
			if g.file != nil && v.literal != "" {
				return errors.New("must be file:PATH or command:COMMAND: a secret does not belong in this file")
			}
			*at(c) = v
			return nil
		},
		show: func(c *Config) any { return at(c).String() },
	}
}

// identifier is a credential's companion that is no secret by itself, and so may stand in the file and be shown.
func identifier(at func(*Config) *Credential) field {
	return field{
		schema: jsonschema.Schema{Type: "string", MinLength: ptr(1)},
		set: func(c *Config, g given) error {
			v, err := parseCredential(g)
			if err != nil {
				return err
			}
			*at(c) = v
			return nil
		},
		show: func(c *Config) any {
			if v := *at(c); v.literal != "" {
				return v.literal.Reveal()
			}
			return at(c).String()
		},
	}
}

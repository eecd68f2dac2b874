package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// Checks are what a version must be like to be published, beside what rollcall itself checks.
type Checks struct {
	SQL            []SQLCheck    // in the order of the file
	MinUsers       int           // 0: none need be there
	MaxDropPercent float64       // 0 to 100, of the current version's users; 100: any drop will do
	MaxAge         time.Duration // of the latest updated_at; 0: any
}

// SQLCheck is a statement that must return no rows.
type SQLCheck struct {
	Name string
	SQL  string
}

// String is the check as a list of texts has it: name=SQL.
func (c SQLCheck) String() string { return c.Name + "=" + c.SQL }

var checkName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

func parseSQLCheck(text string) (SQLCheck, error) {
	name, sql, found := strings.Cut(text, "=")
	name, sql = strings.TrimSpace(name), strings.TrimSpace(sql)
	switch {
	case !found || !checkName.MatchString(name):
		return SQLCheck{}, errors.New("must have names of letters, digits, _ and -, as in no_email: FROM users WHERE email IS NULL")
	case sql == "":
		return SQLCheck{}, fmt.Errorf("%s has no SQL", name)
	}
	return SQLCheck{name, sql}, nil
}

// sqlChecks are statements by name. In the environment there is room for one.
func sqlChecks(at func(*Config) *[]SQLCheck) field {
	return field{
		kind: kindNamed,
		schema: jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "object", PropertyNames: &jsonschema.Schema{Pattern: checkName.String()}, AdditionalProperties: &jsonschema.Schema{Type: "string", MinLength: ptr(1)}},
			{Type: "array", Items: &jsonschema.Schema{Type: "string", Pattern: `^[A-Za-z][A-Za-z0-9_-]*=`}},
		}},
		set: func(c *Config, g given) error {
			var out []SQLCheck
			for _, t := range g.texts {
				check, err := parseSQLCheck(t)
				if err != nil {
					return err
				}
				if slices.ContainsFunc(out, func(o SQLCheck) bool { return o.Name == check.Name }) {
					return fmt.Errorf("%q is named twice", check.Name)
				}
				out = append(out, check)
			}
			*at(c) = out
			return nil
		},
		show: func(c *Config) any {
			out := []string{}
			for _, check := range *at(c) {
				out = append(out, check.String())
			}
			return out
		},
	}
}

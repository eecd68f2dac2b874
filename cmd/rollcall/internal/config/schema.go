package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// JSONSchema describes the configuration file for editors, indented, ending in a line break. It says less than Load checks:
// what depends on two keys, or on the machine, is not in it.
func JSONSchema() ([]byte, error) {
	root := jsonschema.Schema{
		Version:              jsonschema.Version,
		Title:                "rollcall configuration",
		Type:                 "object",
		Properties:           jsonschema.NewProperties(),
		AdditionalProperties: jsonschema.FalseSchema,
	}
	defaults := Default()
	for _, k := range keys {
		s := k.field.schema
		s.Description = k.Usage
		switch v := k.field.show(defaults).(type) {
		case string:
			if v != "" {
				s.Default = v
			}
		case []string: // no list is set by default
		default:
			s.Default = v
		}
		place(&root, k.Name, &s)
	}
	out, err := json.MarshalIndent(&root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("make the JSON Schema: %w", err)
	}
	return append(out, '\n'), nil
}

// place puts a property where its name says: schema.contract is contract of the object schema.
func place(root *jsonschema.Schema, name string, s *jsonschema.Schema) {
	group, rest, nested := strings.Cut(name, ".")
	if !nested {
		root.Properties.Set(name, s)
		return
	}
	inner, ok := root.Properties.Get(group)
	if !ok {
		inner = &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
		root.Properties.Set(group, inner)
	}
	place(inner, rest, s)
}

func ptr(n uint64) *uint64 { return &n }

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

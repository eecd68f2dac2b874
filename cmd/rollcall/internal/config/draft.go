package config

import (
	"fmt"
	"slices"
	"strings"
)

// Draft is what a new configuration file says: the texts of keys by their names.
type Draft map[string][]string

// draftWidth is where comments are broken.
const draftWidth = 100

// Check says whether a key takes the texts. The error is a phrase, and repeats them only where they are no secret.
func (d Draft) Check(name string) error {
	k, ok := findKey(name)
	if !ok {
		return fmt.Errorf("there is no key %q", name)
	}
	if k.Scope == Secret { // what the file may say of them depends on the file
		return nil
	}
	return k.field.set(Default(), given{texts: d[name]})
}

// YAML is the file: the keys that the draft sets, then all others with their defaults, as comments. What explains a key is its usage, as in the help and
// the JSON Schema. A secret that is not set says where the environment has it.
func (d Draft) YAML() string {
	var b strings.Builder
	b.WriteString("# The configuration of rollcall. `rollcall config` prints what is in force and where it came from; `rollcall doctor` checks it.\n" +
		"# Flags win over the environment (page_size is ROLLCALL_PAGE_SIZE), the environment over this file. Secrets do not belong in it:\n" +
		"# it says file:PATH or command:COMMAND, or the environment has them.\n")
	for _, k := range keys {
		if texts, ok := d[k.Name]; ok {
			explain(&b, k)
			b.WriteString(yamlLine(Setting{Key: k.Name, Value: valueOf(k, texts)}) + "\n")
		}
	}
	b.WriteString("\n# Everything else, as it is where nothing is said.\n")
	defaults := Default()
	for _, k := range keys {
		if _, ok := d[k.Name]; ok {
			continue
		}
		explain(&b, k)
		line := strings.TrimPrefix(yamlLine(Setting{Key: k.Name, Value: k.field.show(defaults)}), "# ")
		if k.Scope == Secret {
			env := k.Env()
			line += " # or in the environment: " + env[len(env)-1]
		}
		b.WriteString("# " + line + "\n")
	}
	return b.String()
}

// valueOf is a draft's texts as they are shown.
func valueOf(k Key, texts []string) any {
	if k.field.kind == kindList {
		return slices.Clone(texts)
	}
	return strings.Join(texts, ",")
}

// explain writes what a key is for, and what it takes where that can be counted.
func explain(b *strings.Builder, k Key) {
	text := k.Usage
	if choices := k.Choices(); len(choices) > 2 && !strings.Contains(text, choices[0]) {
		text += ": " + strings.Join(choices, ", ")
	}
	b.WriteString("\n#")
	width := 1
	for _, word := range strings.Fields(text) {
		if width+1+len(word) > draftWidth && width > 1 {
			b.WriteString("\n#")
			width = 1
		}
		b.WriteString(" " + word)
		width += 1 + len(word)
	}
	b.WriteByte('\n')
}

package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Bodies are written by appending: the order of keys, the spacing and the escapes are part of what a population is.

// appendString appends text as a JSON string with no more escapes than JSON demands.
func appendString(b []byte, text string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\t':
			b = append(b, '\\', 't')
		case r < 0x20:
			b = append(b, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// appendStrings appends an array of strings.
func appendStrings(b []byte, texts []string) []byte {
	return appendList(b, texts, appendString)
}

// appendList appends an array, each element by one.
func appendList[T any](b []byte, list []T, one func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ']')
}

// appendOptional appends text, or null where it is empty.
func appendOptional(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	return appendString(b, text)
}

func appendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

// quoted is text as a JSON string.
func quoted(text string) string { return string(appendString(nil, text)) }

// member is one key of a JSON object with the JSON text of its value.
type member struct{ key, value string }

// object is a JSON object whose keys keep their order and whose values keep their bytes.
type object []member

// parseObject reads JSON text. Anything but an object is an error.
func parseObject(text string) (object, error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("not a JSON object: %.40q", text)
	}
	o := object{}
	for dec.More() {
		key, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			return nil, fmt.Errorf("read a member of a JSON object: %w", err)
		}
		o = append(o, member{fmt.Sprint(key), string(value)})
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("read the end of a JSON object: %w", err)
	}
	return o, nil
}

// get is the JSON text under key; "" where there is none.
func (o object) get(key string) string {
	for _, m := range o {
		if m.key == key {
			return m.value
		}
	}
	return ""
}

// with is the object with key set; the other keys keep their places.
func (o object) with(key, value string) object {
	out := append(object{}, o...)
	for i := range out {
		if out[i].key == key {
			out[i].value = value
			return out
		}
	}
	return append(out, member{key, value})
}

// without is the object less a key.
func (o object) without(key string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return m.key == key })
}

// without is the list less a value.
func without(list []string, value string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(v string) bool { return v == value })
}

func (o object) append(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, m.key), ':')
		b = append(b, m.value...)
	}
	return append(b, '}')
}

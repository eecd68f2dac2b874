package amigosql

import (
	"fmt"
	"strconv"
	"strings"
)

const keyColumn = "user_id"

var (
	// allColumns are those of the table (api/amigo.md §6.4).
	allColumns = []string{
		"_id", "additional_context", "email", "first_name", "last_name", "org_id", "preferences", "region_name", "role", "updated_at", keyColumn, "user_models",
	}
	// complement are those that the list lacks and no other request brings (api/amigo.md §0), and the key.
	complement = []string{"_id", "region_name", "updated_at", keyColumn}
)

// bound is an id where a stretch begins or ends; the zero value is an open end.
type bound struct {
	id     string
	closed bool
}

func at(id string) bound { return bound{id, true} }

// stretch is part of the table in the order of user_id: what comes behind after, up to and with upTo. Rows whose user_id is NULL are in it
// only if both ends are open.
type stretch struct{ after, upTo bound }

func (in stretch) where() string {
	var conditions []string
	if in.after.closed {
		conditions = append(conditions, keyColumn+" > "+literal(in.after.id))
	}
	if in.upTo.closed {
		conditions = append(conditions, keyColumn+" <= "+literal(in.upTo.id))
	}
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

func countQuery(in stretch) string { return "SELECT count(*) AS n FROM users" + in.where() }

// pageQuery is the keyset pattern of api/amigo.md §6.4.
func pageQuery(columns []string, in stretch, limit int) string {
	return fmt.Sprintf("SELECT %s FROM users%s ORDER BY %s LIMIT %d", strings.Join(columns, ", "), in.where(), keyColumn, limit)
}

func nullQuery(columns []string, limit int) string {
	return fmt.Sprintf("SELECT %s FROM users WHERE %s IS NULL LIMIT %d", strings.Join(columns, ", "), keyColumn, limit)
}

func lookupQuery(columns, ids []string) string {
	literals := make([]string, len(ids))
	for i, id := range ids {
		literals[i] = literal(id)
	}
	return fmt.Sprintf("SELECT %s FROM users WHERE %s IN (%s)", strings.Join(columns, ", "), keyColumn, strings.Join(literals, ", "))
}

// literal is an SQL expression for a text. The API takes no parameters, and dialects do not agree on what a backslash or a doubled quote in a
// literal means, nor on what else is replaced there ($, {{, `). So characters that mean something anywhere never stand in one: whatever is not
// plain is written as chr(n), which makes the expression 'it' || chr(39) || 's'. Ids of letters, digits and the like are one literal.
func literal(text string) string {
	var parts []string
	for text != "" {
		n := 0
		for n < len(text) && plain(text[n]) {
			n++
		}
		if n == 0 {
			parts = append(parts, "chr("+strconv.Itoa(int(text[0]))+")")
			text = text[1:]
			continue
		}
		parts = append(parts, "'"+text[:n]+"'")
		text = text[n:]
	}
	switch len(parts) {
	case 0:
		return "''"
	case 1:
		return parts[0]
	}
	return "(" + strings.Join(parts, " || ") + ")"
}

// plain reports whether a byte of UTF-8 stands for itself in every dialect's literal.
func plain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte("-_.:@/+=~ ", c) >= 0
}

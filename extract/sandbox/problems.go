package sandbox

import (
	"fmt"
	"net/http"
	"strconv"
)

// problems are what is wrong with a request, as FastAPI lists it in a 422:
// {"detail":[{"loc":[…],"msg":…,"type":…}]} (api/amigo.md §4.1).
type problems struct{ list []problem }

type problem struct {
	kind, message string
	location      []any // strings and ints
}

func (p *problems) add(kind, message string, location ...any) {
	p.list = append(p.list, problem{kind, message, location})
}

func (p *problems) any() bool { return len(p.list) > 0 }

func (p *problems) answer() answer {
	b := appendList([]byte(`{"detail":`), p.list, func(b []byte, one problem) []byte {
		b = appendList(append(b, `{"loc":`...), one.location, func(b []byte, at any) []byte {
			if index, ok := at.(int); ok {
				return strconv.AppendInt(b, int64(index), 10)
			}
			return appendString(b, fmt.Sprint(at))
		})
		b = appendString(append(b, `,"msg":`...), one.message)
		b = appendString(append(b, `,"type":`...), one.kind)
		return append(b, '}')
	})
	return answer{status: http.StatusUnprocessableEntity, body: append(b, '}')}
}

// parameters reads a query and notes what is wrong with it.
type parameters struct {
	*call
	problems
}

// number reads an integer; the last one counts where it is given more than once. most < 0: no upper bound.
func (q *parameters) number(name string, otherwise, least, most int) int {
	values := q.query[name]
	if len(values) == 0 {
		return otherwise
	}
	n, err := strconv.Atoi(values[len(values)-1])
	if err != nil {
		q.add("int_parsing", "Input should be a valid integer, unable to parse string as an integer", "query", name)
	} else if kind, message := outside(n, least, most); kind != "" {
		q.add(kind, message, "query", name)
	}
	return n
}

// outside says how a number is out of bounds; nothing where it is within. most < 0: no upper bound.
func outside(n, least, most int) (kind, message string) {
	switch {
	case n < least:
		return "greater_than_equal", fmt.Sprintf("Input should be greater than or equal to %d", least)
	case most >= 0 && n > most:
		return "less_than_equal", fmt.Sprintf("Input should be less than or equal to %d", most)
	}
	return "", ""
}

// flag reads a boolean, false where it is not given.
func (q *parameters) flag(name string) bool {
	values := q.query[name]
	if len(values) == 0 {
		return false
	}
	v, err := strconv.ParseBool(values[len(values)-1])
	if err != nil {
		q.add("bool_parsing", "Input should be a valid boolean, unable to interpret input", "query", name)
	}
	return v
}

// texts reads a repeated parameter, each value passing the checks.
func (q *parameters) texts(name string, checks ...check) []string {
	for i, v := range q.query[name] {
		for _, c := range checks {
			if kind, message := c(v); kind != "" {
				q.add(kind, message, "query", name, i)
			}
		}
	}
	return q.query[name]
}

// sorting reads sort_by, whose items are +field or -field.
func (q *parameters) sorting(fields []string) []sortKey {
	var keys []sortKey
	for i, item := range q.query["sort_by"] {
		key, ok := parseSortKey(item, fields)
		if !ok {
			q.add("literal_error", "Input should be '+' or '-' and a field that can be sorted by", "query", "sort_by", i)
		}
		keys = append(keys, key)
	}
	return keys
}

func parseSortKey(item string, fields []string) (sortKey, bool) {
	for _, f := range fields {
		if item == "+"+f || item == "-"+f {
			return sortKey{f, item[0] == '-'}, true
		}
	}
	return sortKey{}, false
}

package sandbox

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sqlSelect is a query the sandbox can answer: the keyset page and the count that an export needs (api/amigo.md §6.4).
//
//	SELECT (* | column, … | count(*) [[AS] name]) FROM users
//	[WHERE column (= | <> | != | < | <= | > | >=) 'text' | column IN ('text', …) [AND …]]
//	[ORDER BY user_id [ASC | DESC]] [LIMIT n] [;]
//
// Conditions are about columns of text and compare bytes. Names may be quoted by "…" or `…`; a quote within a literal is
// doubled.
type sqlSelect struct {
	columns    []sqlColumn
	count      bool
	countAs    string
	where      []sqlCondition
	ordered    bool
	descending bool
	limit      int // math.MaxInt: none
}

type sqlCondition struct {
	column string
	op     string // IN or a comparison
	values []string
}

func (c sqlCondition) holds(text string) bool {
	switch c.op {
	case "IN":
		return slices.Contains(c.values, text)
	case "=":
		return text == c.values[0]
	case "<":
		return text < c.values[0]
	case "<=":
		return text <= c.values[0]
	case ">":
		return text > c.values[0]
	case ">=":
		return text >= c.values[0]
	default:
		return text != c.values[0]
	}
}

// from is the least user_id the conditions leave.
func (q sqlSelect) from() (string, bool) {
	for _, c := range q.where {
		if c.column == fieldID && (c.op == ">" || c.op == ">=") {
			return c.values[0], true
		}
	}
	return "", false
}

// sqlToken matches one token: a comment or white space, a word, a quoted name, a literal, a number, a symbol.
var sqlToken = regexp.MustCompile("^(?:(--[^\n]*|\\s+)|([A-Za-z_][A-Za-z0-9_]*)|\"([^\"]+)\"|`([^`]+)`|'((?:[^']|'')*)'|([0-9]+)|(<=|>=|<>|!=|[(),*=<>;]))")

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenName // a quoted name: never a keyword
	tokenText
	tokenNumber
	tokenSymbol
)

type token struct {
	kind tokenKind
	text string
}

func scanSQL(text string) ([]token, error) {
	var tokens []token
	for rest := text; rest != ""; {
		m := sqlToken.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("position %d: unexpected character", len(text)-len(rest)+1)
		}
		switch {
		case m[2] != "":
			tokens = append(tokens, token{tokenWord, m[2]})
		case m[3]+m[4] != "":
			tokens = append(tokens, token{tokenName, m[3] + m[4]})
		case m[6] != "":
			tokens = append(tokens, token{tokenNumber, m[6]})
		case m[7] != "":
			tokens = append(tokens, token{tokenSymbol, m[7]})
		case m[1] == "":
			tokens = append(tokens, token{tokenText, strings.ReplaceAll(m[5], "''", "'")})
		}
		rest = rest[len(m[0]):]
	}
	return append(tokens, token{}), nil
}

// sqlParser reads tokens from left to right. The first thing it does not know is the error.
type sqlParser struct{ tokens []token }

func parseSQL(text string) (sqlSelect, error) {
	tokens, err := scanSQL(text)
	if err != nil {
		return sqlSelect{}, err
	}
	p := &sqlParser{tokens}
	q := sqlSelect{limit: math.MaxInt}
	for _, clause := range []func(*sqlSelect) error{p.selection, p.source, p.conditions, p.order, p.bound} {
		if err := clause(&q); err != nil {
			return sqlSelect{}, err
		}
	}
	p.symbol(";")
	if p.tokens[0].kind != tokenEnd {
		return sqlSelect{}, p.unexpected("the end of the query")
	}
	return q, nil
}

func (p *sqlParser) unexpected(wanted string) error {
	if p.tokens[0].kind == tokenEnd {
		return fmt.Errorf("expected %s, not the end", wanted)
	}
	return fmt.Errorf("expected %s, not %q", wanted, p.tokens[0].text)
}

func (p *sqlParser) next() token {
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

// word takes a keyword if it is next.
func (p *sqlParser) word(keyword string) bool {
	if p.tokens[0].kind == tokenWord && strings.EqualFold(p.tokens[0].text, keyword) {
		p.next()
		return true
	}
	return false
}

// symbol takes a symbol if it is next.
func (p *sqlParser) symbol(text string) bool {
	if p.tokens[0] == (token{tokenSymbol, text}) {
		p.next()
		return true
	}
	return false
}

func (p *sqlParser) column() (sqlColumn, error) {
	if t := p.tokens[0]; t.kind == tokenWord || t.kind == tokenName {
		if c, ok := sqlColumnNamed(t.text); ok {
			p.next()
			return c, nil
		}
	}
	return sqlColumn{}, p.unexpected("a column of users")
}

func (p *sqlParser) selection(q *sqlSelect) error {
	if !p.word("SELECT") {
		return p.unexpected("SELECT")
	}
	switch {
	case p.symbol("*"):
		q.columns = sqlColumns
		return nil
	case p.word("COUNT"):
		return p.counted(q)
	}
	for {
		c, err := p.column()
		if err != nil {
			return err
		}
		q.columns = append(q.columns, c)
		if !p.symbol(",") {
			return nil
		}
	}
}

func (p *sqlParser) counted(q *sqlSelect) error {
	if !p.symbol("(") || !p.symbol("*") || !p.symbol(")") {
		return p.unexpected("(*)")
	}
	q.count, q.countAs = true, "count(1)"
	named := p.word("AS")
	if t := p.tokens[0]; t.kind == tokenName || t.kind == tokenWord && !strings.EqualFold(t.text, "FROM") {
		q.countAs = p.next().text
	} else if named {
		return p.unexpected("a name")
	}
	return nil
}

func (p *sqlParser) source(*sqlSelect) error {
	if !p.word("FROM") {
		return p.unexpected("FROM")
	}
	if t := p.tokens[0]; (t.kind == tokenWord || t.kind == tokenName) && strings.EqualFold(t.text, "users") {
		p.next()
		return nil
	}
	return p.unexpected("the table users")
}

func (p *sqlParser) conditions(q *sqlSelect) error {
	if !p.word("WHERE") {
		return nil
	}
	for {
		c, err := p.condition()
		if err != nil {
			return err
		}
		q.where = append(q.where, c)
		if !p.word("AND") {
			return nil
		}
	}
}

func (p *sqlParser) condition() (sqlCondition, error) {
	column, err := p.column()
	if err != nil {
		return sqlCondition{}, err
	}
	if column.json != "" || column.kind != "STRING" {
		return sqlCondition{}, fmt.Errorf("conditions on %s are not supported", column.name)
	}
	c := sqlCondition{column: column.name}
	if p.word("IN") {
		c.op = "IN"
		if !p.symbol("(") {
			return c, p.unexpected("(")
		}
		for {
			if err := p.literal(&c); err != nil {
				return c, err
			}
			if p.symbol(")") {
				return c, nil
			}
			if !p.symbol(",") {
				return c, p.unexpected(", or )")
			}
		}
	}
	if t := p.tokens[0]; t.kind != tokenSymbol || !slices.Contains([]string{"=", "<>", "!=", "<", "<=", ">", ">="}, t.text) {
		return c, p.unexpected("a comparison")
	}
	c.op = p.next().text
	return c, p.literal(&c)
}

func (p *sqlParser) literal(c *sqlCondition) error {
	if p.tokens[0].kind != tokenText {
		return p.unexpected("a literal in single quotes")
	}
	c.values = append(c.values, p.next().text)
	return nil
}

func (p *sqlParser) order(q *sqlSelect) error {
	if !p.word("ORDER") {
		return nil
	}
	if !p.word("BY") {
		return p.unexpected("BY")
	}
	if c, err := p.column(); err != nil || c.name != fieldID {
		return fmt.Errorf("only user_id can be ordered by")
	}
	q.ordered = true
	q.descending = !p.word("ASC") && p.word("DESC")
	return nil
}

func (p *sqlParser) bound(q *sqlSelect) error {
	if !p.word("LIMIT") {
		return nil
	}
	if p.tokens[0].kind != tokenNumber {
		return p.unexpected("a number")
	}
	limit, err := strconv.Atoi(p.next().text)
	if err != nil {
		return fmt.Errorf("LIMIT is out of range")
	}
	q.limit = limit
	return nil
}

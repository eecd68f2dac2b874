package duckdb

import "strings"

// splitStatements cuts SQL at its semicolons, as DuckDB's lexer would: not in strings, quoted names, dollar quotes or comments. Statements
// of nothing but space and comments are dropped. Text that the lexer would refuse comes out whole, for DuckDB to say so.
func splitStatements(sql string) []string {
	var out []string
	start, content := 0, false
	for i := 0; i < len(sql); {
		n, kind := token(sql[i:], i > 0 && isWord(sql[i-1]))
		switch kind {
		case tokenEnd:
			if content {
				out = append(out, strings.TrimSpace(sql[start:i]))
			}
			start, content = i+n, false
		case tokenContent:
			content = true
		}
		i += n
	}
	if content {
		out = append(out, strings.TrimSpace(sql[start:]))
	}
	return out
}

type tokenKind uint8

const (
	tokenContent tokenKind = iota
	tokenBlank
	tokenEnd
)

// token measures what stands at the beginning of s, which is not empty. inWord: the character before is part of a name or number.
func token(s string, inWord bool) (length int, kind tokenKind) {
	switch {
	case s[0] == ';':
		return 1, tokenEnd
	case strings.ContainsRune(" \t\r\n\f\v", rune(s[0])):
		return 1, tokenBlank
	case strings.HasPrefix(s, "--"):
		return until(s, "\n"), tokenBlank
	case strings.HasPrefix(s, "/*"):
		return comment(s), tokenBlank
	case s[0] == '\'':
		return quoted(s, 0, false), tokenContent
	case s[0] == '"':
		return quoted(s, 0, false), tokenContent
	case !inWord && len(s) > 1 && (s[0] == 'e' || s[0] == 'E') && s[1] == '\'':
		return quoted(s, 1, true), tokenContent
	case !inWord && s[0] == '$':
		return dollar(s), tokenContent
	}
	return 1, tokenContent
}

// until is the length up to and with the next occurrence of end, or of all there is.
func until(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

// comment is the length of a block comment; they nest.
func comment(s string) int {
	depth := 0
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(s)
}

// quoted is the length of a string or name whose opening quote is at open. A doubled quote stands for one; in an E string a backslash
// takes the next character with it.
func quoted(s string, open int, backslash bool) int {
	for i := open + 1; i < len(s); i++ {
		switch {
		case backslash && s[i] == '\\':
			i++
		case s[i] == s[open] && i+1 < len(s) && s[i+1] == s[open]:
			i++
		case s[i] == s[open]:
			return i + 1
		}
	}
	return len(s)
}

// dollar is the length of a dollar-quoted string ($$…$$, $tag$…$tag$), or 1 for a lone dollar, as of a parameter.
func dollar(s string) int {
	end := 1
	for end < len(s) && isWord(s[end]) && (end > 1 || s[end] < '0' || s[end] > '9') {
		end++
	}
	if end == len(s) || s[end] != '$' {
		return 1
	}
	tag := s[:end+1]
	return len(tag) + until(s[len(tag):], tag)
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

package duckdb

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/marcboeker/go-duckdb"
)

// SQLError is a mistake in the SQL, or SQL that does not fit the data. It names nothing of the data: DuckDB quotes values in some of its
// messages, and those are left out.
type SQLError struct {
	Message string   // one line
	Detail  []string // more lines: candidates, and where in the statement
}

func (e *SQLError) Error() string { return e.Message }

// Hints are the details.
func (e *SQLError) Hints() []string { return e.Detail }

var position = regexp.MustCompile(`^LINE (\d+): `)

// sqlError makes a SQLError of what the driver returned. extraLines is how many lines stood before the user's statement.
func sqlError(ctx context.Context, err error, extraLines int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var from *duckdb.Error
	if !errors.As(err, &from) {
		return &SQLError{Message: err.Error()}
	}
	lines := strings.Split(strings.TrimSpace(from.Msg), "\n")
	out := &SQLError{Message: lines[0]}
	private := quotesData(from)
	if private {
		kind, _, _ := strings.Cut(lines[0], ":")
		out.Message = kind + ": the data holds a value that the statement does not allow for"
	}
	for i := 1; i < len(lines); i++ {
		l := strings.TrimRight(lines[i], " \t")
		if m := position.FindStringSubmatch(l); m != nil {
			n, _ := strconv.Atoi(m[1]) // digits
			moved := fmt.Sprintf("LINE %d: ", n-extraLines)
			out.Detail = append(out.Detail, moved+strings.TrimPrefix(l, m[0]))
			if i+1 < len(lines) { // the caret below it
				i++
				out.Detail = append(out.Detail, lines[i][min(len(lines[i]), max(0, len(m[0])-len(moved))):])
			}
		} else if !private && strings.TrimSpace(l) != "" {
			out.Detail = append(out.Detail, strings.TrimSpace(l))
		}
	}
	if private {
		out.Detail = append(out.Detail, "errors do not quote data; TRY_CAST and TRY give NULL for such a value and show the rows it is in")
	}
	return out
}

// quotesData says whether the message may hold a value of a row. What goes wrong before a statement runs cannot.
func quotesData(e *duckdb.Error) bool {
	switch e.Type {
	case duckdb.ErrorTypeParser, duckdb.ErrorTypeSyntax, duckdb.ErrorTypeBinder, duckdb.ErrorTypeCatalog, duckdb.ErrorTypePermission,
		duckdb.ErrorTypeNotImplemented, duckdb.ErrorTypeSettings, duckdb.ErrorTypeOutOfMemory, duckdb.ErrorTypeIO, duckdb.ErrorTypeInterrupt,
		duckdb.ErrorTypeMissingExtension, duckdb.ErrorTypeAutoLoad, duckdb.ErrorTypeParameterNotAllowed, duckdb.ErrorTypeTransaction:
		return false
	case duckdb.ErrorTypeInvalidInput:
		return !strings.HasPrefix(e.Msg, "Invalid Input Error: Cannot execute statement") &&
			!strings.HasPrefix(e.Msg, "Invalid Input Error: Cannot change configuration")
	}
	return true
}

package engine

import (
	"fmt"
	"strings"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
)

// Progress is how far a statement is.
type Progress struct {
	Percent    float64 // 0 to 100, of what is known to be done
	Done       int     // stages; on Spark tasks of the stage that runs
	Total      int
	Stage      string // on Spark, which
	Rows       int64  // read so far; -1: not known
	Identifier string // the engine's, of the query
}

// Outcome is what a statement did.
type Outcome struct {
	Rows    int64   `json:"rows"` // in the table that it made; -1: it made none
	Seconds float64 `json:"seconds"`
}

// Hooks are told what happens. None may be nil.
type Hooks struct {
	Begun    func(Statement)
	Progress func(Statement, Progress)
	Done     func(Statement, Outcome)
	Said     func(line string) // what the engine's program says by itself
}

// UnreachableError says that an engine is not there.
type UnreachableError struct {
	Engine string
	What   string
	Advice []string
}

func (e *UnreachableError) Error() string { return e.Engine + ": " + e.What }

// Hints says what to do.
func (e *UnreachableError) Hints() []string { return e.Advice }

// RefusedError says that an engine does not let us in, or not do what we asked for.
type RefusedError struct {
	Engine string
	What   string
	Advice []string
}

func (e *RefusedError) Error() string { return e.Engine + " refuses: " + e.What }

// Hints says what to do.
func (e *RefusedError) Hints() []string { return e.Advice }

// FailedError says that an engine could not do a statement.
type FailedError struct {
	Engine    string
	Statement string
	What      string // as the engine said
	Advice    []string
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.Engine, e.Statement, e.What)
}

// Hints says what to do.
func (e *FailedError) Hints() []string { return e.Advice }

const again = "the tables of rollcall are as they were; run the job again when this is mended"

// redact takes secrets out of a text.
func redact(text string, secrets ...catalog.Secret) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	return text
}

// brief is a text's first characters.
func brief(s string) string {
	const most = 600
	s = strings.TrimSpace(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

package night

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"
)

const (
	maxName   = 100 // bytes of a file's name; file systems take 255
	dateForm  = "2006-01-02"
	runForm   = "20060102-150405.000000"
	plansRoot = "nights"
)

// FileName is an organization's id as a name of a file or folder: what is not a lower-case letter, digit, "-", "_" or a "." within is written %XX, for file
// systems that hold "A" and "a" for one; an id that gets too long is told by its hash.
func FileName(org string) string {
	var b strings.Builder
	for i := range len(org) {
		c := org[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	if b.Len() <= maxName && b.Len() > 0 {
		return b.String()
	}
	sum := sha256.Sum256([]byte(org))
	return "%" + hex.EncodeToString(sum[:]) // no escape has two hexadecimal digits and then more of lower case
}

// CheckDate refuses what is no date of a night.
func CheckDate(night string) error {
	if _, err := time.Parse(dateForm, night); err != nil {
		return &UsageError{Message: fmt.Sprintf("night %q: it is no date", night), Advice: []string{"a night is named by its date: --night 2026-11-23"}}
	}
	return nil
}

// runID is a run's id of that moment, as rollcall names its runs.
func runID(at time.Time) string { return strings.ReplaceAll(at.UTC().Format(runForm), ".", "-") }

func planName(night string) string      { return path.Join(plansRoot, night, "plan.json") }
func decisionName(night string) string  { return path.Join(plansRoot, night, "publish.json") }
func publishedName(night string) string { return path.Join(plansRoot, night, "published.json") }
func resultsOf(night string) string     { return path.Join(plansRoot, night, "results") }
func failuresOf(night string) string    { return path.Join(plansRoot, night, "failed") }

func resultName(night, org string) string { return path.Join(resultsOf(night), FileName(org)+".json") }
func failureName(night, org string) string {
	return path.Join(failuresOf(night), FileName(org)+".json")
}

// UsageError says what was asked wrongly.
type UsageError struct {
	Message string
	Advice  []string
}

func (e *UsageError) Error() string { return e.Message }

// Hints says what to do.
func (e *UsageError) Hints() []string { return e.Advice }

package doctor

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

// count is a header that is a number of 0 or more; -1 where it is none.
func count(h http.Header, name string) int {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get(name)))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// maxSkew is how wrong a clock may be: Date has whole seconds, and an answer takes a while.
const maxSkew = 30 * time.Second

// clock compares our clock with that of the API, whose tokens and limits end by the latter.
func (e *examination) clock() {
	if !e.dated {
		e.say("clock", Skip, "no answer said what time it is", "")
		return
	}
	skew := e.skew.Round(time.Second)
	switch {
	case skew.Abs() <= maxSkew:
		e.say("clock", OK, fmt.Sprintf("within %s of the API's", maxSkew), "")
	case skew > 0:
		e.say("clock", Warn, fmt.Sprintf("%s behind the API's", skew), "set this machine's clock (NTP): times in the tables are its")
	default:
		e.say("clock", Warn, fmt.Sprintf("%s ahead of the API's", -skew), "set this machine's clock (NTP): times in the tables are its")
	}
}

// rate says what the server's headers say of its limits.
func (e *examination) rate() {
	if e.requests == 0 {
		e.say("rate limit", Skip, "nothing was asked", "")
		return
	}
	if len(e.answers) == 0 {
		e.say("rate limit", OK, "the answers say nothing of it; --rpm "+e.c.RPM.String()+" rules", "")
		return
	}
	var kinds []extract.Kind
	for k := range e.answers {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	var parts, over []string
	for _, k := range kinds {
		switch a := e.answers[k]; {
		case a.limit < 0:
			parts = append(parts, fmt.Sprintf("%s %d left", k, a.left))
		case a.left < 0:
			parts = append(parts, fmt.Sprintf("%s of %d", k, a.limit))
		default:
			parts = append(parts, fmt.Sprintf("%s %d of %d left", k, a.left, a.limit))
		}
		if limit := e.answers[k].limit; limit > 0 && k != extract.KindSignIn && e.c.RPM > 0 && int(e.c.RPM) > limit {
			over = append(over, string(k))
		}
	}
	found := strings.Join(parts, ", ")
	if over != nil {
		e.say("rate limit", Warn, found+fmt.Sprintf("; --rpm %s is more than %s may be asked", e.c.RPM, strings.Join(over, ", ")), "rpm: auto")
		return
	}
	e.say("rate limit", OK, found, "")
}

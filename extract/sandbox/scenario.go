package sandbox

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/goccy/go-yaml"
)

// Scenario is a rehearsal: what goes wrong, and who comes and goes, at which requests.
type Scenario struct {
	Description string `yaml:"description"` // what is rehearsed; for people
	Steps       []Step `yaml:"steps"`
}

// Step is one thing that happens. It happens at the requests of a kind whose ordinals, counted from 1, At lists; without At,
// from First on, Times times.
type Step struct {
	Endpoint string `yaml:"endpoint"` // a kind of request, such as KindList; KindAny counts all requests together
	At       []int  `yaml:"at"`
	First    int    `yaml:"first"` // 0: 1
	Times    int    `yaml:"times"` // 0: for ever

	Do           string            `yaml:"do"`             // DoStatus and the like
	Status       int               `yaml:"status"`         // DoStatus: 200 to 599
	Headers      map[string]string `yaml:"headers"`        // DoStatus, DoHeaders
	Body         *string           `yaml:"body"`           // DoStatus; nil: an error as FastAPI shapes it
	RetryAfter   *time.Duration    `yaml:"retry_after"`    // DoStatus, DoHeaders: the Retry-After header
	RetryAfterAs string            `yaml:"retry_after_as"` // "seconds" (the default; fractions stay) or "date"
	ResetIn      *time.Duration    `yaml:"reset_in"`       // DoStatus, DoHeaders: X-RateLimit-Reset, that far from now
	Takes        time.Duration     `yaml:"takes"`          // DoDelay, DoDrip
	Share        float64           `yaml:"share"`          // DoLosePermission: above 0, at most 1
	Users        int               `yaml:"users"`          // DoInsert, DoDelete, DoChange, DoMove: how many; 0: one
	Where        string            `yaml:"where"`          // the same: "before" or "after" the page about to be read
	Rows         int               `yaml:"rows"`           // DoClamp: the most a page holds
}

// What a [Step] can do. The first group decides the answer, the second spoils it on its way, the third shapes a page of a
// list, the last changes what is there.
const (
	DoStatus    = "status"     // answer with Status
	DoHTML      = "html"       // answer 200 with a page for people
	DoEmptyBody = "empty_body" // answer 200 with nothing
	DoNullBody  = "null_body"  // answer 200 with null
	DoReset     = "reset"      // reset the connection before any answer

	DoHeaders  = "headers"   // add headers to the answer
	DoCutJSON  = "cut_json"  // send two thirds of the body and say that this is all
	DoTruncate = "truncate"  // close the connection after half of the body
	DoResetMid = "reset_mid" // reset the connection after half of the body
	DoDrip     = "drip"      // send the body in twenty pieces, over Takes
	DoDelay    = "delay"     // wait for Takes before anything else

	DoLoop          = "loop"           // claim more, with the token that was asked with
	DoEmptyPage     = "empty_page"     // withhold the page's rows and claim more, as where none of them may be seen
	DoIgnoreOffset  = "ignore_offset"  // serve the first page whatever was asked for
	DoDuplicatePage = "duplicate_page" // serve the rows of the page before
	DoClamp         = "clamp"          // serve at most Rows rows whatever the limit

	DoExpireTokens   = "expire_tokens"   // end every token that has been used
	DoLosePermission = "lose_permission" // a share of the users is invisible from here on
	DoInsert         = "insert"          // users come, on one side of the page
	DoDelete         = "delete"          // users go, on one side of the page
	DoChange         = "change"          // users change, wherever they are or on one side
	DoMove           = "move"            // users move to that side, from the other
)

// Values of [Step.Where].
const (
	Before = "before" // among what was read already
	After  = "after"  // among what is still to be read
)

// Values of [Step.RetryAfterAs].
const (
	AsSeconds = "seconds"
	AsDate    = "date"
)

// ParseScenario reads a scenario from YAML. Keys it does not know, a second document and whatever a step cannot mean are
// errors that name the field, the value and, for what is wrong with the YAML itself, the line. Durations are Go's ("1.5s").
func ParseScenario(r io.Reader) (*Scenario, error) {
	decoder := yaml.NewDecoder(r, yaml.Strict())
	var s Scenario
	if err := decoder.Decode(&s); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("scenario: steps: there are none")
		}
		return nil, fmt.Errorf("scenario: %w", plainError(err))
	}
	if err := decoder.Decode(new(Scenario)); !errors.Is(err, io.EOF) {
		return nil, errors.New("scenario: there is a second YAML document")
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &s, nil
}

// plainError is a YAML error in one line: the library's own message draws the source around it.
func plainError(err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return fmt.Errorf("line %d: %s", at.GetToken().Position.Line, at.GetMessage())
	}
	return err
}

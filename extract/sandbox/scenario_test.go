package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseScenario(t *testing.T) {
	got, err := ParseScenario(strings.NewReader(`
description: one of each kind of field
steps:
  - endpoint: list
    at: [2, 5]
    do: status
    status: 429
    retry_after: 1.5s
    retry_after_as: date
    reset_in: 1m
    body: ""
    headers: {X-A: "1"}
  - {endpoint: any, first: 3, times: 2, do: lose_permission, share: 0.25}
  - {endpoint: freddy_list, do: insert, users: 3, where: after}
  - {endpoint: lookup, do: clamp, rows: 7}
  - {endpoint: model, do: drip, takes: 2s}
`))
	if err != nil {
		t.Fatal(err)
	}
	wait, reset, body := 1500*time.Millisecond, time.Minute, ""
	want := &Scenario{Description: "one of each kind of field", Steps: []Step{
		{Endpoint: "list", At: []int{2, 5}, Do: "status", Status: 429, RetryAfter: &wait, RetryAfterAs: "date", ResetIn: &reset, Body: &body, Headers: map[string]string{"X-A": "1"}},
		{Endpoint: "any", First: 3, Times: 2, Do: "lose_permission", Share: 0.25},
		{Endpoint: "freddy_list", Do: "insert", Users: 3, Where: "after"},
		{Endpoint: "lookup", Do: "clamp", Rows: 7},
		{Endpoint: "model", Do: "drip", Takes: 2 * time.Second},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestParseScenarioRefuses holds that each mistake is named with its field and value, in one line.
func TestParseScenarioRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "steps: there are none"},
		{"description: x", "steps: there are none"},
		{"steps: []", "steps: there are none"},
		{"steps: [{endpoint: list, do: reset}]\n---\nsteps: []", "second YAML document"},
		{"steps: [{endpoint: list, do: reset}]\nstep: 1", `line 2: unknown field "step"`},
		{"steps: [{endpoint: list, do: reset, colour: red}]", `unknown field "colour"`},
		{"steps: [{endpoint: list, endpoint: list, do: reset}]", `"endpoint"`},
		{"steps: [{endpoint: list, do: reset", "line 1"},
		{"steps: [{endpoint: list, do: status, status: many}]", "line 1"},
		{"steps: [{endpoint: list, do: delay, takes: 3}]", "line 1"},
		{"steps: [{endpoint: list}]", `steps[0].do: "" is not one of`},
		{"steps: [{endpoint: list, do: explode}]", `steps[0].do: "explode" is not one of`},
		{"steps: [{do: reset}]", `steps[0].endpoint: "" is not one of`},
		{"steps: [{endpoint: lists, do: reset}]", `steps[0].endpoint: "lists" is not one of`},
		{"steps: [{endpoint: list, do: reset}, {endpoint: model, do: loop}]", `steps[1].endpoint: "model" has no pages`},
		{"steps: [{endpoint: list, do: reset, status: 500}]", "steps[0].status: 500 means nothing with do: reset"},
		{"steps: [{endpoint: list, do: status}]", "steps[0].status: do: status needs it"},
		{"steps: [{endpoint: list, do: status, status: 99}]", "steps[0].status: 99 is not between"},
		{"steps: [{endpoint: list, do: status, status: 429, retry_after_as: date}]", `steps[0].retry_after_as: "date" means nothing`},
		{"steps: [{endpoint: list, do: status, status: 429, retry_after: 1s, retry_after_as: minutes}]", `retry_after_as: "minutes" is not one of`},
		{"steps: [{endpoint: list, do: status, status: 429, headers: {'a b': c}}]", `headers: "a b" is not`},
		{"steps: [{endpoint: list, do: status, status: 429, headers: {a: \"c\\nd\"}}]", `headers: A: "c\nd"`},
		{"steps: [{endpoint: list, do: headers}]", "steps[0].headers: do: headers needs"},
		{"steps: [{endpoint: list, do: delay}]", "steps[0].takes: do: delay needs it"},
		{"steps: [{endpoint: list, do: delay, takes: 2h}]", "steps[0].takes: 2h0m0s is not between"},
		{"steps: [{endpoint: list, do: delay, takes: -1s}]", "steps[0].takes: -1s is not between"},
		{"steps: [{endpoint: list, do: lose_permission, share: 1.5}]", "steps[0].share: 1.5 is not between"},
		{"steps: [{endpoint: list, do: insert}]", "steps[0].where: do: insert needs it"},
		{"steps: [{endpoint: list, do: insert, where: beside}]", `steps[0].where: "beside" is not one of`},
		{"steps: [{endpoint: list, do: change, users: -1}]", "steps[0].users: -1 is not between"},
		{"steps: [{endpoint: list, do: clamp, rows: -1}]", "steps[0].rows: -1 is negative"},
		{"steps: [{endpoint: list, do: reset, at: [0]}]", "steps[0].at[0]: 0"},
		{"steps: [{endpoint: list, do: reset, at: []}]", "steps[0].at: []"},
		{"steps: [{endpoint: list, do: reset, first: -1}]", "steps[0].first: -1"},
		{"steps: [{endpoint: list, do: reset, times: -1}]", "steps[0].times: -1"},
		{"steps: [{endpoint: list, do: reset, at: [1], first: 2}]", "steps[0].first: 2"},
		{"steps: [{endpoint: list, do: reset, at: [1], times: 2}]", "steps[0].times: 2"},
	} {
		_, err := ParseScenario(strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "scenario: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\n\tgives %v\n\twant  %s", tt.text, err, tt.want)
		}
	}
}

func TestParseScenarioFromWhatCannotBeRead(t *testing.T) {
	broken := errors.New("the disk is gone")
	if _, err := ParseScenario(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

func TestOrdinals(t *testing.T) {
	for _, tt := range []struct {
		step Step
		want []int // of the first eight list requests, each of which two others precede
	}{
		{Step{Endpoint: KindList, At: []int{2, 7}}, []int{2, 7}},
		{Step{Endpoint: KindList}, []int{1, 2, 3, 4, 5, 6, 7, 8}},
		{Step{Endpoint: KindList, First: 6}, []int{6, 7, 8}},
		{Step{Endpoint: KindList, First: 3, Times: 2}, []int{3, 4}},
		{Step{Endpoint: KindList, Times: 1}, []int{1}},
		{Step{Endpoint: KindModel}, nil},
		{Step{Endpoint: KindAny, At: []int{6}}, []int{2}},
	} {
		var got []int
		for n := 1; n <= 8; n++ {
			if tt.step.hits(KindList, n, 3*n) {
				got = append(got, n)
			}
		}
		if !cmp.Equal(got, tt.want) {
			t.Errorf("%+v happens at %v, want %v", tt.step, got, tt.want)
		}
	}
}

// scenarios is where the examples are.
const scenarios = "../../testdata/scenarios"

// TestExampleScenarios runs every example against a reader that asks again where an answer is no good, and compares what it
// met with a transcript. Each step of each example has to happen.
func TestExampleScenarios(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(scenarios, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples in %s: %v", scenarios, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			scenario, err := ParseScenario(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if scenario.Description == "" {
				t.Error("it does not say what it rehearses")
			}
			s, err := New(Options{Users: 300, Freddy: 120, Scenario: scenario, Now: newClock().now})
			if err != nil {
				t.Fatal(err)
			}
			r := &reader{t: t, s: s, seen: make(map[string]bool)}
			if r.base, err = s.Start(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			r.rehearse()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			for i, step := range scenario.Steps {
				happened := false
				for n := range s.Requests(step.Endpoint) {
					happened = happened || step.hits(step.Endpoint, n+1, n+1)
				}
				if !happened {
					t.Errorf("steps[%d] never happens", i)
				}
			}
			golden(t, filepath.Join("transcripts", name+".golden.txt"), r.transcript.Bytes())
		})
	}
}

// reader asks a served sandbox for everything, as a simple client would, and writes down what it gets.
type reader struct {
	t          *testing.T
	s          *Sandbox
	base       string
	token      string
	seen       map[string]bool
	transcript bytes.Buffer
}

const (
	patience  = 16 // list requests, faults included
	readModel = 8
)

func (r *reader) rehearse() {
	r.t.Cleanup(http.DefaultClient.CloseIdleConnections)
	r.signIn()
	for cursor, n := "0", 0; n < patience && cursor != ""; n++ {
		cursor = r.list(cursor)
	}
	for _, h := range r.s.people.sorted([]sortKey{{"email", false}})[:readModel] {
		if _, status := r.ask("model", http.MethodGet, r.org("user/"+r.s.people.identity(h).id+"/user_model"), ""); status == http.StatusUnauthorized {
			r.signIn()
		}
	}
	for skip := 0; skip < 5*30; skip += 30 {
		body, _ := r.ask(fmt.Sprintf("freddy_list %d", skip), http.MethodGet, fmt.Sprintf("user/?limit=30&skip=%d", skip), "")
		var page []struct{ ID string }
		if err := json.Unmarshal(body, &page); err != nil {
			r.t.Fatal(err)
		}
		ids := make([]string, len(page))
		for i, u := range page {
			ids[i] = u.ID
		}
		fmt.Fprintf(&r.transcript, "\t%d users, %d of them new\n", len(ids), r.fresh(ids))
	}
	for range 2 {
		r.ask("freddy_batch", http.MethodPost, "user/batch", `{"user_ids":[]}`)
	}
	for range 4 {
		r.ask("sql", http.MethodPost, r.org("admin/sql_query"), `{"sql_query":"SELECT count(*) FROM users","async_query":false}`)
	}
}

func (r *reader) org(path string) string { return r.s.Org() + "/" + path }

func (r *reader) signIn() {
	for range 3 {
		body, status := r.ask("signin", http.MethodPost, r.org("user/signin_with_api_key"), "")
		if status != http.StatusOK {
			continue
		}
		var answer struct {
			Token string `json:"id_token"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			r.t.Fatal(err)
		}
		r.token = answer.Token
		return
	}
	r.t.Fatal("no token after three tries")
}

// list asks for a page and returns the cursor to go on with: the same one where the answer is no good.
func (r *reader) list(cursor string) string {
	body, status := r.ask("list "+cursor, http.MethodGet, r.org("user/?limit=50&sort_by=%2Bemail&continuation_token="+cursor), "")
	var page listed
	switch {
	case status == http.StatusUnauthorized:
		r.signIn()
		return cursor
	case status != http.StatusOK || json.Unmarshal(body, &page) != nil || page.More == nil:
		return cursor
	}
	fmt.Fprintf(&r.transcript, "\t%d users, %d of them new, more %v\n", len(page.Users), r.fresh(page.ids()), *page.More)
	if !*page.More {
		return ""
	}
	return itoa(*page.Token)
}

// fresh counts those not seen before.
func (r *reader) fresh(ids []string) int {
	n := 0
	for _, id := range ids {
		if !r.seen[id] {
			n++
		}
		r.seen[id] = true
	}
	return n
}

// ask sends one request and writes a line about the answer. The status is 0 where none came whole.
func (r *reader) ask(what, method, path, body string) ([]byte, int) {
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.base+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header = http.Header{
		"Authorization": {"Bearer " + r.token}, "X-Api-Key": {r.s.APIKey()}, "X-Api-Key-Id": {r.s.APIKeyID()}, "X-User-Id": {r.s.UserID()},
	}
	if strings.HasPrefix(what, "freddy") {
		request.Header.Set("X-Api-Key", r.s.FreddyKey())
	}
	request.Close = true // or the client would repeat by itself what breaks on a connection it had used before
	status, got, err := 0, []byte(nil), error(nil)
	if answer, failed := http.DefaultClient.Do(request); failed != nil {
		err = failed
	} else {
		status = answer.StatusCode
		got, err = io.ReadAll(answer.Body)
		err = errors.Join(err, answer.Body.Close())
		for _, name := range []string{"Retry-After", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
			if value := answer.Header.Get(name); value != "" {
				what += fmt.Sprintf(" [%s: %s]", name, value)
			}
		}
	}
	switch {
	case err != nil && status == 0:
		fmt.Fprintf(&r.transcript, "%s: no answer\n", what)
	case err != nil:
		fmt.Fprintf(&r.transcript, "%s: %d, broken off\n", what, status) // how much arrived before a reset is the network's affair
		return nil, 0
	case !json.Valid(got):
		fmt.Fprintf(&r.transcript, "%s: %d, %d bytes that are no JSON\n", what, status, len(got))
	case slices.Contains([]string{"model", "sql"}, what) || status != http.StatusOK || bytes.Equal(got, []byte("null")):
		fmt.Fprintf(&r.transcript, "%s: %d %s\n", what, status, short(got))
	default:
		fmt.Fprintf(&r.transcript, "%s: %d\n", what, status)
	}
	return got, status
}

func short(body []byte) string {
	if len(body) > 60 {
		return fmt.Sprintf("(%d bytes)", len(body))
	}
	return string(body)
}

package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rehearse makes a sandbox of a hundred users that plays steps.
func rehearse(t *testing.T, steps ...Step) *caller {
	t.Helper()
	return visit(t, Options{Users: 100, Freddy: 100, Scenario: &Scenario{Steps: steps}})
}

func after(d time.Duration) *time.Duration { return &d }

func TestDecidingFaults(t *testing.T) {
	body := `{"message":"no"}`
	for _, tt := range []struct {
		name    string
		step    Step
		status  int
		body    string
		headers http.Header
	}{
		{"status", Step{Do: DoStatus, Status: 500}, 500, `{"detail":"Internal Server Error"}`, headers("Content-Type", "application/json")},
		{"body and headers", Step{Do: DoStatus, Status: 502, Body: &body, Headers: map[string]string{"Content-Type": "text/plain"}}, 502, body, headers("Content-Type", "text/plain")},
		{"seconds", Step{Do: DoStatus, Status: 429, RetryAfter: after(7 * time.Second)}, 429, `{"detail":"Too Many Requests"}`, headers("Retry-After", "7")},
		{"a fraction", Step{Do: DoStatus, Status: 429, RetryAfter: after(1500 * time.Millisecond), RetryAfterAs: AsSeconds}, 429, `{"detail":"Too Many Requests"}`, headers("Retry-After", "1.5")},
		{"a date", Step{Do: DoStatus, Status: 503, RetryAfter: after(time.Minute), RetryAfterAs: AsDate}, 503, `{"detail":"Service Unavailable"}`, headers("Retry-After", "Sun, 01 Mar 2026 12:01:30 GMT")},
		{"a reset", Step{Do: DoStatus, Status: 429, ResetIn: after(1100 * time.Millisecond)}, 429, `{"detail":"Too Many Requests"}`, headers("X-RateLimit-Reset", "1772366432")},
		{"html", Step{Do: DoHTML}, 200, "<!DOCTYPE html><html><body><h1>Scheduled maintenance</h1></body></html>", headers("Content-Type", "text/html; charset=utf-8")},
		{"empty", Step{Do: DoEmptyBody}, 200, "", headers("Content-Type", "application/json")},
		{"null", Step{Do: DoNullBody}, 200, "null", headers("Content-Type", "application/json")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.step.Endpoint, tt.step.At = KindList, []int{2}
			c := rehearse(t, tt.step)
			c.want(http.StatusOK, http.MethodGet, "user/?limit=1", "")
			w := c.get("user/?limit=1")
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
			for name := range tt.headers {
				if got, want := w.Header().Get(name), tt.headers.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			c.want(http.StatusOK, http.MethodGet, "user/?limit=1", "")
		})
	}
}

func TestHeaders(t *testing.T) {
	c := rehearse(t, Step{Endpoint: KindModel, Do: DoHeaders, ResetIn: after(time.Minute), Headers: map[string]string{"X-RateLimit-Remaining": "0"}})
	w := c.want(http.StatusNotFound, http.MethodGet, "user/nobody/user_model", "")
	if w.Header().Get("X-RateLimit-Remaining") != "0" || w.Header().Get("X-RateLimit-Reset") != "1772366490" {
		t.Errorf("%v", w.Header())
	}
}

// TestSlowFaults measures by a clock that moves only when everybody waits.
func TestSlowFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := rehearse(t,
			Step{Endpoint: KindList, At: []int{2}, Do: DoDelay, Takes: 3 * time.Second},
			Step{Endpoint: KindList, At: []int{3}, Do: DoDrip, Takes: 10 * time.Second},
		)
		want := c.get("user/").Body.String()
		for _, takes := range []time.Duration{3 * time.Second, 10 * time.Second, 0} {
			began := time.Now()
			if got := c.get("user/").Body.String(); got != want {
				t.Errorf("the body of %d bytes has become one of %d", len(want), len(got))
			}
			if took := time.Since(began); took != takes {
				t.Errorf("it took %v, want %v", took, takes)
			}
		}
	})
}

// TestBrokenConnections needs a connection to break.
func TestBrokenConnections(t *testing.T) {
	for _, tt := range []struct {
		do   string
		want func(head, body string, err error, whole int) bool
	}{
		{DoReset, func(head, _ string, err error, _ int) bool { return head == "" && errors.Is(err, syscall.ECONNRESET) }},
		{DoResetMid, func(_, body string, err error, whole int) bool {
			return errors.Is(err, syscall.ECONNRESET) && len(body) <= whole/2
		}},
		{DoTruncate, func(_, body string, err error, whole int) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && len(body) == whole/2
		}},
		{DoCutJSON, func(_, body string, err error, whole int) bool { return err == nil && len(body) == whole*2/3 }},
	} {
		t.Run(tt.do, func(t *testing.T) {
			c := rehearse(t, Step{Endpoint: KindList, At: []int{2}, Do: tt.do})
			whole := c.get("user/").Body.Len()
			base, err := c.Start(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			head, body, err := exchange(t, c, base)
			if !tt.want(head, body, err, whole) {
				t.Errorf("%q, %d bytes of %d, %v", head, len(body), whole, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// exchange sends a list request over a connection of its own: the status line, what came of the body, and how it ended.
func exchange(t *testing.T, c *caller, base string) (head, body string, err error) {
	t.Helper()
	conn, err := dial(base)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/%s/user/ HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer %s\r\n\r\n", c.Org(), c.token)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	return answer.Status, string(got), err
}

// TestWithoutAConnection aborts as the server does where there is no connection to take over.
func TestWithoutAConnection(t *testing.T) {
	c := rehearse(t, Step{Endpoint: KindList, Do: DoReset})
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("the handler ended with %v", got)
		}
	}()
	c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/acme-health/user/", nil))
}

func TestPageFaults(t *testing.T) {
	type got struct {
		skip, users, next int
		more              bool
	}
	for _, tt := range []struct {
		name  string
		steps []Step
		want  []got // of pages of thirty at 0, 30, 60, 90; skip is where the rows are in truth
	}{
		{"none", []Step{{Do: DoLoop, At: []int{99}}}, []got{{0, 30, 30, true}, {30, 30, 60, true}, {60, 30, 90, true}, {90, 10, 0, false}}},
		{"loop", []Step{{Do: DoLoop, First: 2}}, []got{{0, 30, 30, true}, {30, 30, 30, true}, {60, 30, 60, true}, {90, 10, 90, true}}},
		{"empty page", []Step{{Do: DoEmptyPage, At: []int{2, 4}}}, []got{{0, 30, 30, true}, {0, 0, 60, true}, {60, 30, 90, true}, {0, 0, 120, true}}},
		{"stuck", []Step{{Do: DoEmptyPage, At: []int{2}}, {Do: DoLoop, At: []int{2}}}, []got{{0, 30, 30, true}, {0, 0, 30, true}, {60, 30, 90, true}, {90, 10, 0, false}}},
		{"ignore offset", []Step{{Do: DoIgnoreOffset, First: 3}}, []got{{0, 30, 30, true}, {30, 30, 60, true}, {0, 30, 30, true}, {0, 30, 30, true}}},
		{"duplicate page", []Step{{Do: DoDuplicatePage, At: []int{3}}}, []got{{0, 30, 30, true}, {30, 30, 60, true}, {30, 30, 90, true}, {90, 10, 0, false}}},
		{"clamp", []Step{{Do: DoClamp, Rows: 20}}, []got{{0, 20, 20, true}, {30, 20, 50, true}, {60, 20, 80, true}, {90, 10, 0, false}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.steps {
				tt.steps[i].Endpoint = KindList
			}
			c := rehearse(t, tt.steps...)
			all := make([]string, 0, 100)
			for _, h := range c.people.list.order {
				all = append(all, c.people.identity(h).id)
			}
			var seen []got
			for skip := 0; skip < 100; skip += 30 {
				p := c.page(fmt.Sprintf("limit=30&continuation_token=%d", skip))
				one := got{users: len(p.Users), more: *p.More}
				if len(p.Users) > 0 {
					one.skip = slices.Index(all, p.Users[0].ID)
				}
				if p.Token != nil {
					one.next = *p.Token
				}
				seen = append(seen, one)
			}
			if diff := cmp.Diff(tt.want, seen, cmp.AllowUnexported(got{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPageFaultsElsewhere(t *testing.T) {
	c := visit(t, Options{Users: 50, Freddy: 50, Dialect: DialectOffset, Scenario: &Scenario{Steps: []Step{
		{Endpoint: KindList, At: []int{2}, Do: DoIgnoreOffset}, {Endpoint: KindFreddyList, At: []int{2}, Do: DoIgnoreOffset},
		{Endpoint: KindFreddyList, At: []int{3}, Do: DoDuplicatePage}, {Endpoint: KindFreddyList, At: []int{4}, Do: DoEmptyPage},
	}}})
	if a, b := c.page("limit=5").ids(), c.page("limit=5&offset=20").ids(); !cmp.Equal(a, b) {
		t.Error("the offset was not ignored")
	}
	first := c.thin("limit=5")
	for _, what := range []string{"ignored", "duplicated"} {
		if got := c.thin("limit=5&skip=20"); !cmp.Equal(got, first) {
			t.Errorf("Freddy's page was not %s", what)
		}
	}
	if got := c.thin("limit=5&skip=20"); len(got) != 0 {
		t.Errorf("Freddy's empty page has %d users", len(got))
	}
}

// TestExpireTokens ends the token that was shown, not the one that was given out after it.
func TestExpireTokens(t *testing.T) {
	c := rehearse(t, Step{Endpoint: KindList, At: []int{2}, Do: DoExpireTokens})
	c.want(http.StatusOK, http.MethodGet, "user/", "")
	shown := c.token
	c.renew()
	fresh := c.token
	c.token = shown
	c.want(http.StatusUnauthorized, http.MethodGet, "user/", "")
	c.want(http.StatusUnauthorized, http.MethodGet, "role/", "")
	c.token = fresh
	c.want(http.StatusOK, http.MethodGet, "user/", "")
}

// TestLosePermission holds that those who vanish do so everywhere, and that nobody else does.
func TestLosePermission(t *testing.T) {
	c := rehearse(t, Step{Endpoint: KindRole, Do: DoLosePermission, Share: 0.4})
	before := c.all("sort_by=%2Bemail")
	c.get("role/")
	after := c.all("sort_by=%2Bemail")
	if len(after) < 45 || len(after) > 75 {
		t.Fatalf("%d of 100 are left", len(after))
	}
	left := make(map[string]bool)
	for _, u := range after {
		left[u.ID] = true
	}
	for _, u := range before {
		wantList, wantModel := []string{}, []int{http.StatusForbidden}
		if left[u.ID] {
			wantList, wantModel = []string{u.ID}, []int{http.StatusOK, http.StatusForbidden}
		}
		if got := c.page("user_id=" + u.ID).ids(); !cmp.Equal(got, wantList) {
			t.Errorf("%s, left %v, is found as %v", u.ID, left[u.ID], got)
		}
		if got := c.get("user/" + u.ID + "/user_model").Code; !slices.Contains(wantModel, got) {
			t.Errorf("the model of %s, left %v: %d", u.ID, left[u.ID], got)
		}
	}
}

// TestMutations plays each change at a page in the middle, in the order of addresses and as the list stands, and looks on which
// side of the page the list has grown, shrunk or changed.
func TestMutations(t *testing.T) {
	const frontier = 40
	for _, sorted := range []string{"sort_by=%2Bemail", "sort_by=-email", ""} {
		for _, tt := range []struct {
			do, where     string
			before, after int // by how many that side of the page grows
		}{
			{DoInsert, Before, 5, 0}, {DoInsert, After, 0, 5},
			{DoDelete, Before, -5, 0}, {DoDelete, After, 0, -5},
			{DoMove, Before, 5, -5}, {DoMove, After, -5, 5},
			{DoChange, "", 0, 0}, {DoChange, Before, 0, 0}, {DoChange, After, 0, 0},
		} {
			t.Run(strings.Join([]string{tt.do, tt.where, sorted}, " "), func(t *testing.T) {
				c := rehearse(t, Step{Endpoint: KindList, At: []int{3}, Do: tt.do, Where: tt.where, Users: 5})
				was := c.all(sorted)    // the first request
				last := was[frontier-1] // of those read already
				c.page("limit=1")       // the second
				c.page(fmt.Sprintf("limit=10&continuation_token=%d&%s", frontier, sorted))
				is := c.all(sorted)
				if len(is)-len(was) != tt.before+tt.after {
					t.Fatalf("%d users have become %d", len(was), len(is))
				}
				ids := make(map[string]listedUser)
				for _, u := range was {
					ids[u.ID] = u
				}
				changed := 0
				for _, u := range is {
					if old, there := ids[u.ID]; there && !reflect.DeepEqual(old, u) {
						changed++
					}
				}
				// The last row may itself be the one that went, moved or changed: then where it stands tells nothing.
				if i := slices.IndexFunc(is, func(u listedUser) bool { return reflect.DeepEqual(u, last) }); i >= 0 && i+1 != frontier+tt.before {
					t.Errorf("%d users stand before the page, want %d", i+1, frontier+tt.before)
				}
				if wants := tt.do == DoMove || tt.do == DoChange; wants != (changed > 0) || changed > 5 {
					t.Errorf("%d users have changed", changed)
				}
			})
		}
	}
}

// TestMutationsWithNobodyThere plays changes on sides of the page that are empty.
func TestMutationsWithNobodyThere(t *testing.T) {
	all := []Step{
		{Do: DoDelete, Where: Before}, {Do: DoMove, Where: Before}, {Do: DoMove, Where: After}, {Do: DoChange, Where: Before},
		{Do: DoInsert, Where: Before}, {Do: DoInsert, Where: After},
	}
	for i := range all {
		all[i].Endpoint, all[i].At = KindList, []int{1}
	}
	for _, users := range []int{NoUsers, 1} {
		c := visit(t, Options{Users: users, Scenario: &Scenario{Steps: all}})
		if got, want := len(c.page("sort_by=%2Bemail").Users), max(users, 0)+2; got != want {
			t.Errorf("%d users have become %d, want %d", max(users, 0), got, want)
		}
	}
}

// TestInsertAtTheEnd plays an insert after a page that is already beyond the end.
func TestInsertAtTheEnd(t *testing.T) {
	c := visit(t, Options{Users: 20, Scenario: &Scenario{Steps: []Step{{Endpoint: KindList, At: []int{2}, Do: DoInsert, Where: After}}}})
	before := c.page("sort_by=%2Bemail").ids()
	if got := len(c.page("sort_by=%2Bemail&continuation_token=50").Users); got != 0 {
		t.Errorf("%d users beyond the end", got)
	}
	if after := c.page("sort_by=%2Bemail").ids(); len(after) != 21 || !cmp.Equal(after[:19], before[:19]) {
		t.Errorf("%d users, the first nineteen are the same: %v", len(after), cmp.Equal(after[:19], before[:19]))
	}
}

// TestMutationsAreRepeatable holds that a rehearsal is the same the second time.
func TestMutationsAreRepeatable(t *testing.T) {
	play := func() []listedUser {
		c := rehearse(t, Step{Endpoint: KindList, Do: DoInsert, Where: Before, Users: 3}, Step{Endpoint: KindList, Do: DoDelete, Where: After},
			Step{Endpoint: KindModel, Do: DoMove, Where: Before}, Step{Endpoint: KindList, Do: DoChange})
		c.page("limit=10&continuation_token=30&sort_by=%2Bemail")
		c.get("user/x/user_model")
		return c.page("limit=100&sort_by=%2Bemail").Users
	}
	if diff := cmp.Diff(play(), play()); diff != "" {
		t.Error(diff)
	}
}

func TestFreddyDrift(t *testing.T) {
	for _, tt := range []struct {
		do, where string
		grows     int
	}{{DoInsert, Before, 2}, {DoInsert, After, 2}, {DoDelete, Before, -2}, {DoDelete, After, -2}, {DoMove, After, 0}, {DoMove, Before, 0}, {DoChange, "", 0}} {
		t.Run(tt.do+" "+tt.where, func(t *testing.T) {
			c := rehearse(t, Step{Endpoint: KindFreddyList, At: []int{2}, Do: tt.do, Where: tt.where, Users: 2})
			was := c.thin("limit=100")
			c.thin("limit=10&skip=40")
			is := append(c.thin("limit=100"), c.thin("limit=100&skip=100")...)
			if same := reflect.DeepEqual(is, was); len(is)-len(was) != tt.grows || same {
				t.Errorf("%d users have become %d, the same ones: %v", len(was), len(is), same)
			}
			var deleted []fields
			c.decode(c.freddy(http.MethodGet, "user/deleted", ""), &deleted)
			if want := max(0, -tt.grows); len(deleted) != want {
				t.Errorf("%d users are said to be deleted, want %d", len(deleted), want)
			}
			for _, u := range deleted {
				if w := c.freddy(http.MethodGet, "user/"+textOf(t, u["id"]), ""); w.Code != http.StatusNotFound {
					t.Errorf("a deleted user's profile: %d", w.Code)
				}
			}
		})
	}
}

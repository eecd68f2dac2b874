package doctor

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/load/publish"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is a made-up Amigo: what each path answers, which a test changes.
type api struct {
	status map[string]int    // by the end of the path; 200 where nothing is said
	body   map[string]string // the same
	header http.Header
	hang   string // a path that is never answered
}

const user = `{"user_id":"u%d","org_id":"acme","email":"CANARY-%d@example.com","first_name":"CANARY","last_name":"CANARY","preferences":{},"role":"r1"}`

func newAPI() *api {
	return &api{status: map[string]int{}, header: http.Header{}, body: map[string]string{
		"/signin_with_api_key": `{"id_token":"a.CANARY.c","expires_at":"2099-01-01T00:00:00Z"}`,
		"/user/":               fmt.Sprintf(`{"users":[`+user+`,`+user+`],"has_more":true,"continuation_token":2}`, 1, 1, 2, 2),
		"/user_model":          `{"user_models":[],"additional_context":[]}`,
		"/role/":               `{"roles":[{"_id":"r1","name":"x"}],"has_more":false}`,
		"/sql_query":           `{"data":[]}`,
	}}
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for end, body := range a.body {
		if !strings.HasSuffix(r.URL.Path, end) {
			continue
		}
		if a.hang == end {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		for name, values := range a.header {
			w.Header()[name] = values
		}
		if status := a.status[end]; status != 0 {
			w.WriteHeader(status)
		}
		_, _ = fmt.Fprint(w, body)
		return
	}
	w.WriteHeader(http.StatusTeapot)
}

// configured is a configuration for the API, with what else the environment says.
func configured(t *testing.T, url string, env ...string) *config.Config {
	t.Helper()
	vars := map[string]string{"AMIGO_API_KEY": "CANARY-key", "AMIGO_API_KEY_ID": "id", "AMIGO_USER_ID": "service", "AMIGO_ORGANIZATION_ID": "acme",
		"AMIGO_BASE_URL": url, "ROLLCALL_WAREHOUSE": filepath.Join(t.TempDir(), "w")}
	for i := 0; i < len(env); i += 2 {
		vars[env[i]] = env[i+1]
	}
	t.Chdir(t.TempDir())
	c, err := config.Load(pflag.NewFlagSet("", pflag.ContinueOnError), func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func examine(t *testing.T, a *api, env ...string) *Report {
	t.Helper()
	server := httptest.NewServer(a)
	defer server.Close()
	e := newExamination(configured(t, server.URL, env...), time.Now)
	e.patience = 3 * time.Second
	if a.hang != "" {
		e.patience = 100 * time.Millisecond
	}
	report := e.run(t.Context())
	for _, c := range report.Checks {
		if text := fmt.Sprint(c); strings.Contains(text, "CANARY") || c.Check == "" || c.Found == "" {
			t.Errorf("printed %s", text)
		}
	}
	return report
}

func find(t *testing.T, r *Report, check string) Result {
	t.Helper()
	for _, c := range r.Checks {
		if c.Check == check {
			return c
		}
	}
	t.Fatalf("no check %q in %v", check, r.Checks)
	return Result{}
}

func token(claims string) string {
	return "x." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".CANARY"
}

// Each trouble is found by its check, with what mends it; where there is none, nothing is.
func TestExamine(t *testing.T) {
	for name, tt := range map[string]struct {
		trouble func(*api)
		env     []string
		check   string
		status  Status
		found   string
		mend    string
	}{
		"well":               {check: "list", status: OK, found: "granted"},
		"well: models":       {check: "models", status: OK, found: "granted"},
		"well: roles":        {check: "roles", status: OK, found: "granted, 1 of them"},
		"well: columns":      {check: "columns", status: OK, found: "_id is NULL; region_name is NULL; updated_at is when a run first saw the user so", mend: "sql_columns: auto"},
		"well: paging":       {check: "paging", status: OK, found: "token"},
		"well: clock":        {check: "clock", status: OK, found: "within 30s"},
		"well: sign-in":      {check: "sign-in", status: OK, found: "as service; the token is good for"},
		"key refused":        {trouble: status("/signin_with_api_key", 401), check: "sign-in", status: Fail, found: "refused (HTTP 401)", mend: "check the key"},
		"wrong region":       {trouble: status("/signin_with_api_key", 404), check: "sign-in", status: Fail, found: "is not known at", mend: "https://api-eu-central-1.amigo.ai"},
		"list forbidden":     {trouble: status("/user/", 403), check: "list", status: Fail, found: "no permission", mend: "ask an administrator"},
		"list empty":         {trouble: body("/user/", `{"users":[],"has_more":false,"continuation_token":null}`), check: "list", status: Warn, found: "empty", mend: "User:GetUserInfo"},
		"empty: columns":     {trouble: body("/user/", `{"users":[],"has_more":false,"continuation_token":null}`), check: "columns", status: Skip, found: "no user"},
		"html":               {trouble: body("/user/", `<html>CANARY`), check: "list", status: Fail, found: "not JSON", mend: "perhaps not the API"},
		"silence":            {trouble: func(a *api) { a.hang = "/user/" }, check: "list", status: Fail, found: "no answer within 100ms", mend: "proxy"},
		"models forbidden":   {trouble: status("/user_model", 403), check: "models", status: Warn, found: "not granted for 2 of 2", mend: "User:GetUserModel"},
		"forbidden: columns": {trouble: status("/user_model", 403), check: "columns", status: OK, found: "user_models is NULL without the models", mend: "sql_columns"},
		"models not wanted":  {env: []string{"ROLLCALL_MODELS", "none"}, check: "models", status: Skip, found: "models: none"},
		"roles forbidden":    {trouble: status("/role/", 403), check: "roles", status: Warn, found: "not granted", mend: "roles"},
		"no roles: columns":  {trouble: status("/role/", 403), check: "columns", status: OK, found: "role_name", mend: "sql_columns"},
		"offset": {trouble: body("/user/", `{"users":[],"has_more":false}`), env: []string{"ROLLCALL_PAGING", "token"}, check: "paging", status: Warn,
			found: "offset, and the configuration says token", mend: "paging: auto"},
		"sql":                     {env: []string{"ROLLCALL_SQL_COLUMNS", "auto"}, trouble: status("/sql_query", 403), check: "sql", status: Warn, found: "refuses the query", mend: "privileges"},
		"sql needed":              {env: []string{"ROLLCALL_SQL_COLUMNS", "on"}, trouble: status("/sql_query", 403), check: "sql", status: Fail, found: "refuses the query", mend: "privileges"},
		"clock behind":            {trouble: dated(time.Hour), check: "clock", status: Warn, found: "behind the API's", mend: "NTP"},
		"clock ahead":             {trouble: dated(-time.Hour), check: "clock", status: Warn, found: "ahead of the API's", mend: "NTP"},
		"limits":                  {trouble: limits("60", "59"), check: "rate limit", status: OK, found: "list 59 of 60 left"},
		"limits passed":           {trouble: limits("60", "59"), env: []string{"ROLLCALL_RPM", "100"}, check: "rate limit", status: Warn, found: "--rpm 100 is more than list", mend: "rpm: auto"},
		"limits lie":              {trouble: limits("CANARY", "-3"), check: "rate limit", status: OK, found: "say nothing"},
		"nothing to sign in with": {env: []string{"AMIGO_API_KEY", ""}, check: "credentials", status: Fail, found: "no credentials", mend: "AMIGO_TOKEN"},
		"token":                   {env: []string{"AMIGO_TOKEN", token(`{"sub":"me","exp":4000000000}`)}, check: "credentials", status: OK, found: "of me; it expires at 2096"},
		"token expired":           {env: []string{"AMIGO_TOKEN", token(`{"sub":"me","exp":1000000000}`)}, check: "credentials", status: Fail, found: "it expired at 2001", mend: "AMIGO_API_KEY"},
		"token of no known end":   {env: []string{"AMIGO_TOKEN", "CANARY"}, check: "credentials", status: Warn, found: "does not say until when", mend: "AMIGO_API_KEY"},
		"region":                  {check: "region", status: OK, found: "none of Amigo's regions"},
		"publish":                 {check: "publish", status: Skip, found: "nowhere"},
		"notify":                  {check: "notify", status: Skip, found: "nobody is told", mend: "notify.webhook"},
		"told":                    {env: []string{"ROLLCALL_NOTIFY_WEBHOOK", "https://hooks.example.com/CANARY"}, check: "notify", status: OK, found: "webhook; nothing was sent"},
		"journal":                 {env: []string{"ROLLCALL_JOURNAL", "off"}, check: "journal", status: OK, found: "off"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI()
			if tt.trouble != nil {
				tt.trouble(a)
			}
			report := examine(t, a, tt.env...)
			got := find(t, report, tt.check)
			if got.Status != tt.status || !strings.Contains(got.Found, tt.found) || (tt.mend == "") != (got.Mend == "") || !strings.Contains(got.Mend, tt.mend) {
				t.Errorf("got %+v", got)
			}
			if (report.Err() == nil) != (tt.status != Fail) || report.Status == Fail != (tt.status == Fail) {
				t.Errorf("status %s, error %v", report.Status, report.Err())
			}
		})
	}
}

func TestLake(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "rollcall-lake")
	for name, tt := range map[string]struct {
		script      string
		status      Status
		found, mend string
	}{
		"well":    {`[ "$*" = "status --warehouse $WAREHOUSE" ] && [ "$ROLLCALL_LAKE_TOKEN" = CANARY-lake ] && [ -z "$ROLLCALL_WAREHOUSE" ]`, OK, "s3://acme answers", ""},
		"empty":   {"exit 10", OK, "s3://acme has no version yet", ""},
		"refused": {"echo error: not with CANARY-lake >&2; echo hint: another token >&2; exit 12", Fail, "not with **redacted**", "another token"},
		"hangs":   {"exec sleep 600", Fail, "no answer within", "network"},
		"missing": {"", Fail, "cannot be run: no such file", "lake.command"},
	} {
		c := configured(t, "http://127.0.0.1:1", "ROLLCALL_LAKE_CATALOG", "rest", "ROLLCALL_LAKE_URI", "https://catalog.example.com", "ROLLCALL_LAKE_LOCATION", "s3://acme",
			"ROLLCALL_LAKE_TOKEN", "CANARY-lake", "ROLLCALL_LAKE_COMMAND", program)
		t.Setenv("WAREHOUSE", c.Warehouse)
		err := os.Remove(program)
		if tt.script != "" {
			err = os.WriteFile(program, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o700)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		e := newExamination(c, time.Now)
		if name == "hangs" {
			e.patience = 100 * time.Millisecond
		}
		e.lake(t.Context())
		if got := find(t, &e.report, "lake"); got.Status != tt.status || !strings.Contains(got.Found, tt.found) || (tt.mend == "") != (got.Mend == "") || !strings.Contains(got.Mend, tt.mend) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := find(t, examine(t, newAPI()), "lake"); got.Status != Skip {
		t.Errorf("without one: %+v", got)
	}
}

func status(path string, code int) func(*api) { return func(a *api) { a.status[path] = code } }

func body(path, text string) func(*api) { return func(a *api) { a.body[path] = text } }

func dated(later time.Duration) func(*api) {
	return func(a *api) { a.header.Set("Date", time.Now().Add(later).UTC().Format(http.TimeFormat)) }
}

func limits(limit, left string) func(*api) {
	return func(a *api) {
		a.header.Set("X-RateLimit-Limit", limit)
		a.header.Set("X-RateLimit-Remaining", left)
	}
}

// One user's model may be that user's own secret: the next one's tells whether there is a permission at all.
func TestASecondUserIsAskedFor(t *testing.T) {
	a := newAPI()
	a.body["/u1/user_model"], a.status["/u1/user_model"] = "", 403
	delete(a.body, "/user_model")
	a.body["/u2/user_model"] = `{"user_models":[],"additional_context":[]}`
	if got := find(t, examine(t, a), "models"); got.Status != OK || !strings.Contains(got.Found, "1 of the 2 users") {
		t.Errorf("got %+v", got)
	}
}

// A set-up that is well costs four requests, and a refusal is told apart from other failures.
func TestRequestsAndRefusals(t *testing.T) {
	if r := examine(t, newAPI()); r.Requests != 4 || r.Err() != nil || r.Status != OK {
		t.Errorf("%d requests, %s, %v", r.Requests, r.Status, r.Err())
	}
	a := newAPI()
	a.status["/signin_with_api_key"] = 401
	var refused *extract.RefusedError
	r := examine(t, a)
	if err := r.Err(); !errors.As(err, &refused) || err.Error() != "a check failed: sign-in acme" || r.Requests != 1 {
		t.Errorf("%v after %d requests", r.Err(), r.Requests)
	}
	a = newAPI()
	a.status["/user/"] = 500
	if err := examine(t, a).Err(); err == nil || errors.As(err, &refused) {
		t.Errorf("a fault: %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Examine(ctx, configured(t, "http://127.0.0.1:1"), time.Now); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWarehouse(t *testing.T) {
	c := configured(t, "http://127.0.0.1:1")
	wh := publish.Open(c.Warehouse)
	look := func(check string) Result {
		t.Helper()
		e := newExamination(c, time.Now)
		e.disk(wh)
		e.modes(wh)
		e.lock(wh)
		return find(t, &e.report, check)
	}
	if got := look("file modes"); got.Status != Skip {
		t.Errorf("no warehouse yet: %+v", got)
	}
	lock, err := wh.Lock("sync", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := look("lock"); got.Status != OK || !strings.Contains(got.Found, fmt.Sprintf("sync, process %d", os.Getpid())) {
		t.Errorf("held: %+v", got)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if got := look("lock"); got.Found != "free" {
		t.Errorf("free: %+v", got)
	}
	if got := look("file modes"); got.Status != OK {
		t.Errorf("its own modes: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(c.Warehouse, "lock"), []byte(`{"pid":7,"host":"elsewhere","boot":"another","command":"sync","since":"2026-01-02T02:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := look("lock"); got.Status != Warn || !strings.Contains(got.Mend, "--break-lock") {
		t.Errorf("held elsewhere: %+v", got)
	}
	open := filepath.Join(c.Warehouse, "open")
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := look("file modes"); got.Status != Fail || !strings.Contains(got.Found, open+" has mode 0644") || !strings.Contains(got.Mend, "chmod") {
		t.Errorf("an open file: %+v", got)
	}
	if got := look("disk"); got.Status != OK || !strings.Contains(got.Found, "GB free") {
		t.Errorf("disk: %+v", got)
	}
}

func TestConfigurationFile(t *testing.T) {
	dir := t.TempDir()
	file, key := filepath.Join(dir, "rollcall.yaml"), filepath.Join(dir, "key")
	if err := errors.Join(os.WriteFile(file, []byte("org: acme\namigo_api_key: file:key\n"), 0o600), os.WriteFile(key, []byte("CANARY\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	c := configured(t, "http://127.0.0.1:1", "ROLLCALL_CONFIG", file, "AMIGO_API_KEY", "")
	for _, tt := range []struct {
		of     string
		mode   os.FileMode
		check  string
		status Status
	}{
		{file, 0o600, "config", OK}, {file, 0o640, "config", OK}, {file, 0o644, "config", Warn}, {file, 0o660, "config", Fail}, {key, 0o644, "secret file", Fail},
	} {
		if err := os.Chmod(tt.of, tt.mode); err != nil {
			t.Fatal(err)
		}
		e := newExamination(c, time.Now)
		e.file()
		if got := find(t, &e.report, tt.check); got.Status != tt.status || (tt.status == OK) != (got.Mend == "") {
			t.Errorf("%s with mode %o: %+v", tt.of, tt.mode, got)
		}
	}
}

package status

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/daemon"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
)

var update = flag.Bool("update", false, "take the screenshots anew")

func TestMain(m *testing.M) {
	if code, is := Worker(); is {
		os.Exit(code)
	}
	flag.Parse()
	dir, err := os.MkdirTemp("", "rollcall-status-test-")
	if err != nil {
		panic(err)
	}
	scratch = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// scratch holds the warehouse that the tests share, and only read.
var scratch string

const (
	nights = 13
	users  = 300
	token  = "CANARY-token-of-the-tests"
)

// firstNight is when the shared warehouse begins.
var firstNight = time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC)

// warehouse is one with a history: users come, change and go every night, preferences that are not documented are quarantined, and in the last
// night nothing changes.
var warehouse = sync.OnceValues(func() (string, error) {
	steps := []sandbox.Step{}
	for n := 2; n < nights-1; n++ {
		steps = append(steps,
			sandbox.Step{Endpoint: sandbox.KindSignIn, At: []int{n}, Do: sandbox.DoChange, Users: 3 + n*5%7},
			sandbox.Step{Endpoint: sandbox.KindSignIn, At: []int{n}, Do: sandbox.DoInsert, Users: 1 + n*3%5, Where: sandbox.Before},
			sandbox.Step{Endpoint: sandbox.KindSignIn, At: []int{n}, Do: sandbox.DoDelete, Users: 1 + n%2, Where: sandbox.After})
	}
	s, err := sandbox.New(sandbox.Options{Users: users, Scenario: &sandbox.Scenario{Steps: steps}})
	if err != nil {
		return "", err
	}
	api := httptest.NewServer(odd(s))
	defer api.Close()
	c := config.Default()
	c.Warehouse, c.BaseURL, c.Orgs, c.RPM = filepath.Join(scratch, "warehouse"), api.URL, []string{s.Org()}, extract.RPMNone
	c.KeepVersions, c.SchemaColumns = nights, "quarantine"
	c.AmigoAPIKey, c.AmigoAPIKeyID, c.AmigoUserID = config.Given(extract.Secret(s.APIKey())), config.Given(extract.Secret(s.APIKeyID())), config.Given(extract.Secret(s.UserID()))
	for n := range nights {
		if n == nights-1 { // models that can have changed are asked for again, which publishes them
			c.Models = "none"
		}
		if err := night(c, n); err != nil {
			return "", errors.Join(err, s.Close())
		}
	}
	return c.Warehouse, s.Close()
})

// odd serves the sandbox's users, some of whom have, from the second night on, a preference that is named after a person.
func odd(s *sandbox.Sandbox) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		if s.Requests(sandbox.KindSignIn) > 1 {
			body = bytes.ReplaceAll(body, []byte(`"theme":"dark"`), []byte(`"theme":"dark","CANARY-person@example.com":"CANARY-value"`))
		}
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	})
}

// night is a run, with its log kept as the daemon does it.
func night(c *config.Config, n int) error {
	began := time.Now()
	var said bytes.Buffer
	s, err := pipeline.Run(context.Background(), pipeline.Options{Config: c, Command: pipeline.Sync, Log: zerolog.New(&said).Level(zerolog.InfoLevel).With().Timestamp().Logger(),
		Now: func() time.Time { return firstNight.AddDate(0, 0, n).Add(time.Since(began)) }})
	if err != nil {
		return fmt.Errorf("night %d: %w", n, err)
	}
	return os.WriteFile(daemon.LogPath(publish.Open(c.Warehouse), s.RunID), said.Bytes(), 0o600)
}

func history(t *testing.T) string {
	t.Helper()
	dir, err := warehouse()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// site is a page being served.
type site struct {
	*httptest.Server
	page *Page
	log  *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func serve(t *testing.T, o Options) *site {
	t.Helper()
	s := &site{log: &lockedBuffer{}}
	o.Log = zerolog.New(s.log)
	if o.Now == nil {
		o.Now = func() time.Time { return firstNight.AddDate(0, 0, nights-1).Add(8 * time.Hour) }
	}
	page, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.page, s.Server = page, httptest.NewServer(page)
	t.Cleanup(func() {
		s.Close()
		if err := page.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// reply is an answer, read.
type reply struct {
	*http.Response
	Body string
}

// do sends a request that follows no redirect. The changes may set headers.
func (s *site) do(t *testing.T, method, path string, form url.Values, changes ...func(*http.Request)) reply {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, change := range changes {
		change(r)
	}
	answer, err := s.Client().Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return reply{answer, string(raw)}
}

func (s *site) get(t *testing.T, path string) reply {
	t.Helper()
	return s.do(t, http.MethodGet, path, nil)
}

func bearing(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// ask has the SQL box run a statement.
func (s *site) ask(t *testing.T, sql, format string) reply {
	t.Helper()
	return s.do(t, http.MethodPost, "/sql", url.Values{"sql": {sql}, "format": {format}}, bearing(token))
}

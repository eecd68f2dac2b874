package freddy

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/extract"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers over HTTP, and notes every request as "METHOD uri body".
type server struct {
	answer func(r *http.Request, body string) (status int, answer string)

	mu  sync.Mutex
	log []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	s.log = append(s.log, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(b)))
	s.mu.Unlock()
	status, body := s.answer(r, string(b))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// requests is what was asked so far.
func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// count is how many requests began with prefix.
func (s *server) count(prefix string) int {
	n := 0
	for _, line := range s.requests() {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func always(status int, body string) *server {
	return &server{answer: func(*http.Request, string) (int, string) { return status, body }}
}

func newClient(t testing.TB, o extract.Options) *extract.Client {
	t.Helper()
	o.RPM = extract.RPMNone
	o.Retry.Attempts = 3
	o.Retry.Jitter = func(time.Duration) time.Duration { return 0 }
	c, err := extract.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newSource(t testing.TB, s *server, o Options) *Source {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return New(newClient(t, extract.Options{BaseURL: srv.URL}), o)
}

// golden compares with a file under testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// object is a JSON object by name.
func object(t testing.TB, raw []byte) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return m
}

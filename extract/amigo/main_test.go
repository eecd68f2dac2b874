package amigo

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/extract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const org = "acme-health"

// server answers in memory, and notes every request as "METHOD uri".
type server struct {
	mu     sync.Mutex
	log    []string
	answer func(r *http.Request) (status int, body string)
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.log = append(s.log, r.Method+" "+r.URL.RequestURI())
	s.mu.Unlock()
	status, body := s.answer(r)
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: r}, nil
}

// count is how many requests had part in their line.
func (s *server) count(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, line := range s.log {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// always answers every request alike.
func always(status int, body string) *server {
	return &server{answer: func(*http.Request) (int, string) { return status, body }}
}

func newClient(t *testing.T, o extract.Options) *extract.Client {
	t.Helper()
	if o.BaseURL == "" {
		o.BaseURL = "http://127.0.0.1:9"
	}
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

func newSource(t *testing.T, s *server, o Options) *Source {
	t.Helper()
	o.Org = org
	return New(newClient(t, extract.Options{Transport: s}), o)
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

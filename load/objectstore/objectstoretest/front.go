package objectstoretest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The credentials that the servers take.
const (
	AccessKey = "test-access-key"
	SecretKey = "test-secret-key"
)

// Bucket is the bucket that is there.
const Bucket = "warehouse"

// Front stands before a server.
type Front struct {
	URL string // endpoint, path style

	next      http.Handler
	mu        sync.Mutex
	requests  []string
	intercept func(next http.Handler, w http.ResponseWriter, r *http.Request)
}

// Environment is what gives a process credentials for the servers, and nothing of the machine's own.
func Environment() map[string]string {
	return map[string]string{ //nolint:gosec // of servers that end with the test
		"AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey, "AWS_SESSION_TOKEN": "", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
	}
}

// start serves until the test ends, whose environment has the credentials.
func (f *Front) start(t testing.TB) {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.URL = s.URL
	for name, value := range Environment() {
		t.Setenv(name, value)
	}
}

// Intercept lets a function answer requests from now on, or pass them on; nil ends it. It is called from several goroutines.
func (f *Front) Intercept(do func(next http.Handler, w http.ResponseWriter, r *http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.intercept = do
}

// Requests are the requests since it was called last: method and path with the bucket, of parts of objects with their number, as PUT /b/k#1.
func (f *Front) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.requests
	f.requests = nil
	return out
}

// Sent are the objects and parts among requests that were sent, sorted.
func Sent(requests []string) []string {
	var out []string
	for _, r := range requests {
		if key, ok := strings.CutPrefix(r, "PUT /"+Bucket+"/"); ok {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Method + " " + r.URL.Path
	if n := r.URL.Query().Get("partNumber"); n != "" {
		name += "#" + n
	}
	f.mu.Lock()
	f.requests = append(f.requests, name)
	do := f.intercept
	f.mu.Unlock()
	if do == nil {
		f.next.ServeHTTP(w, r)
		return
	}
	do(f.next, w, r)
}

// Cut ends a connection without an answer.
func Cut() { panic(http.ErrAbortHandler) }

// Lose has a request carried out and loses the answer.
func Lose(next http.Handler, r *http.Request) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	Cut()
}

package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/schedule"
)

func everyMinute(t *testing.T) *schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse("* * * * *", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHealth(t *testing.T) {
	for _, tt := range []struct {
		name    string
		within  time.Duration
		age     time.Duration // of the last certified run; negative: there is none
		err     error
		hung    bool
		healthy bool
		reason  string
	}{
		{"well", 36 * time.Hour, 25 * time.Hour, nil, false, true, ""},
		{"old", 36 * time.Hour, 37 * time.Hour, nil, false, false, "the last certified run is 37h0m0s old, and schedule.healthy_within is 36h0m0s"},
		{"old, and nobody minds", 0, 1000 * time.Hour, nil, false, true, ""},
		{"never", 36 * time.Hour, -1, nil, false, false, "no certified run is on record"},
		{"never, and nobody minds", 0, -1, nil, false, true, ""},
		{"a loop that hangs", 0, 0, nil, true, false, "the loop that begins runs does not go round"},
		{"records that cannot be read", 0, 0, errors.New("CANARY"), false, false, "the records of the warehouse cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := New(Options{Schedule: everyMinute(t), Log: zerolog.Nop()})
				last := time.Now().Add(-tt.age)
				if tt.age < 0 {
					last = time.Time{}
				}
				if tt.hung {
					time.Sleep(heartbeat)
				}
				w := httptest.NewRecorder()
				d.HealthHandler(tt.within, func() (time.Time, error) { return last, tt.err }).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody))
				var got Health
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
				want := http.StatusServiceUnavailable
				if tt.healthy {
					want = http.StatusOK
				}
				if w.Code != want || got.Healthy != tt.healthy || got.Reason != tt.reason || strings.Contains(w.Body.String(), "CANARY") || w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%d: %s", w.Code, w.Body)
				}
				if tt.err == nil && (got.LastCertified == nil) != (tt.age < 0) || got.AgeSeconds != nil && *got.AgeSeconds < tt.age.Seconds() {
					t.Errorf("%s", w.Body)
				}
			})
		})
	}
}

func TestServe(t *testing.T) {
	s, err := Serve(t.Context(), "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "here")
	}), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + s.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil || string(body) != "here" {
		t.Errorf("%q, %v", body, err)
	}

	// A header without an end is not waited for, nor one that never stops.
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 2*maxRequests)+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "431") {
		t.Errorf("%q, %v", line, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}

	if _, err := Serve(t.Context(), s.Addr().String(), http.NotFoundHandler(), zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "listen on "+s.Addr().String()) {
		t.Errorf("twice: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := client.Get("http://" + s.Addr().String() + "/"); err == nil {
		t.Error("it serves on")
	}
}

package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/engine"
)

// fakeTrino answers as Trino's REST API is documented (https://trino.io/docs/current/develop/client-protocol.html).
type fakeTrino struct {
	*httptest.Server

	lock     sync.Mutex
	asked    []string
	headers  http.Header
	ended    chan string // ids of queries that were cancelled
	answer   func(sql string) (status int, document map[string]any)
	waitsFor chan struct{} // a query does not end before it is closed; nil: it ends
}

func newTrino(t *testing.T, answer func(string) (int, map[string]any)) *fakeTrino {
	t.Helper()
	f := &fakeTrino{ended: make(chan string, 10), answer: answer}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/statement", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		f.lock.Lock()
		f.asked, f.headers = append(f.asked, string(raw)), r.Header
		id := fmt.Sprintf("q%d", len(f.asked))
		f.lock.Unlock()
		status, document := f.answer(string(raw))
		if status != http.StatusOK {
			http.Error(w, fmt.Sprint(document["message"]), status)
			return
		}
		if document == nil {
			document = map[string]any{"nextUri": f.URL + "/next/" + id, "stats": stats("QUEUED", 0)}
		}
		document["id"] = id
		reply(w, document)
	})
	mux.HandleFunc("GET /next/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		reply(w, map[string]any{"id": id, "nextUri": f.URL + "/last/" + id, "stats": stats("RUNNING", 37.5)})
	})
	mux.HandleFunc("GET /last/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if f.waitsFor != nil {
			select {
			case <-f.waitsFor:
			case <-r.Context().Done():
				return
			}
		}
		f.lock.Lock()
		sql := f.asked[len(f.asked)-1]
		f.lock.Unlock()
		document := map[string]any{"id": id, "stats": stats("FINISHED", 100), "updateType": "CREATE TABLE", "updateCount": 3}
		if strings.HasPrefix(sql, "SELECT COUNT(*)") {
			document = map[string]any{"id": id, "stats": stats("FINISHED", 100), "data": [][]any{{17}}, "columns": []any{map[string]any{
				"name": "_col0", "type": "bigint", "typeSignature": map[string]any{"rawType": "bigint", "arguments": []any{}},
			}}}
		}
		reply(w, document)
	})
	mux.HandleFunc("DELETE /", func(w http.ResponseWriter, r *http.Request) {
		f.ended <- r.URL.Path
		w.WriteHeader(http.StatusNoContent)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func reply(w http.ResponseWriter, document map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}

func stats(state string, percent float64) map[string]any {
	return map[string]any{"state": state, "progressPercentage": percent, "completedSplits": 3, "totalSplits": 8, "processedRows": 200}
}

func goesOn(string) (int, map[string]any) { return http.StatusOK, nil }

func says(name, message string) func(string) (int, map[string]any) {
	return func(string) (int, map[string]any) {
		return http.StatusOK, map[string]any{"stats": stats("FAILED", 0), "error": map[string]any{"message": message, "errorName": name, "errorType": "USER_ERROR", "errorCode": 1}}
	}
}

func trinoAt(url string) engine.TrinoSettings {
	return engine.TrinoSettings{URL: url, User: "night", Catalog: "lake", Patience: 200 * time.Millisecond, Every: time.Millisecond}
}

// told keeps what hooks are told.
type told struct {
	lock     sync.Mutex
	begun    []string
	progress []engine.Progress
	done     []engine.Outcome
	said     []string
}

func (s *told) hooks() engine.Hooks {
	keep := func(f func()) { s.lock.Lock(); defer s.lock.Unlock(); f() }
	return engine.Hooks{
		Begun:    func(x engine.Statement) { keep(func() { s.begun = append(s.begun, x.Name) }) },
		Progress: func(_ engine.Statement, p engine.Progress) { keep(func() { s.progress = append(s.progress, p) }) },
		Done:     func(_ engine.Statement, o engine.Outcome) { keep(func() { s.done = append(s.done, o) }) },
		Said:     func(line string) { keep(func() { s.said = append(s.said, line) }) },
	}
}

func run(ctx context.Context, t *testing.T, s engine.TrinoSettings, tell *told) error {
	t.Helper()
	e, err := engine.NewTrino(s)
	if err != nil {
		t.Fatal(err)
	}
	j, _ := engine.Find("history")
	statements, err := j.Statements(engine.Trino, input)
	if err != nil {
		t.Fatal(err)
	}
	return e.Run(ctx, statements, tell.hooks())
}

func TestTrinoRunsAJob(t *testing.T) {
	f := newTrino(t, goesOn)
	var tell told
	if err := run(t.Context(), t, trinoAt(f.URL), &tell); err != nil {
		t.Fatal(err)
	}
	if len(f.asked) != 3 || !strings.HasPrefix(f.asked[0], "CREATE TABLE IF NOT EXISTS ") || !strings.HasPrefix(f.asked[1], "MERGE INTO ") {
		t.Errorf("asked %d times: %.60q", len(f.asked), f.asked)
	}
	if f.asked[2] != `SELECT COUNT(*) FROM "lake"."org.users"."lake_history"` {
		t.Errorf("asked for %s", f.asked[2])
	}
	if f.headers.Get("X-Trino-User") != "night" || f.headers.Get("X-Trino-Source") != "rollcall-lake" || f.headers.Get("X-Trino-Catalog") != "lake" {
		t.Errorf("headers %v", f.headers)
	}
	if len(tell.done) != 2 || tell.done[0].Rows != -1 || tell.done[1].Rows != 17 {
		t.Errorf("done %v", tell.done)
	}
	if len(tell.progress) == 0 || tell.progress[0].Percent != 37.5 || tell.progress[0].Done != 3 || tell.progress[0].Total != 8 || tell.progress[0].Rows != 200 {
		t.Errorf("progress %v", tell.progress)
	}
}

func TestWhatTrinoRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		answer  func(string) (int, map[string]any)
		refused bool
		says    string
		hint    string
	}{
		"a statement fails":   {says("GENERIC_INTERNAL_ERROR", "no room left"), false, "GENERIC_INTERNAL_ERROR: no room left", "run the job again"},
		"no such catalog":     {says("CATALOG_NOT_FOUND", "Catalog 'lake' not found"), false, "Catalog 'lake' not found", "--trino-catalog"},
		"permission":          {says("PERMISSION_DENIED", "Access Denied"), true, "Access Denied", "must be allowed"},
		"a password is wrong": {func(string) (int, map[string]any) { return http.StatusUnauthorized, nil }, true, "401", "ROLLCALL_LAKE_TRINO_PASSWORD"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), t, trinoAt(newTrino(t, c.answer).URL), &told{})
			var hinted interface{ Hints() []string }
			if err == nil || !errors.As(err, &hinted) || !strings.Contains(err.Error(), c.says) || !strings.Contains(strings.Join(hinted.Hints(), " "), c.hint) {
				t.Fatalf("%v", err)
			}
			if refused := new(engine.RefusedError); errors.As(err, &refused) != c.refused {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

func TestTrinoIsNotThere(t *testing.T) {
	f := newTrino(t, goesOn)
	f.Close()
	err := run(t.Context(), t, trinoAt(f.URL), &told{})
	if away := new(engine.UnreachableError); !errors.As(err, &away) {
		t.Errorf("%T: %v", err, err)
	}
}

func TestATimeoutCancelsTheQuery(t *testing.T) {
	f := newTrino(t, goesOn)
	f.waitsFor = make(chan struct{})
	defer close(f.waitsFor)
	why := errors.New("took too long")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, why)
	defer cancel()
	if err := run(ctx, t, trinoAt(f.URL), &told{}); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	select {
	case id := <-f.ended:
		if !strings.Contains(id, "q1") {
			t.Errorf("cancelled %s", id)
		}
	case <-time.After(10 * time.Second):
		t.Error("the query was not cancelled")
	}
}

func TestTrinosSettings(t *testing.T) {
	for _, s := range []engine.TrinoSettings{
		{User: "u", Catalog: "c"},
		{URL: "ftp://x", User: "u", Catalog: "c"},
		{URL: "http://u:p@x", User: "u", Catalog: "c"},
		{URL: "http://x", Catalog: "c"},
		{URL: "http://x", User: "u"},
		{URL: "http://x", User: "u", Catalog: "c", Password: "CANARY"},
		{URL: "http://x", User: "u", Catalog: "c", Token: "CANARY"},
	} {
		_, err := engine.NewTrino(s)
		if wrong := new(catalog.SettingError); !errors.As(err, &wrong) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

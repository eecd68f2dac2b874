package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/extract/sandbox"
)

// TestStatusIsServedUntilItIsInterrupted: to this machine, with a token that opens the SQL box, which the address does not hold.
func TestStatusIsServedUntilItIsInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	out, messages := &collector{written: make(chan struct{}, 1)}, &collector{written: make(chan struct{}, 1)}
	api, err := sandbox.New(sandbox.Options{Users: 30})
	if err != nil {
		t.Fatal(err)
	}
	at, err := api.Start(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, line := range api.Exports(at) {
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		env[name] = value
	}
	a := &app{stdin: strings.NewReader(""), stdout: cli.Stream{Writer: out}, stderr: cli.Stream{Writer: messages}, env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	if err := errors.Join(a.execute(t.Context(), []string{"sync", "--models", "none"}), api.Close()); err != nil {
		t.Fatal(err)
	}
	out.reset()
	messages.reset()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.execute(ctx, []string{"status", "--open"}) }()
	select {
	case <-messages.written: // the address came before
	case err := <-done:
		t.Fatalf("it did not serve: %v", err)
	}
	address := regexp.MustCompile(`^http://127\.0\.0\.1:\d+/\n$`).FindString(out.String())
	token := regexp.MustCompile(`with the token ([A-Z2-7]{26});`).FindStringSubmatch(messages.String())
	if address == "" || token == nil {
		t.Fatalf("printed %q and %q", out, messages)
	}
	address = strings.TrimSpace(address)
	ask := func(method, path, body, token string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(answer.Body)
		if err != nil || answer.Body.Close() != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(raw)
	}
	if code, page := ask(http.MethodGet, "", "", ""); code != http.StatusOK || !strings.Contains(page, ">Certified</h1>") {
		t.Errorf("%d: %s", code, page)
	}
	query := url.Values{"sql": {"SELECT count(*) FROM users"}, "format": {"csv"}}.Encode()
	if code, rows := ask(http.MethodPost, "sql", query, token[1]); code != http.StatusOK || rows != "count_star()\n30\n" {
		t.Errorf("SQL: %d, %q", code, rows)
	}
	if code, _ := ask(http.MethodPost, "sql", query, "another"); code != http.StatusUnauthorized {
		t.Errorf("with another token: %d", code)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

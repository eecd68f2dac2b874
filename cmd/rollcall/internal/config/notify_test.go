package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/extract"
)

func TestNotificationsReadTheirSecrets(t *testing.T) {
	t.Chdir(t.TempDir())
	hook := write(t, "hook", "https://hooks.example.com/a?b=c\n")
	file := write(t, "rollcall.yaml", `notify: {on: [held, failed], webhook: file:`+hook+`, email: {server: r:25, from: a@example.com, to: [b@example.com], username: u, password: command:printf %s secret}}`)
	c, err := load(t, map[string]string{"ROLLCALL_NOTIFY_PING": "http://127.0.0.1:8080/ping"}, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Notifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	texts := []extract.Secret{got.Webhook, got.Slack, got.Ping, got.Username, got.Password}
	want := []extract.Secret{"https://hooks.example.com/a?b=c", "", "http://127.0.0.1:8080/ping", "u", "secret"}
	for i := range want {
		if texts[i].Reveal() != want[i].Reveal() {
			t.Errorf("secret %d is another than expected", i)
		}
	}
	if d := cmp.Diff([]string{"held", "failed"}, got.On); d != "" || got.Email.TLS != MailStartTLS {
		t.Errorf("%s, %s", d, got.Email.TLS)
	}
}

func TestNotificationsThatCannotBe(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		key, value, want string
	}{
		{"NOTIFY_WEBHOOK", "http://hooks.example.com/CANARY", "$ROLLCALL_NOTIFY_WEBHOOK: must be https: plain http is for this machine only"},
		{"NOTIFY_SLACK", "CANARY", "$ROLLCALL_NOTIFY_SLACK: must be a URL such as https://hooks.example.com/…"},
		{"NOTIFY_PING", "file:///CANARY", "$ROLLCALL_NOTIFY_PING: must be a URL such as https://hooks.example.com/…"},
		{"NOTIFY_PING", "ftp://example.com/CANARY", "$ROLLCALL_NOTIFY_PING: must be https: plain http is for this machine only"},
		{"NOTIFY_PING", "https://%zz/CANARY", "$ROLLCALL_NOTIFY_PING: must be a URL such as https://hooks.example.com/…"},
	} {
		c, err := load(t, map[string]string{"ROLLCALL_" + tt.key: tt.value})
		if err != nil {
			t.Fatal(err)
		}
		var field *FieldError
		if _, err := c.Notifications(t.Context()); !errors.As(err, &field) || err.Error() != tt.want {
			t.Errorf("%s: %v", tt.value, err)
		}
	}
}

func TestWithTheSandboxNobodyOfTheFileIsTold(t *testing.T) {
	t.Chdir(t.TempDir())
	file := write(t, "rollcall.yaml", "metrics_file: m.prom\nnotify: {webhook: file:hook, ping: file:ping, email: {server: r:25, from: a@example.com, to: b@example.com}}\n")
	c, err := load(t, map[string]string{"ROLLCALL_NOTIFY_SLACK": "https://hooks.example.com/s"}, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Notify.Webhook.IsSet() || c.Notify.Email.Server == "" || filepath.Base(c.MetricsFile) != "m.prom" {
		t.Errorf("not set: %+v", c.Notify)
	}
	c.MuteForSandbox()
	if c.Notify.Webhook.IsSet() || c.Notify.Ping.IsSet() || c.Notify.Email.Server != "" || c.MetricsFile != "" || !c.Notify.Slack.IsSet() || c.Origin("notify.ping").Place != FromSandbox {
		t.Errorf("%+v", c.Notify)
	}
}

func TestTimesAreThoseOfTheWarehouse(t *testing.T) {
	t.Chdir(t.TempDir())
	env := map[string]string{"ROLLCALL_SCHEDULE_CRON": "30 2 * * *", "ROLLCALL_SCHEDULE_TIME_ZONE": "Europe/Berlin", "ROLLCALL_SCHEDULE_JITTER": "1h", "ROLLCALL_WAREHOUSE": "/var/lib/rollcall"}
	c, err := load(t, env)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Times()
	if err != nil || s.Shift() <= 0 || s.Shift() > time.Hour {
		t.Fatalf("%s, %v", s, err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if at, want := s.Next(time.Date(2026, 10, 24, 12, 0, 0, 0, berlin)), time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC).Add(s.Shift()); !at.Equal(want) {
		t.Errorf("%s, want %s", at, want)
	}
}

func TestStatusToken(t *testing.T) {
	t.Chdir(t.TempDir())
	for value, want := range map[string]string{"": "", "CANARY-long-enough": "", "CANARY": "must have 16 characters or more"} {
		c, err := load(t, map[string]string{"ROLLCALL_SCHEDULE_SQL_TOKEN": value})
		if err != nil {
			t.Fatal(err)
		}
		token, err := c.StatusToken(t.Context())
		if (err != nil) != (want != "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY")) || err == nil && token.Reveal() != value {
			t.Errorf("%d letters: %v", len(value), err)
		}
	}
}

func TestAddressToListenOn(t *testing.T) {
	for listen, want := range map[string]string{"": "", "off": "", "127.0.0.1:9180": "127.0.0.1:9180"} {
		if got := (Schedule{Listen: listen}).Address(); got != want {
			t.Errorf("%q: %q", listen, got)
		}
	}
	for listen, want := range map[string]bool{"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, ":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false} {
		if got := Loopback(listen); got != want {
			t.Errorf("%s: %t", listen, got)
		}
	}
}

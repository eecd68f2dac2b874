package config

import (
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A draft reads back as what it says, and each line that is a comment, once it is none, as the default that it shows.
func TestDraftReadsBack(t *testing.T) {
	d := Draft{
		"warehouse": {"/var/lib/roll call"}, "source": {"amigo"}, "base_url": {"https://api-eu-central-1.amigo.ai"}, "org": {"acme", "true"},
		"schedule.cron": {"30 2 * * *"}, "schedule.time_zone": {"Local"}, "amigo_api_key": {"command:pass show 'a' && true"}, "amigo_api_key_id": {"id: #1"},
	}
	dir := t.TempDir()
	text := d.YAML()
	got, err := load(t, nil, "--config", write(t, filepath.Join(dir, "rollcall.yaml"), text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	values := func(c *Config) map[string]any {
		out := map[string]any{}
		for _, s := range c.Settings() {
			out[s.Key] = s.Value
		}
		return out
	}
	want := values(Default())
	maps.Copy(want, map[string]any{
		"warehouse": "/var/lib/roll call", "base_url": "https://api-eu-central-1.amigo.ai", "org": []string{"acme", "true"}, "schedule.cron": "30 2 * * *",
		"schedule.time_zone": "Local", "amigo_api_key": "command:**redacted**", "amigo_api_key_id": "id: #1",
	})
	if diff := cmp.Diff(want, values(got)); diff != "" {
		t.Error(diff)
	}
	if got.AmigoAPIKey.command != "pass show 'a' && true" {
		t.Errorf("the command came back as %q", got.AmigoAPIKey.command)
	}
	uncommented := text
	for _, k := range Keys() {
		if k.Name == "publish_path_style" || k.Name == "notify.email.tls" { // they are about something that is not set
			continue
		}
		uncommented = regexp.MustCompile(`(?m)^# (`+regexp.QuoteMeta(k.Name)+`: [^#\n]+)$`).ReplaceAllString(uncommented, "$1")
	}
	all, err := load(t, nil, "--config", write(t, filepath.Join(dir, "all.yaml"), uncommented))
	if err != nil {
		t.Fatalf("%v in\n%s", err, uncommented)
	}
	if diff := cmp.Diff(values(got), values(all)); diff != "" {
		t.Error(diff)
	}
	for _, k := range Keys() {
		if !strings.Contains(text, "\n"+k.Name+":") && !strings.Contains(text, "\n# "+k.Name+":") {
			t.Errorf("there is nothing of %s", k.Name)
		}
	}
	if all.Origin("page_size").Place != FromFile {
		t.Error("no comment was uncommented")
	}
}

func TestDraftChecks(t *testing.T) {
	for name, texts := range map[string][]string{"org": {"a/b"}, "base_url": {"http://api.amigo.ai"}, "source": {"pigeon"}, "warehouse": {"a?b"}, "nothing": {"x"}} {
		if err := (Draft{name: texts}).Check(name); err == nil {
			t.Errorf("%s takes %q", name, texts)
		}
	}
	if err := (Draft{"org": {"a", "b"}}).Check("org"); err != nil {
		t.Error(err)
	}
}

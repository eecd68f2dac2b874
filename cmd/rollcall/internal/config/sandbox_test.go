package config

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/extract"
)

func TestUseSandboxPublishesNowhereUnasked(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, filepath.Join(dir, "rollcall.yaml"), "publish: s3://real-users\n")
	for want, env := range map[string]map[string]string{"": nil, "s3://made-up-users": {"ROLLCALL_PUBLISH": "s3://made-up-users"}} {
		c, err := load(t, env)
		if err != nil {
			t.Fatal(err)
		}
		c.UseSandbox("http://127.0.0.1:1", "acme", Credentials{})
		if got := c.ObjectStorage().URL; got != want {
			t.Errorf("publishes to %q, want %q", got, want)
		}
	}
}

func TestUseSandboxLeavesNothingOfTheRealSource(t *testing.T) {
	t.Chdir(t.TempDir())
	env := map[string]string{"AMIGO_TOKEN": "real", "AMIGO_API_KEY": "real", "AMIGO_BASE_URL": "https://real.example", "AMIGO_ORGANIZATION_ID": "real"}
	made := Credentials{AmigoAPIKey: "made", AmigoAPIKeyID: "made-id", AmigoUserID: "made-user"}
	for _, tt := range []struct {
		args []string
		rpm  extract.RPM
	}{{nil, extract.RPMNone}, {[]string{"--rpm", "60"}, 60}} {
		c, err := load(t, env, tt.args...)
		if err != nil {
			t.Fatal(err)
		}
		c.UseSandbox("http://127.0.0.1:1", "acme", made)
		got, err := c.Credentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got != made || c.BaseURL != "http://127.0.0.1:1" || c.RPM != tt.rpm {
			t.Errorf("base URL %s, rpm %s", c.BaseURL, c.RPM)
		}
		if d := cmp.Diff([]string{"acme"}, c.Orgs); d != "" {
			t.Error(d)
		}
		if o := c.Origin("base_url").String(); o != "--sandbox" {
			t.Errorf("origin %s", o)
		}
	}
}

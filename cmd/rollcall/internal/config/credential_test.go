package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCredentialsFromTheEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	trio := map[string]string{"AMIGO_API_KEY": "key", "AMIGO_API_KEY_ID": "id", "AMIGO_USER_ID": "me", "FREDDY_API_KEY": "fk"}
	for _, tt := range []struct {
		name   string
		env    map[string]string
		source string
		want   Credentials
	}{
		{"key", trio, "amigo", Credentials{AmigoAPIKey: "key", AmigoAPIKeyID: "id", AmigoUserID: "me"}},
		{"key for SQL", trio, "amigo-sql", Credentials{AmigoAPIKey: "key", AmigoAPIKeyID: "id", AmigoUserID: "me"}},
		{"token", map[string]string{"AMIGO_TOKEN": "tok", "AMIGO_API_KEY": "key"}, "amigo", Credentials{AmigoToken: "tok"}},
		{"freddy", trio, "freddy", Credentials{FreddyAPIKey: "fk"}},
		{"ROLLCALL_", map[string]string{"ROLLCALL_AMIGO_TOKEN": "tok"}, "amigo", Credentials{AmigoToken: "tok"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.env, "--source", tt.source)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Credentials(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("other credentials than expected") // their text would print redacted anyway
			}
		})
	}
}

func TestMissingCredentialsAreNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		source  string
		env     map[string]string
		missing []string
	}{
		{"amigo", nil, []string{"AMIGO_API_KEY", "AMIGO_API_KEY_ID", "AMIGO_USER_ID"}},
		{"amigo", map[string]string{"AMIGO_API_KEY": "k", "AMIGO_USER_ID": "u"}, []string{"AMIGO_API_KEY_ID"}},
		{"freddy", map[string]string{"AMIGO_TOKEN": "t"}, []string{"FREDDY_API_KEY"}},
	} {
		c, err := load(t, tt.env, "--source", tt.source)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Credentials(t.Context())
		var none *NoCredentialsError
		if !errors.As(err, &none) {
			t.Fatalf("%v: %v", tt, err)
		}
		if d := cmp.Diff(tt.missing, none.Missing); d != "" {
			t.Error(d)
		}
		if len(none.Hints()) == 0 {
			t.Error("no hint")
		}
	}
}

func TestCredentialsFromFilesAndCommands(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "key", "the-key\r\n")
	write(t, "two lines", "a\nb\n")
	write(t, "large", strings.Repeat("x", maxSecretBytes+1))
	for _, tt := range []struct {
		value, want, wrong string
	}{
		{"file:key", "the-key", ""},
		{"command:printf '%s\\n' CANARY-1", "CANARY-1", ""},
		{"command:cat key | tr a-z A-Z", "THE-KEY", ""},
		{"file:absent", "", "/absent cannot be read: no such file or directory"},
		{"file:two lines", "", "two lines holds a control character or a line break"},
		{"file:large", "", "large has more than 65536 bytes"},
		{"command:echo CANARY-2; echo CANARY-3 >&2; exit 7", "", "freddy_api_key: the command failed: exit status 7"},
		{"command:true", "", "freddy_api_key: is empty"},
		{"command:head -c 100000 /dev/zero", "", "what the command prints has more than 65536 bytes"},
	} {
		t.Run(tt.value, func(t *testing.T) {
			write(t, "rollcall.yaml", fmt.Sprintf("source: freddy\nfreddy_api_key: %q\n", tt.value))
			c, err := load(t, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Credentials(t.Context())
			switch {
			case tt.wrong == "" && (err != nil || got.FreddyAPIKey.Reveal() != tt.want):
				t.Errorf("got %d characters, %v", len(got.FreddyAPIKey), err)
			case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
				t.Errorf("got %v, want %s", err, tt.wrong)
			case err != nil && strings.Contains(err.Error(), "CANARY"):
				t.Errorf("a secret is in the message: %v", err)
			}
		})
	}
}

func TestACommandRunsOnlyFromAFileThatOthersCannotWrite(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o644, 0o620, 0o602, 0o666} {
		dir := t.TempDir()
		ran := filepath.Join(dir, "ran")
		file := write(t, filepath.Join(dir, "c.yaml"), fmt.Sprintf("source: freddy\nfreddy_api_key: command:touch %s; echo k\n", ran))
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		c, err := load(t, nil, "--config", file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Credentials(t.Context())
		_, statErr := os.Stat(ran)
		safe := mode&0o022 == 0
		if (err == nil) != safe || (statErr == nil) != safe {
			t.Errorf("mode %04o: %v, ran: %v", mode, err, statErr == nil)
		}
		if !safe && !strings.Contains(err.Error(), "chmod go-w") {
			t.Errorf("mode %04o: no mend in %v", mode, err)
		}
	}
}

func TestACommandIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "c.yaml"), "source: freddy\nfreddy_api_key: command:exec sleep 60\n")
	c, err := load(t, nil, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Credentials(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "rollcall.yaml", "amigo_token: command:echo CANARY-command\n")
	c, err := load(t, map[string]string{"AMIGO_API_KEY": "CANARY-key", "FREDDY_API_KEY": "CANARY-freddy"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := c.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%v %+v %#v %q %v", c, c, c, c.AmigoAPIKey, c.Settings())
	if strings.Contains(out.String(), "CANARY") {
		t.Error("a secret is printed")
	}
	for _, want := range []string{`amigo_api_key: "**redacted**"`, "# $AMIGO_API_KEY", "# rollcall.yaml:1", `amigo_token: "command:**redacted**"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not printed", want)
		}
	}
}

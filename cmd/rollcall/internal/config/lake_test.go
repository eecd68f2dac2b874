package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rollcall-lake takes its settings from these variables, and knows nothing of ours.
func TestVariablesOfTheLakeAreThoseOfItsProgram(t *testing.T) {
	want := []string{
		"ROLLCALL_LAKE_CATALOG", "ROLLCALL_LAKE_URI", "ROLLCALL_LAKE_LOCATION", "ROLLCALL_LAKE_NAMESPACE", "ROLLCALL_LAKE_BUCKETS", "ROLLCALL_LAKE_ENDPOINT",
		"ROLLCALL_LAKE_REGION", "ROLLCALL_LAKE_PATH_STYLE", "ROLLCALL_LAKE_TOKEN", "ROLLCALL_LAKE_CREDENTIAL", "ROLLCALL_LAKE_COMMAND", "ROLLCALL_LAKE_DEADLINE",
	}
	var got []string
	for _, k := range Keys() {
		if strings.HasPrefix(k.Name, "lake.") {
			got = append(got, k.Env()...)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	c, err := load(t, map[string]string{
		"ROLLCALL_LAKE_CATALOG": "rest", "ROLLCALL_LAKE_URI": "https://me:CANARY@catalog.example.com/api", "ROLLCALL_LAKE_LOCATION": "s3://acme/", "ROLLCALL_LAKE_NAMESPACE": "n",
		"ROLLCALL_LAKE_BUCKETS": "3", "ROLLCALL_LAKE_ENDPOINT": "https://s3.example.com", "ROLLCALL_LAKE_REGION": "eu-1", "ROLLCALL_LAKE_PATH_STYLE": "true",
		"ROLLCALL_LAKE_TOKEN": "CANARY-token", "ROLLCALL_LAKE_CREDENTIAL": "client:CANARY-half",
	})
	if err != nil {
		t.Fatal(err)
	}
	access, err := c.LakeAccess(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantVariables := []string{
		"ROLLCALL_LAKE_CATALOG=rest", "ROLLCALL_LAKE_URI=https://me:CANARY@catalog.example.com/api", "ROLLCALL_LAKE_LOCATION=s3://acme", "ROLLCALL_LAKE_NAMESPACE=n",
		"ROLLCALL_LAKE_BUCKETS=3", "ROLLCALL_LAKE_ENDPOINT=https://s3.example.com", "ROLLCALL_LAKE_REGION=eu-1", "ROLLCALL_LAKE_PATH_STYLE=true",
		"ROLLCALL_LAKE_TOKEN=CANARY-token", "ROLLCALL_LAKE_CREDENTIAL=client:CANARY-half",
	}
	if d := cmp.Diff(wantVariables, access.Variables()); d != "" {
		t.Error(d)
	}
	var printed strings.Builder
	if err := c.WriteYAML(&printed); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{printed.String(), fmt.Sprintf("%v %+v %#v", access, access, access)} {
		if strings.Contains(text, "CANARY") {
			t.Errorf("a secret is in %s", text)
		}
	}
	var secrets []string
	for _, s := range access.Secrets() {
		secrets = append(secrets, s.Reveal())
	}
	for _, s := range []string{"CANARY", "CANARY-token", "client:CANARY-half", "CANARY-half"} {
		if !slices.Contains(secrets, s) {
			t.Errorf("%s is not known to be secret", s)
		}
	}
}

func TestWhatIsPublicOfACatalogsAddress(t *testing.T) {
	for uri, want := range map[string]string{
		"https://catalog.example.com/api":                             "https://catalog.example.com/api",
		"https://token@catalog.example.com/api":                       "https://catalog.example.com/api",
		"https://catalog.example.com/?key=CANARY":                     "https://catalog.example.com/",
		"postgres://me@db.example.com/lake?sslmode=verify-full":       "postgres://me@db.example.com/lake?sslmode=verify-full",
		"postgres://me:CANARY@db.example.com/lake?sslmode=require":    "postgres://me@db.example.com/lake?sslmode=require",
		"postgres://db.example.com/lake?password=CANARY&sslmode=none": "postgres://db.example.com/lake?sslmode=none",
		"sqlite:/srv/lake.db":                                         "sqlite:/srv/lake.db",
		"https://%zz":                                                 "",
	} {
		if got := withoutSecret(uri); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}

func TestTheLakesSecretsAreReadWhereTheyAre(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "c.yaml"), "lake: {catalog: sql, uri: 'file:uri', location: 'file:///srv/lake', command: bin/lake}\n")
	c, err := load(t, nil, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.LakeAccess(t.Context()); err == nil || !strings.Contains(err.Error(), "lake.uri") || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("without its file: %v", err)
	}
	write(t, filepath.Join(dir, "uri"), "mysql://me:CANARY@db/lake\n")
	if _, err := c.LakeAccess(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "must be postgres://HOST/DATABASE or sqlite:/FILE") || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("another kind of address: %v", err)
	}
	write(t, filepath.Join(dir, "uri"), "postgres://me:CANARY@db/lake\n")
	access, err := c.LakeAccess(t.Context())
	if err != nil || access.URI.Reveal() != "postgres://me:CANARY@db/lake" || access.PublicURI() != "postgres://me@db/lake" {
		t.Errorf("%+v, %v", access, err)
	}
	if got := c.SecretFiles(); len(got) != 1 || got[0].Key != "lake.uri" {
		t.Errorf("files of secrets: %v", got)
	}
	if command, err := c.LakeCommand(); err != nil || command != filepath.Join(dir, "bin/lake") {
		t.Errorf("%s, %v", command, err)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if c, err = load(t, nil, "--config", file); err != nil {
		t.Fatal(err)
	}
	if _, err := c.LakeCommand(); err == nil || !strings.Contains(err.Error(), "can be written by others") {
		t.Errorf("from a file that others can write: %v", err)
	}
	if c, err = load(t, map[string]string{"ROLLCALL_LAKE_COMMAND": "/opt/lake"}, "--config", file); err != nil {
		t.Fatal(err)
	}
	if command, err := c.LakeCommand(); err != nil || command != "/opt/lake" {
		t.Errorf("from the environment: %s, %v", command, err)
	}
}

// Made-up users do not get into the lake of the real ones.
func TestTheSandboxHasNoLake(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "c.yaml"), "lake: {catalog: sql, uri: 'sqlite:/srv/lake.db', location: 'file:///srv/lake'}\n")
	for want, env := range map[string]map[string]string{"": nil, "s3://try": {"ROLLCALL_LAKE_LOCATION": "s3://try"}} {
		c, err := load(t, env, "--config", file)
		if err != nil {
			t.Fatal(err)
		}
		c.UseSandbox("http://127.0.0.1:1", "acme", Credentials{})
		if c.Lake.Location != want || c.Lake.IsSet() != (want != "") {
			t.Errorf("publishes to the lake at %q, want %q", c.Lake.Location, want)
		}
	}
}

package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/rollcall-data/rollcall/extract"
)

const testdata = "../../../../testdata/config"

// load is Load with these arguments and variables, in a folder of its own.
func load(t *testing.T, env map[string]string, args ...string) (*Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags, EveryCommand)
	AddFlags(flags, SourceCommands)
	AddFlags(flags, RunCommands)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(flags, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreTheContracts(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := load(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for _, s := range c.Settings() {
		got[s.Key] = s.Value
		if s.Origin != "default" {
			t.Errorf("%s comes from %s", s.Key, s.Origin)
		}
	}
	want := map[string]any{
		"warehouse": "./warehouse", "source": "amigo", "base_url": "https://api.amigo.ai", "org": []string{}, "paging": "auto", "page_size": 100,
		"rpm": "auto", "models": "auto", "model_budget": "4h", "model_max_age": "720h", "max_delete_percent": 5.0, "accept_deletes": false,
		"allow_empty": false, "memories": false, "sql_columns": "off", "sort_key_immutable": false, "checks.sql": []string{}, "checks.min_users": 0, "checks.max_drop_percent": 100.0, "checks.max_age": "0s",
		"keep_versions": 7, "keep_for": "1h", "keep_journal": "168h", "share_group": "", "duckdb.memory": "auto", "duckdb.threads": 0, "publish": "", "publish_endpoint": "", "publish_region": "", "publish_path_style": false,
		"lake.catalog": "", "lake.uri": "", "lake.location": "", "lake.namespace": "rollcall", "lake.buckets": 16, "lake.endpoint": "", "lake.region": "", "lake.path_style": false,
		"lake.token": "", "lake.credential": "", "lake.command": "", "lake.deadline": "1h",
		"journal": "plain", "journal_recipients": []string{}, "journal_identity": "",
		"log_level": "info", "log_format": "auto", "schema.contract": "evolve", "schema.columns": "", "schema.types": "", "schema.paths": []string{},
		"amigo_api_key": "", "amigo_api_key_id": "", "amigo_user_id": "", "amigo_token": "", "freddy_api_key": "",
		"pii": []string{}, "pii_key": "",
		"schedule.cron": "0 2 * * *", "schedule.time_zone": "UTC", "schedule.jitter": "0s", "schedule.catch_up": false, "schedule.deadline": "0s", "schedule.retries": 3,
		"schedule.listen": "127.0.0.1:9180", "schedule.healthy_within": "0s", "schedule.sql_token": "", "metrics_file": "", "notify.on": []string{}, "notify.webhook": "",
		"notify.slack": "", "notify.ping": "", "notify.email.server": "", "notify.email.tls": "starttls", "notify.email.from": "", "notify.email.to": []string{},
		"notify.email.username": "", "notify.email.password": "",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestGoodFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testdata, "*.good.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if _, err := load(t, nil, "--config", f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}

	full, err := load(t, nil, "--config", filepath.Join(testdata, "full.good.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys() {
		if full.Origin(k.Name).Place != FromFile {
			t.Errorf("full.good.yaml does not set %s", k.Name)
		}
	}
	type facts struct {
		BaseURL string
		Orgs    []string
		Page    int
		RPM     extract.RPM
		Budget  time.Duration
		Percent float64
	}
	want := facts{"https://api-eu-central-1.amigo.ai", []string{"acme-health", "acme-dental"}, 1000, 30, 90 * time.Minute, 2.5}
	if d := cmp.Diff(want, facts{full.BaseURL, full.Orgs, full.PageSize, full.RPM, full.ModelBudget, full.MaxDeletePercent}); d != "" {
		t.Error(d)
	}

	one, err := load(t, nil, "--config", filepath.Join(testdata, "one_org.good.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"0042"}, one.Orgs); d != "" {
		t.Errorf("an organization of digits: %s", d)
	}
}

// Each bad file says in its first line what is wrong with it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testdata, "*.bad.yaml"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(raw), "\n")
		want := strings.Replace(strings.TrimPrefix(first, "# want: "), "FILE", f, 1)
		_, err = load(t, nil, "--config", f)
		var field *FieldError
		var file *FileError
		switch {
		case err == nil:
			t.Errorf("%s: accepted; want %s", f, want)
		case !errors.As(err, &field) && !errors.As(err, &file):
			t.Errorf("%s: %T", f, err)
		case err.Error() != want:
			t.Errorf("%s:\n got %s\nwant %s", f, err, want)
		case strings.Contains(err.Error(), "CANARY"):
			t.Errorf("%s: a secret is in the message", f)
		}
	}
}

func TestUnknownKeyIsGuessed(t *testing.T) {
	for name, want := range map[string]string{
		"page_sise": "did you mean page_size?", "page-size": "did you mean page_size?", "orgs": "did you mean org?",
		"zebra": "rollcall config lists all keys",
	} {
		_, err := load(t, nil, "--config", write(t, filepath.Join(t.TempDir(), "c.yaml"), name+": 1\n"))
		var file *FileError
		if !errors.As(err, &file) {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff([]string{want}, file.Hints()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, filepath.Join(dir, "rollcall.yaml"), "page_size: 10\npaging: token\norg: from-file\nrpm: 10\n")
	write(t, filepath.Join(dir, "other.yaml"), "page_size: 20\n")
	write(t, filepath.Join(dir, "third.yaml"), "page_size: 30\n")

	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		key  string
		want any
		from string
	}{
		{"file over default", nil, nil, "page_size", 10, "rollcall.yaml:1"},
		{"$ROLLCALL_CONFIG over ./rollcall.yaml", map[string]string{"ROLLCALL_CONFIG": "other.yaml"}, nil, "page_size", 20, "other.yaml:1"},
		{"--config over $ROLLCALL_CONFIG", map[string]string{"ROLLCALL_CONFIG": "other.yaml"}, []string{"--config", "third.yaml"}, "page_size", 30, "third.yaml:1"},
		{"environment over file", map[string]string{"ROLLCALL_PAGE_SIZE": "40"}, nil, "page_size", 40, "$ROLLCALL_PAGE_SIZE"},
		{"flag over environment", map[string]string{"ROLLCALL_PAGE_SIZE": "40"}, []string{"--page-size", "50"}, "page_size", 50, "--page-size"},
		{"a flag hides a wrong variable", map[string]string{"ROLLCALL_PAGE_SIZE": "x"}, []string{"--page-size=50"}, "page_size", 50, "--page-size"},
		{"an empty variable is unset", map[string]string{"ROLLCALL_RPM": ""}, nil, "rpm", "10", "rollcall.yaml:4"},
		{"the vendor's variable", map[string]string{"AMIGO_ORGANIZATION_ID": "from-env"}, nil, "org", []string{"from-env"}, "$AMIGO_ORGANIZATION_ID"},
		{"ROLLCALL_ over the vendor's", map[string]string{"AMIGO_ORGANIZATION_ID": "a", "ROLLCALL_ORG": "b,c"}, nil, "org", []string{"b", "c"}, "$ROLLCALL_ORG"},
		{"flags of one list add up", map[string]string{"ROLLCALL_ORG": "b"}, []string{"--org", "x", "--org", "y"}, "org", []string{"x", "y"}, "--org"},
		{"the last of a repeated flag wins", nil, []string{"--rpm", "5", "--rpm", "6"}, "rpm", "6", "--rpm"},
		{"a bare switch", nil, []string{"--allow-empty"}, "allow_empty", true, "--allow-empty"},
		{"a switch turned off", map[string]string{"ROLLCALL_ALLOW_EMPTY": "true"}, []string{"--allow-empty=false"}, "allow_empty", false, "--allow-empty"},
		{"the source's own address", nil, []string{"--source", "freddy"}, "base_url", "https://api.aitronos.com", "default"},
		{"the other vendor's address is not ours", map[string]string{"AMIGO_BASE_URL": "https://a.example", "FREDDY_BASE_URL": "https://f.example"},
			[]string{"--source", "freddy"}, "base_url", "https://f.example", "$FREDDY_BASE_URL"},
		{"nor its organization", map[string]string{"AMIGO_ORGANIZATION_ID": "a"}, []string{"--source", "freddy", "--config", "other.yaml"}, "org", []string{}, "default"},
		{"the source from the environment", map[string]string{"ROLLCALL_SOURCE": "freddy", "FREDDY_BASE_URL": "https://f.example"}, nil, "base_url", "https://f.example", "$FREDDY_BASE_URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.env, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range c.Settings() {
				if s.Key != tt.key {
					continue
				}
				if d := cmp.Diff(tt.want, s.Value); d != "" {
					t.Error(d)
				}
				if s.Origin != tt.from {
					t.Errorf("from %s, want %s", s.Origin, tt.from)
				}
			}
		})
	}
}

func TestMessagesNameTheFieldAndItsValue(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		env  map[string]string
		args []string
		want string
	}{
		{nil, []string{"--paging", "sideways"}, `--paging "sideways": must be auto, token or offset`},
		{nil, []string{"--page-size", "-3"}, `--page-size "-3": must be a whole number from 1 to 10000`},
		{nil, []string{"--page-size", "101"}, `--page-size "101": is more than 100, the most the API gives a page; larger ones need --paging offset`},
		{map[string]string{"ROLLCALL_PAGING": "auto"}, []string{"--page-size", "101"}, `--page-size "101": is more than 100, the most the API gives a page; larger ones need --paging offset`},
		{nil, []string{"--max-delete-percent", "NaN"}, `--max-delete-percent "NaN": must be a number from 0 to 100`},
		{nil, []string{"--accept-deletes=perhaps"}, `--accept-deletes "perhaps": must be true or false`},
		{map[string]string{"ROLLCALL_MODEL_BUDGET": "soon"}, nil, `$ROLLCALL_MODEL_BUDGET "soon": must be a duration such as 10m, 4h or 720h`},
		{map[string]string{"AMIGO_API_KEY": "CANARY\n"}, nil, `$AMIGO_API_KEY: holds a control character or a line break`},
		{map[string]string{"AMIGO_BASE_URL": "https://u:CANARY@h"}, nil, `$AMIGO_BASE_URL: must not carry a user or password`},
		{nil, []string{"--config", "nowhere.yaml"}, `configuration file nowhere.yaml: no such file or directory`},
		{nil, []string{"--config", "."}, `configuration file .: is a folder`},
	} {
		_, err := load(t, tt.env, tt.args...)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v %v:\n got %v\nwant %s", tt.env, tt.args, err, tt.want)
		}
	}
	if c, err := load(t, nil, "--paging", "offset", "--page-size", "10000"); err != nil || c.PageSize != 10000 {
		t.Errorf("large pages by offset: %v", err)
	}
}

func TestPathsOfTheFileAreRelativeToIt(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "c.yaml"), "warehouse: data\nfreddy_api_key: file:key\n")
	t.Chdir(t.TempDir())
	c, err := load(t, nil, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "data"); c.Warehouse != want {
		t.Errorf("warehouse %s, want %s", c.Warehouse, want)
	}
	if want := "file:" + filepath.Join(dir, "key"); c.FreddyAPIKey.String() != want {
		t.Errorf("key %s, want %s", c.FreddyAPIKey, want)
	}
	c, err = load(t, nil, "--config", file, "--warehouse", "elsewhere")
	if err != nil || c.Warehouse != "elsewhere" {
		t.Errorf("a flag's path is %s, %v", c.Warehouse, err)
	}
}

func TestRequireSource(t *testing.T) {
	t.Chdir(t.TempDir())
	for source, want := range map[string]bool{"amigo": false, "amigo-sql": false, "freddy": true} {
		c, err := load(t, nil, "--source", source)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.RequireSource(); (err == nil) != want {
			t.Errorf("%s without an organization: %v", source, err)
		}
	}
}

// owned is the facts of a file with this owner.
type owned struct {
	fs.FileInfo
	uid  uint32
	mode fs.FileMode
}

func (o owned) Sys() any          { return &syscall.Stat_t{Uid: o.uid} }
func (o owned) Mode() fs.FileMode { return o.mode }

// A file that somebody else left in the working directory must not say where our key is sent, nor run anything.
func TestForeignFilesAreNotTrusted(t *testing.T) {
	us := uint32(os.Geteuid())
	for _, tt := range []struct {
		info    owned
		foreign bool
		writes  bool
	}{
		{owned{uid: us, mode: 0o644}, false, false},
		{owned{uid: 0, mode: 0o644}, false, false},
		{owned{uid: us + 4242, mode: 0o600}, true, true},
		{owned{uid: us, mode: 0o664}, false, true},
	} {
		s := &source{path: "rollcall.yaml", info: tt.info}
		if got := s.foreign() != nil; got != tt.foreign {
			t.Errorf("uid %d: foreign %v", tt.info.uid, got)
		}
		if got := s.othersWrite() != nil; got != tt.writes {
			t.Errorf("uid %d, mode %04o: others write %v", tt.info.uid, tt.info.mode, got)
		}
	}
}

func TestForeignDefaultFileIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, filepath.Join(dir, "rollcall.yaml"), "base_url: https://evil.example\n")
	want := "https://evil.example"
	if os.Chown("rollcall.yaml", 4242, 4242) == nil { // only root can give a file away
		if _, err := load(t, nil); err == nil || !strings.Contains(err.Error(), "belongs to another user (uid 4242)") {
			t.Errorf("got %v", err)
		}
	}
	if c, err := load(t, nil, "--config", "rollcall.yaml"); err != nil || c.BaseURL != want {
		t.Errorf("named on purpose: %v", err)
	}
}

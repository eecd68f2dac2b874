package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestJSONSchemaIsTheGolden(t *testing.T) {
	got, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join(testdata, "rollcall.schema.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("rollcall.schema.json is out of date, run go test -update:\n%s", d)
	}
}

// What `rollcall config` prints is a configuration file: read back, it says the same.
func TestThePrintedConfigurationReadsBack(t *testing.T) {
	first, err := load(t, nil, "--config", filepath.Join(testdata, "full.good.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	first.AmigoToken = Credential{} // its command is redacted and would not read back
	var printed bytes.Buffer
	if err := first.WriteYAML(&printed); err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(t.TempDir(), "again.yaml"), printed.String())
	second, err := load(t, nil, "--config", file)
	if err != nil {
		t.Fatalf("%v in\n%s", err, printed.String())
	}
	values := func(c *Config) map[string]any {
		out := map[string]any{}
		for _, s := range c.Settings() {
			out[s.Key] = s.Value
		}
		return out
	}
	if d := cmp.Diff(values(first), values(second)); d != "" {
		t.Error(d)
	}
}

func TestYAMLText(t *testing.T) {
	for in, want := range map[string]string{
		"plain-1.0/x_y": "plain-1.0/x_y", "null": `"null"`, "-": `"-"`, "a: b": `"a: b"`, "#x": `"#x"`, "": `""`, "ü": `"ü"`, "a\nb": `"a\nb"`,
	} {
		if got := yamlText(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestEveryKeyIsExplainedAndSet(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if k.Usage == "" || strings.HasSuffix(k.Usage, ".") || seen[k.Name] || k.field.set == nil || k.field.show == nil {
			t.Errorf("%s is not declared as the others are", k.Name)
		}
		seen[k.Name] = true
	}
}

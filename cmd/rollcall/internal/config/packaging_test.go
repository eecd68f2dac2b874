package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const (
	repository = "../../../.."
	packaging  = "../../packaging"
)

// cronJob is what of the CronJob has to be so.
type cronJob struct {
	Kind string `yaml:"kind"`
	Spec struct {
		ConcurrencyPolicy string `yaml:"concurrencyPolicy"`
		JobTemplate       struct {
			Spec struct {
				Template struct {
					Spec podSpec `yaml:"spec"`
				} `yaml:"template"`
			} `yaml:"spec"`
		} `yaml:"jobTemplate"`
	} `yaml:"spec"`
}

type podSpec struct {
	RestartPolicy  string `yaml:"restartPolicy"`
	ServiceAccount *bool  `yaml:"automountServiceAccountToken"`
	Security       struct {
		RunAsNonRoot bool `yaml:"runAsNonRoot"`
		RunAsUser    int  `yaml:"runAsUser"`
	} `yaml:"securityContext"`
	Containers []struct {
		Env []struct {
			Name  string `yaml:"name"`
			Value string `yaml:"value"`
		} `yaml:"env"`
		Security struct {
			Escalation *bool               `yaml:"allowPrivilegeEscalation"`
			ReadOnly   bool                `yaml:"readOnlyRootFilesystem"`
			Drop       map[string][]string `yaml:"capabilities"`
		} `yaml:"securityContext"`
		Mounts []struct {
			Name string `yaml:"name"`
		} `yaml:"volumeMounts"`
	} `yaml:"containers"`
	Volumes []struct {
		Name string `yaml:"name"`
	} `yaml:"volumes"`
}

func TestCronJob(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(packaging, "kubernetes", "cronjob.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var job cronJob
	if err := yaml.Unmarshal(raw, &job); err != nil {
		t.Fatal(err)
	}
	pod := job.Spec.JobTemplate.Spec.Template.Spec
	if job.Kind != "CronJob" || job.Spec.ConcurrencyPolicy != "Forbid" || len(pod.Containers) != 1 {
		t.Fatalf("got %+v", job)
	}
	c := pod.Containers[0]
	if !pod.Security.RunAsNonRoot || pod.Security.RunAsUser == 0 || !c.Security.ReadOnly || c.Security.Escalation == nil || *c.Security.Escalation ||
		len(c.Security.Drop["drop"]) != 1 || c.Security.Drop["drop"][0] != "ALL" || pod.ServiceAccount == nil || *pod.ServiceAccount || pod.RestartPolicy != "Never" {
		t.Errorf("it may do more than it has to: %+v", pod)
	}
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range c.Mounts {
		if !volumes[m.Name] {
			t.Errorf("there is no volume %s", m.Name)
		}
	}
	for _, e := range c.Env {
		if _, ok := findVariable(e.Name); !ok {
			t.Errorf("no key has the variable %s", e.Name)
		}
	}
}

func findVariable(name string) (Key, bool) {
	for _, k := range keys {
		for _, env := range k.Env() {
			if env == name {
				return k, true
			}
		}
	}
	return Key{}, name == configEnv
}

// Both programs are released, the one with DuckDB in it with cgo, and what their packages hold is there.
func TestReleaseFiles(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(packaging, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	type build struct {
		ID   string   `yaml:"id"`
		Dir  string   `yaml:"dir"`
		Main string   `yaml:"main"`
		Env  []string `yaml:"env"`
	}
	var release struct {
		Builds   []build `yaml:"builds"`
		Packages []struct {
			IDs      []string `yaml:"ids"`
			Contents []struct {
				Source string `yaml:"src"`
			} `yaml:"contents"`
		} `yaml:"nfpms"`
	}
	if err := yaml.Unmarshal(raw, &release); err != nil {
		t.Fatal(err)
	}
	want := []build{
		{ID: "rollcall", Main: "./cmd/rollcall", Env: []string{"CGO_ENABLED=1"}},
		{ID: "rollcall-lake", Dir: "cmd/rollcall-lake", Main: ".", Env: []string{"CGO_ENABLED=0"}},
	}
	if !reflect.DeepEqual(release.Builds, want) {
		t.Errorf("builds: got %+v, want %+v", release.Builds, want)
	}
	for _, b := range release.Builds {
		if _, err := os.Stat(filepath.Join(repository, b.Dir, b.Main)); err != nil {
			t.Error(err)
		}
	}
	var packaged []string
	for _, p := range release.Packages {
		packaged = append(packaged, p.IDs...)
		there := 0
		for _, c := range p.Contents {
			if strings.HasPrefix(c.Source, "dist-extra/") { // made by the hooks
				continue
			}
			there++
			if _, err := os.Stat(filepath.Join(repository, c.Source)); err != nil {
				t.Error(err)
			}
		}
		if there == 0 {
			t.Errorf("the package of %v holds no file of the repository", p.IDs)
		}
	}
	if want := []string{"rollcall", "rollcall-lake"}; !slices.Equal(packaged, want) {
		t.Errorf("packages of %v, want %v", packaged, want)
	}
}

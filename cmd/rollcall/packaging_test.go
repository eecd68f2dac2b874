package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
)

// units are the units of systemd with the program's path replaced by one that is there.
func units(t *testing.T) (services, all []string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not here; .ci/run installs it")
	}
	there, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob("packaging/systemd/*")
	if err != nil || len(found) < 3 {
		t.Fatalf("%v, %v", found, err)
	}
	dir := t.TempDir()
	for _, unit := range found {
		raw, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.Base(unit))
		if err := os.WriteFile(to, []byte(strings.ReplaceAll(string(raw), "/usr/bin/rollcall", there)), 0o600); err != nil {
			t.Fatal(err)
		}
		if all = append(all, to); filepath.Ext(to) == ".service" {
			services = append(services, to)
		}
	}
	return services, all
}

func TestUnitsVerify(t *testing.T) {
	_, all := units(t)
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, all...)...).CombinedOutput()
	if err != nil || len(out) > 0 { // what it warns of ends with 0
		t.Errorf("%v: %s", err, out)
	}
}

// The exposure that systemd-analyze finds, in tenths, stays where it is.
func TestUnitsAreHardened(t *testing.T) {
	services, _ := units(t)
	for _, unit := range services {
		if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(unit), err, out)
		}
	}
}

// What is started is a command that there is, with flags that it has.
func TestPackagedCommands(t *testing.T) {
	started := regexp.MustCompile(`(?m)^(?:ExecStart=\S*/|0 2 \* \* \* .*)rollcall (.+)$`)
	seen := 0
	for _, path := range []string{"packaging/systemd/rollcall.service", "packaging/systemd/rollcall-schedule.service", "packaging/crontab"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range started.FindAllStringSubmatch(string(raw), -1) {
			seen++
			line, _, _ := strings.Cut(m[1], " >")
			a := &app{stdout: cli.Stream{Writer: io.Discard}, stderr: cli.Stream{Writer: io.Discard}}
			cmd, args, err := a.root().Find(strings.Fields(line))
			if err == nil {
				err = cmd.ParseFlags(args)
			}
			if err != nil || !cmd.HasParent() || len(cmd.Flags().Args()) > 0 {
				t.Errorf("%s: %q: %v", path, line, err)
			}
		}
	}
	if seen != 3 {
		t.Errorf("%d commands", seen)
	}
	for _, path := range []string{"packaging/docker/Dockerfile", "packaging/.goreleaser.yaml", "packaging/kubernetes/cronjob.yaml", "packaging/prometheus/alerts.yml", "packaging/grafana/rollcall.json"} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			t.Errorf("README.md of packaging names %s, which is not there", path)
		}
	}
}

// What is released of both programs is there: their modules, the files that packages have, and the builds that they are of.
func TestReleasedFilesAreThere(t *testing.T) {
	raw, err := os.ReadFile("packaging/.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var release struct {
		Builds []struct {
			ID, Dir, Main, Binary string
		}
		Archives, NFPMs []struct {
			ID       string
			IDs      []string
			Contents []struct{ Src string }
		}
	}
	if err := yaml.Unmarshal(raw, &release); err != nil {
		t.Fatal(err)
	}
	top := filepath.Join("..", "..")
	built := map[string]bool{}
	for _, b := range release.Builds {
		built[b.ID] = b.ID == b.Binary
		if main, err := os.ReadFile(filepath.Join(top, b.Dir, b.Main, "main.go")); err != nil || !strings.Contains(string(main), "func main()") {
			t.Errorf("build %s: no program in %s: %v", b.ID, filepath.Join(b.Dir, b.Main), err)
		}
	}
	if len(built) != 2 || len(release.Archives) != 2 || len(release.NFPMs) != 2 {
		t.Errorf("%d builds, %d archives, %d kinds of packages", len(built), len(release.Archives), len(release.NFPMs))
	}
	for _, p := range append(release.Archives, release.NFPMs...) {
		if len(p.IDs) != 1 || !built[p.IDs[0]] || p.ID != p.IDs[0] {
			t.Errorf("%s is of builds %v", p.ID, p.IDs)
		}
	}
	packed := regexp.MustCompile(`(?m)^\s*- (?:src: )?(cmd/\S+|[A-Z]+(?:\.md)?)$`).FindAllStringSubmatch(string(raw), -1)
	docker, err := os.ReadFile("packaging/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	copied := regexp.MustCompile(`(?m)^COPY (?:\S+ )*?(cmd/\S+) (?:\S+ )*\S+$`).FindAllStringSubmatch(string(docker), -1)
	if len(packed) < 10 || len(copied) != 2 {
		t.Errorf("%d files are packed, %d copied", len(packed), len(copied))
	}
	for _, m := range append(packed, copied...) {
		if found, err := filepath.Glob(filepath.Join(top, m[1])); err != nil || len(found) == 0 {
			t.Errorf("%s is not there: %v", m[1], err)
		}
	}
}

// Every command has a man page that names each of its flags, and every shell a completion.
func TestManPagesAndCompletionsAreComplete(t *testing.T) {
	dir := t.TempDir()
	a := &app{stdin: strings.NewReader(""), stdout: cli.Stream{Writer: io.Discard}, stderr: cli.Stream{Writer: io.Discard}, env: func(string) (string, bool) { return "", false }}
	if err := a.execute(t.Context(), []string{"man", dir}); err != nil {
		t.Fatal(err)
	}
	pages := 0
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		raw, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		pages++
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(strings.ReplaceAll(string(raw), `\-`, "-"), "--"+f.Name) {
				t.Errorf("the page of %s does not name --%s", cmd.CommandPath(), f.Name)
			}
		})
		for _, c := range cmd.Commands() {
			look(c)
		}
	}
	look(a.root())
	if pages < 20 {
		t.Errorf("%d pages", pages)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var out strings.Builder
		a.stdout = cli.Stream{Writer: &out}
		if err := a.execute(t.Context(), []string{"completion", shell}); err != nil || !strings.Contains(out.String(), "__complete") {
			t.Errorf("%s: %v, %d characters", shell, err, out.Len())
		}
	}
}

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// nightUnits are the units of systemd with the programs' paths replaced by one that is there, and the template as an instance.
func nightUnits(t *testing.T) (services, all []string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not here (apt-get install systemd)")
	}
	there, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob("packaging/systemd/*")
	if err != nil || len(found) != 3 {
		t.Fatalf("%v, %v", found, err)
	}
	dir := t.TempDir()
	for _, unit := range found {
		raw, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, strings.Replace(filepath.Base(unit), "@.", "@1.", 1))
		if err := os.WriteFile(to, []byte(strings.ReplaceAll(string(raw), "/usr/bin/rollcall-lake", there)), 0o600); err != nil {
			t.Fatal(err)
		}
		if all = append(all, to); filepath.Ext(to) == ".service" {
			services = append(services, to)
		}
	}
	return services, all
}

func TestNightUnitsVerify(t *testing.T) {
	_, all := nightUnits(t)
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, all...)...).CombinedOutput()
	if err != nil || len(out) > 0 { // what it warns of ends with 0
		t.Errorf("%v: %s", err, out)
	}
}

// The exposure that systemd-analyze finds, in tenths, stays where it is.
func TestNightUnitsAreHardened(t *testing.T) {
	services, _ := nightUnits(t)
	for _, unit := range services {
		if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(unit), err, out)
		}
	}
}

// What is started is a command that there is, with flags that it has; and what nobody tried says so.
func TestPackagedNightCommands(t *testing.T) {
	started := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/rollcall-lake (.+)$`)
	seen := 0
	units, _ := filepath.Glob("packaging/systemd/*.service")
	for _, path := range units {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range started.FindAllStringSubmatch(string(raw), -1) {
			seen++
			a := &app{stdout: io.Discard, stderr: io.Discard}
			cmd, args, err := a.root().Find(strings.Fields(m[1]))
			if err == nil {
				err = cmd.ParseFlags(args)
			}
			if err != nil || !cmd.HasParent() || len(cmd.Flags().Args()) > 0 && cmd.ArgsLenAtDash() != 0 {
				t.Errorf("%s: %q: %v", path, m[1], err)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d commands", seen)
	}
	for _, path := range []string{"packaging/compose/compose.yaml", "packaging/kubernetes/nights.yaml"} {
		if raw, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(raw), "# UNTRIED") {
			t.Errorf("%s does not begin by saying that it is untried: %v", path, err)
		}
	}
}

package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

const packaging = "../../packaging"

// named is a metric of ours, with the labels that it is chosen by.
var named = regexp.MustCompile(`\b(rollcall_[a-z0-9_]+)(\{[^}]*\})?`)

var label = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)`)

// given are the labels that Prometheus gives.
var given = map[string]bool{"instance": true, "job": true}

// check holds that the metrics in an expression are there, with their labels.
func check(t *testing.T, where, expression string) (found int) {
	t.Helper()
	families := names(t)
	for _, m := range named.FindAllStringSubmatch(expression, -1) {
		found++
		f, ok := families[m[1]]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, m[1])
			continue
		}
		has := map[string]bool{}
		for _, pair := range f.GetMetric()[0].GetLabel() {
			has[pair.GetName()] = true
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if !has[l[1]] && !given[l[1]] {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
	}
	return found
}

func TestAlertsNameMetricsThatAreThere(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(packaging, "prometheus", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	expressions := regexp.MustCompile(`(?m)^ +expr: (.+)$`).FindAllStringSubmatch(string(raw), -1)
	if len(expressions) < 10 {
		t.Errorf("%d expressions", len(expressions))
	}
	for _, e := range expressions {
		if check(t, "alerts.yml", e[1]) == 0 {
			t.Errorf("%s: of no metric of ours", e[1])
		}
	}
}

func TestTheDashboardNamesMetricsThatAreThere(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(packaging, "grafana", "rollcall.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID, Title    string
		SchemaVersion int
		Templating    struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ H, W, X, Y int }
			Targets     []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title == "" || board.SchemaVersion < 36 || len(board.Panels) < 12 || len(board.Templating.List) != 2 {
		t.Errorf("%+v", board)
	}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H == 0 || len(p.Targets) == 0 {
			t.Errorf("panel %q: %+v", p.Title, p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if check(t, p.Title, target.Expr) == 0 {
				t.Errorf("%s: %s is of no metric of ours", p.Title, target.Expr)
			}
		}
	}
	check(t, "a variable", board.Templating.List[1].Definition)
}

// The checker of Prometheus itself takes the rules, and the tests that are written for it pass.
func TestPromtool(t *testing.T) {
	path := os.Getenv("ROLLCALL_TEST_PROMTOOL")
	if path == "" {
		t.Skip("ROLLCALL_TEST_PROMTOOL names no promtool; .ci/run tests installs one")
	}
	for _, args := range [][]string{{"check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.Command(path, args...)
		cmd.Dir = filepath.Join(packaging, "prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	board, err := os.ReadFile(filepath.Join(packaging, "grafana", "rollcall.json"))
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(board, &parsed); err != nil {
		t.Fatal(err)
	}
	rules := "groups: [{name: dashboard, rules: ["
	n := 0
	for _, p := range parsed.Panels {
		for _, target := range p.Targets {
			name, err := json.Marshal(target.Expr)
			if err != nil {
				t.Fatal(err)
			}
			n++
			rules += `{record: "dashboard:expr:` + string(rune('a'+n%26)) + string(rune('a'+n/26)) + `", expr: ` + string(name) + "}, "
		}
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules+"]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("the dashboard's expressions: %v\n%s", err, out)
	}
}

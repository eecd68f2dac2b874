package night

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFileNames(t *testing.T) {
	long := strings.Repeat("ä", 60)
	seen := map[string]string{}
	for _, tt := range []struct{ org, want string }{
		{"acme-health_1.eu", "acme-health_1.eu"},
		{"Acme", "%41cme"},
		{"a/b", "a%2Fb"},
		{"..", "%2E."},
		{".", "%2E"},
		{"%41cme", "%2541cme"},
		{"a b\n", "a%20b%0A"},
	} {
		if got := FileName(tt.org); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.org, got, tt.want)
		}
	}
	for _, org := range []string{"", "a", "A", "%41", ".a", "a.", long, long + "ä", strings.Repeat("a", 101), strings.Repeat("a", 100)} {
		name := FileName(org)
		if len(name) > maxName || strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") || name == "" {
			t.Errorf("%q: %q", org, name)
		}
		if other, ok := seen[strings.ToLower(name)]; ok {
			t.Errorf("%q and %q have one name", org, other)
		}
		seen[strings.ToLower(name)] = org
	}
}

func TestReadOrgs(t *testing.T) {
	got, err := ReadOrgs(strings.NewReader("b\n\n# all\n a # the first\nb\n"))
	if err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ReadOrgs(strings.NewReader("# nobody\n")); err == nil {
		t.Error("no organizations are a night")
	}
}

func TestAPlanIsMadeOnce(t *testing.T) {
	p, err := Open(t.Context(), t.TempDir(), ObjectStorage{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 1, 2, 3, 4567, time.UTC)
	plan, made, err := Freeze(t.Context(), p, "2026-11-23", []string{"a", "b"}, now, false)
	if err != nil || !made || plan.Run != "20261123-010203-000004" {
		t.Fatalf("%+v, made %t, %v", plan, made, err)
	}
	again, made, err := Freeze(t.Context(), p, "2026-11-23", []string{"a", "b"}, now.Add(time.Hour), false)
	if err != nil || made || again.Run != plan.Run {
		t.Errorf("frozen twice: %+v, made %t, %v", again, made, err)
	}
	for name, f := range map[string]func() error{
		"another list": func() error {
			_, _, err := Freeze(t.Context(), p, "2026-11-23", []string{"a"}, now, true)
			return err
		},
		"an organization less than the night before": func() error {
			_, _, err := Freeze(t.Context(), p, "2026-11-24", []string{"a", "c"}, now, false)
			return err
		},
		"no date": func() error {
			_, _, err := Freeze(t.Context(), p, "../etc", []string{"a"}, now, false)
			return err
		},
	} {
		if wrong := new(UsageError); !errors.As(f(), &wrong) {
			t.Errorf("%s is allowed", name)
		}
	}
	if _, _, err := Freeze(t.Context(), p, "2026-11-24", []string{"a"}, now, true); err != nil {
		t.Error(err)
	}
}

func TestDecisions(t *testing.T) {
	plan := Plan{Night: "2026-11-23", Run: "20261123-010203-000004", Orgs: []string{"a", "b", "c"}}
	result := func(version, proof string, certified bool) Result {
		return Result{Version: version, Certificate: Certificate{certified, proof, "sha-" + version}}
	}
	all := map[string]Result{"a": result("1", "count", true), "b": result("2", "count", true), "c": result("3", "anchored", true)}
	before := func(string) (string, error) { return "0", nil }
	d, err := decide(plan, all, nil, false, before)
	if err != nil || !d.Certificate.Certified || d.Certificate.Proof != "mixed" || len(d.Shards) != 3 || d.Run != plan.Run || len(d.Certificate.UsersSHA256) != 64 {
		t.Errorf("%+v, %v", d, err)
	}
	other := maps.Clone(all)
	other["b"] = result("2", "", false)
	if d, err := decide(plan, other, nil, false, before); err != nil || d.Certificate.Certified {
		t.Errorf("a night is certified that has an organization that is not: %+v, %v", d, err)
	}
	delete(other, "b")
	incomplete := new(IncompleteError)
	if _, err := decide(plan, other, nil, true, before); !errors.As(err, &incomplete) || !slices.Equal(incomplete.Waiting, []string{"b"}) {
		t.Errorf("published before the last result is in: %v", err)
	}
	failed := map[string]Failure{"a": {}, "b": {}} // a came all the same
	if _, err := decide(plan, other, failed, false, before); !errors.As(err, &incomplete) || !slices.Equal(incomplete.Failed, []string{"b"}) {
		t.Errorf("published without an organization: %v", err)
	}
	d, err = decide(plan, other, failed, true, before)
	if err != nil || !slices.Equal(d.Missing, []string{"b"}) || d.Certificate.Certified || !slices.Contains(d.Shards, Shard{"b", "0"}) {
		t.Errorf("%+v, %v", d, err)
	}
	d, err = decide(plan, other, failed, true, func(string) (string, error) { return "", nil })
	if err != nil || len(d.Shards) != 2 {
		t.Errorf("an organization that never had a version: %+v, %v", d, err)
	}
}

func TestRateShares(t *testing.T) {
	for _, tt := range []struct {
		asked   requests
		seconds float64
		rpm     string
		want    float64
	}{
		{requests{List: 30, Model: 6}, 10, "", 0.5},
		{requests{List: 2, Model: 90}, 120, "auto", 0.75},
		{requests{List: 2, Model: 90}, 120, "90", 0.5},
		{requests{Model: 9000}, 1, "none", 0},
		{requests{Role: 10}, 60, "", 0.5},
	} {
		if got := rateShare(tt.asked, tt.seconds, tt.rpm); got != tt.want {
			t.Errorf("%+v in %v s at %q: %v, want %v", tt.asked, tt.seconds, tt.rpm, got, tt.want)
		}
	}
	for want, args := range map[string][]string{"7": {"--rpm", "7"}, "8": {"--x", "--rpm=8"}, "": {"--rpm"}} {
		if got := (Rollcall{Args: args}).rpm(); got != want {
			t.Errorf("%q: %q", args, got)
		}
	}
}

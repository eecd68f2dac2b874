package config

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChecks(t *testing.T) {
	full, err := load(t, nil, "--config", filepath.Join(testdata, "full.good.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := Checks{
		SQL: []SQLCheck{
			{"no_email", "FROM users WHERE email IS NULL"},
			{"orphans", "SELECT user_id, role FROM users\nWHERE role NOT IN (SELECT role_id FROM roles)"},
		},
		MinUsers: 1000, MaxDropPercent: 2.5, MaxAge: 48 * time.Hour,
	}
	if d := cmp.Diff(want, full.Checks); d != "" {
		t.Error(d)
	}
	one, err := load(t, map[string]string{"ROLLCALL_CHECKS_SQL": "x=SELECT 1, 2 WHERE 1 = 2", "ROLLCALL_CHECKS_MIN_USERS": "7"}, "--config", filepath.Join(testdata, "full.good.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want.SQL, want.MinUsers = []SQLCheck{{"x", "SELECT 1, 2 WHERE 1 = 2"}}, 7
	if d := cmp.Diff(want, one.Checks); d != "" {
		t.Error(d)
	}
}

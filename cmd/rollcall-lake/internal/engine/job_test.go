package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/engine"
)

var input = engine.Input{
	Run: "20260102-030405-000006", At: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Snapshot: 42, Catalog: "lake", Namespace: []string{"org", "users"},
	Published: []string{"roles", "users"}, Made: []string{"lake_people"},
}

func TestEveryJobHasEveryDialect(t *testing.T) {
	for _, j := range engine.Jobs() {
		for _, dialect := range engine.Dialects() {
			statements, err := j.Statements(dialect, input)
			if j.Name == "compact" && dialect == engine.DuckDB {
				if err == nil {
					t.Error("DuckDB compacts")
				}
				continue
			}
			if err != nil {
				t.Errorf("%s in %s: %v", j.Name, dialect, err)
			}
			for _, s := range statements {
				if s.Name == "" || strings.Contains(s.SQL, "__") || strings.Contains(s.SQL, ";") || strings.HasPrefix(s.SQL, "--") {
					t.Errorf("%s in %s: statement %q:\n%s", j.Name, dialect, s.Name, s.SQL)
				}
			}
		}
	}
	if _, ok := engine.Find("nothing"); ok {
		t.Error("there is a job of no name")
	}
}

// A job reads users at the snapshot that it was begun with, and writes to no published table.
func TestWhatAJobReadsAndWrites(t *testing.T) {
	reads := map[string]string{
		engine.Trino:  `"lake"."org.users"."users" FOR VERSION AS OF 42`,
		engine.Spark:  "`lake`.`org`.`users`.`users` VERSION AS OF 42",
		engine.DuckDB: `"lake"."org.users"."users" AT (VERSION => 42)`,
	}
	writes := map[string]string{engine.Trino: `"lake"."org.users"."lake_`, engine.Spark: "`lake`.`org`.`users`.`lake_", engine.DuckDB: "lake_"}
	for _, j := range engine.Jobs() {
		if j.Table == "" {
			continue
		}
		for dialect, read := range reads {
			statements, err := j.Statements(dialect, input)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range statements {
				bare := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(read, " FOR VERSION AS OF 42"), " VERSION AS OF 42"), " AT (VERSION => 42)")
				if n := strings.Count(s.SQL, read); n == 0 || n != strings.Count(s.SQL, bare) {
					t.Errorf("%s in %s: %s reads users %d times of %d at the snapshot", j.Name, dialect, s.Name, n, strings.Count(s.SQL, bare))
				}
				for _, verb := range []string{"CREATE TABLE IF NOT EXISTS ", "CREATE OR REPLACE TABLE ", "MERGE INTO "} {
					if rest, ok := strings.CutPrefix(s.SQL, verb); ok && !strings.HasPrefix(rest, writes[dialect]) {
						t.Errorf("%s in %s writes to %.60s", j.Name, dialect, rest)
					}
				}
			}
		}
	}
}

func TestATimeIsWithoutAZone(t *testing.T) {
	j, _ := engine.Find("history")
	for dialect, want := range map[string]string{
		engine.Spark: "TIMESTAMP_NTZ '2026-01-02 03:04:05.000006'", engine.Trino: " TIMESTAMP '2026-01-02 03:04:05.000006'", engine.DuckDB: " TIMESTAMP '2026-01-02 03:04:05.000006'",
	} {
		statements, err := j.Statements(dialect, input)
		if err != nil || !strings.Contains(statements[1].SQL, want) {
			t.Errorf("%s: %v\n%s", dialect, err, statements[1].SQL)
		}
	}
}

func TestCompactionIsTheEnginesOwn(t *testing.T) {
	j, _ := engine.Find("compact")
	for dialect, want := range map[string][]string{
		engine.Trino: {
			`ALTER TABLE "lake"."org.users"."roles" EXECUTE optimize`, `ALTER TABLE "lake"."org.users"."users" EXECUTE optimize`,
			`ALTER TABLE "lake"."org.users"."lake_people" EXECUTE optimize`,
			`ALTER TABLE "lake"."org.users"."lake_people" EXECUTE expire_snapshots(retention_threshold => '7d')`,
		},
		engine.Spark: {
			"CALL `lake`.system.rewrite_data_files(table => '`org`.`users`.`roles`', options => map('remove-dangling-deletes', 'true'))",
			"CALL `lake`.system.rewrite_data_files(table => '`org`.`users`.`users`', options => map('remove-dangling-deletes', 'true'))",
			"CALL `lake`.system.rewrite_data_files(table => '`org`.`users`.`lake_people`', options => map('remove-dangling-deletes', 'true'))",
			"CALL `lake`.system.expire_snapshots(table => '`org`.`users`.`lake_people`', retain_last => 1, stream_results => true)",
		},
	} {
		statements, err := j.Statements(dialect, input)
		var got []string
		for _, s := range statements {
			got = append(got, s.SQL)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v\n%s", dialect, err, strings.Join(got, "\n"))
		}
	}
}

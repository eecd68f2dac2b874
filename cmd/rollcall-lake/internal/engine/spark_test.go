package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/engine"
)

// spark is a program that stands for spark-sql: it keeps what it was given beside it, and prints the literals that it is to select.
const spark = `#!/bin/bash
here=$(dirname "$0")
printf '%s\n' "$@" > "$here/arguments"
env > "$here/environment"
cp "${@: -1}" "$here/job.sql"
stat -c %a "${@: -1}" > "$here/mode"
`

const works = spark + `
printf '\r[Stage 3:=====>          (3 + 2) / 8]\r' >&2
grep "^SELECT " "$here/job.sql" | sed "s/^SELECT '//; s/^SELECT concat('//; s/', count.*/23/; s/';//"
`

func sparkAt(t *testing.T, script string) (engine.SparkSettings, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "spark-sql"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return engine.SparkSettings{
		Program: filepath.Join(dir, "spark-sql"), Conf: []string{"spark.master=yarn"}, Grace: 5 * time.Second,
		Lake: catalog.Settings{
			Kind: catalog.REST, URI: "https://catalog.example.com", Token: "CANARY-token", Location: "s3://lake/x", Endpoint: "http://s3.example.com", Region: "eu", PathStyle: true,
		},
	}, dir
}

func runSpark(ctx context.Context, t *testing.T, s engine.SparkSettings, tell *told) error {
	t.Helper()
	e, err := engine.NewSpark(s, append(os.Environ(), "AWS_SECRET_ACCESS_KEY=CANARY-key", "ROLLCALL_LAKE_QUEUE=CANARY-queue"))
	if err != nil {
		t.Fatal(err)
	}
	j, _ := engine.Find("history")
	statements, err := j.Statements(engine.Spark, input)
	if err != nil {
		t.Fatal(err)
	}
	return e.Run(ctx, statements, tell.hooks())
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestSparkRunsAJob(t *testing.T) {
	s, dir := sparkAt(t, works)
	var tell told
	if err := runSpark(t.Context(), t, s, &tell); err != nil {
		t.Fatal(err)
	}
	if len(tell.done) != 2 || tell.done[0].Rows != -1 || tell.done[1].Rows != 23 || strings.Join(tell.begun, " ") != "create merge" {
		t.Errorf("begun %v, done %v", tell.begun, tell.done)
	}
	arguments := read(t, dir, "arguments")
	for _, want := range []string{
		"spark.sql.catalog.rollcall.type=rest", "spark.sql.catalog.rollcall.token=env:ROLLCALL_LAKE_TOKEN", "spark.sql.catalog.rollcall.s3.endpoint=http://s3.example.com",
		"spark.sql.catalog.rollcall.io-impl=org.apache.iceberg.aws.s3.S3FileIO", "spark.sql.catalog.rollcall.s3.path-style-access=true", "spark.master=yarn",
	} {
		if !strings.Contains(arguments, want+"\n") {
			t.Errorf("%s is missing:\n%s", want, arguments)
		}
	}
	if strings.Contains(arguments, "CANARY") {
		t.Errorf("a secret is on the command line:\n%s", arguments)
	}
	if environment := read(t, dir, "environment"); !strings.Contains(environment, "ROLLCALL_LAKE_TOKEN=CANARY-token\n") || strings.Contains(environment, "CANARY-queue") {
		t.Errorf("environment\n%s", environment)
	}
	if mode := strings.TrimSpace(read(t, dir, "mode")); mode != "600" {
		t.Errorf("the SQL's mode is %s", mode)
	}
}

func TestSparkSaysHowFarItIs(t *testing.T) {
	s, _ := sparkAt(t, spark+`
grep -m 1 "^SELECT " "$here/job.sql" | sed "s/^SELECT '//; s/';//"
while [ ! -e "$here/begun" ]; do read -t 0.05 < /dev/zero; done
printf '\r[Stage 3:=====>          (3 + 2) / 8]\r' >&2
exit 3
`)
	var tell told
	h := tell.hooks()
	begun := h.Begun
	h.Begun = func(x engine.Statement) {
		begun(x)
		_ = os.WriteFile(filepath.Join(filepath.Dir(s.Program), "begun"), nil, 0o600)
	}
	e, err := engine.NewSpark(s, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	err = e.Run(t.Context(), []engine.Statement{{Name: "create", SQL: "SELECT 1"}}, h)
	if len(tell.progress) != 1 || tell.progress[0].Percent != 37.5 || tell.progress[0].Stage != "3" || tell.progress[0].Done != 3 || tell.progress[0].Total != 8 {
		t.Errorf("%v, progress %+v", err, tell.progress)
	}
}

func TestWhatSparkFailsWith(t *testing.T) {
	first := `grep -m 1 "^SELECT " "$here/job.sql" | sed "s/^SELECT '//; s/';//"
`
	for name, c := range map[string]struct {
		script      string
		unreachable bool
		says        string
	}{
		"it does not start":    {"echo 'Exception in thread \"main\" java.lang.OutOfMemoryError: CANARY-key' >&2; exit 1", true, "OutOfMemoryError: **redacted**"},
		"a statement fails":    {first + "sleep 0.2; printf 'at nothing\\n[TABLE_OR_VIEW_NOT_FOUND] The table is away. CANARY-token\\n\\tat x\\n' >&2; exit 1", false, "history: create: [TABLE_OR_VIEW_NOT_FOUND] The table is away. **redacted**"},
		"it ends in between":   {first + "exit 0", false, "it ended before its work was done"},
		"it is killed":         {first + "kill -9 $$", false, "signal: killed"},
		"it says very much":    {first + "head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1", false, "exit status 1"},
		"it is no program but": {"exit 7", true, "exit status 7"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := sparkAt(t, spark+c.script)
			err := runSpark(t.Context(), t, s, &told{})
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "CANARY") {
				t.Fatalf("%v", err)
			}
			if away := new(engine.UnreachableError); errors.As(err, &away) != c.unreachable {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

func TestSparkEndsWithAllItStarted(t *testing.T) {
	s, dir := sparkAt(t, spark+"trap '' TERM\n(trap '' TERM; sleep 1000) & echo $! > \"$here/child.new\"; mv \"$here/child.new\" \"$here/child\"; wait; wait")
	s.Grace = 300 * time.Millisecond
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runSpark(ctx, t, s, &told{}) }()
	child := filepath.Join(dir, "child")
	waitFor(t, func() bool { _, err := os.Stat(child); return err == nil })
	cancel(why)
	select {
	case err := <-ended:
		if !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it has not ended")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, child)))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { // a child that nobody waits for is a zombie for a moment
		raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		return err != nil || strings.Contains(string(raw), ") Z ") || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	})
}

func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ready() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it has not happened")
		}
	}
}

func TestSparksSettings(t *testing.T) {
	s, _ := sparkAt(t, works)
	s.Conf = []string{"nothing"}
	wrong := new(catalog.SettingError)
	if _, err := engine.NewSpark(s, nil); !errors.As(err, &wrong) {
		t.Errorf("a setting without a value: %v", err)
	}
	s, _ = sparkAt(t, works)
	s.Lake.Kind = catalog.SQL
	if _, err := engine.NewSpark(s, nil); !errors.As(err, &wrong) {
		t.Errorf("an SQL catalog: %v", err)
	}
	s.Catalog = "theirs"
	if _, err := engine.NewSpark(s, nil); err != nil {
		t.Errorf("a catalog of their own: %v", err)
	}
	s.Program = ""
	away := new(engine.UnreachableError)
	if _, err := engine.NewSpark(s, []string{"SPARK_HOME=/nowhere"}); !errors.As(err, &away) || len(away.Hints()) == 0 {
		t.Errorf("no Spark: %v", err)
	}
}

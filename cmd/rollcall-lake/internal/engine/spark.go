package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
)

// SparkSettings say how Spark is started and how it finds the lake.
type SparkSettings struct {
	Program string   // spark-sql; empty: that of SPARK_HOME, else on the PATH
	Conf    []string // KEY=VALUE, as for spark-submit --conf; they go before ours
	Catalog string   // a catalog that Spark's own configuration has; empty: one that is made of Lake
	Lake    catalog.Settings
	Grace   time.Duration // that Spark has to end
}

// OurCatalog is the name of the catalog in Spark that is made of the lake's settings.
const OurCatalog = "rollcall"

// SparkEngine runs statements in one session of spark-sql.
type SparkEngine struct {
	settings SparkSettings
	program  string
	env      []string
}

// NewSpark finds the program. environ is what it is started with; secrets go there, and nowhere else.
func NewSpark(s SparkSettings, environ []string) (*SparkEngine, error) {
	for _, c := range s.Conf {
		if key, _, ok := strings.Cut(c, "="); !ok || key == "" {
			return nil, &catalog.SettingError{Setting: "spark-conf", What: fmt.Sprintf("%q is not KEY=VALUE", key)}
		}
	}
	if s.Catalog == "" && s.Lake.Kind != catalog.REST {
		return nil, &catalog.SettingError{Setting: "spark-catalog", What: "it is missing, and only of a REST catalog is one made here", Advice: []string{
			"name the catalog in Spark's own configuration (spark.sql.catalog.NAME…; of Postgres it has type=jdbc) by --spark-catalog NAME",
		}}
	}
	path, err := findSpark(s.Program, environ)
	if err != nil {
		return nil, err
	}
	env := slices.DeleteFunc(slices.Clone(environ), func(v string) bool { return strings.HasPrefix(v, "ROLLCALL_") })
	for name, secret := range sparkSecrets(s.Lake) {
		if secret != "" {
			env = append(env, name+"="+secret.Reveal())
		}
	}
	return &SparkEngine{s, path, env}, nil
}

// sparkSecrets are the variables by which Iceberg's REST client gets what is secret: env:NAME in a setting is the variable's value.
func sparkSecrets(s catalog.Settings) map[string]catalog.Secret {
	return map[string]catalog.Secret{"ROLLCALL_LAKE_URI": s.URI, "ROLLCALL_LAKE_TOKEN": s.Token, "ROLLCALL_LAKE_CREDENTIAL": s.Credential}
}

func findSpark(named string, environ []string) (string, error) {
	if named == "" {
		named = "spark-sql"
		for _, v := range environ {
			if home, ok := strings.CutPrefix(v, "SPARK_HOME="); ok && home != "" {
				named = filepath.Join(home, "bin", "spark-sql")
			}
		}
	}
	path, err := exec.LookPath(named)
	if err != nil {
		return "", &UnreachableError{"Spark", err.Error(), []string{"install Spark on this machine, and set SPARK_HOME, put its bin on the PATH, or name the program: --spark-sql PATH"}}
	}
	return path, nil
}

// conf is Spark's configuration, ours first: of two with one key spark-submit takes the last.
func (e *SparkEngine) conf() []string {
	out := []string{"spark.sql.catalogImplementation=in-memory", "spark.ui.showConsoleProgress=true"}
	if s := e.settings.Lake; e.settings.Catalog == "" {
		at := "spark.sql.catalog." + OurCatalog
		out = append(out, "spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
			at+"=org.apache.iceberg.spark.SparkCatalog", at+".type=rest", at+".uri=env:ROLLCALL_LAKE_URI", at+".cache-enabled=false")
		if s.Token != "" {
			out = append(out, at+".token=env:ROLLCALL_LAKE_TOKEN")
		}
		if s.Credential != "" {
			out = append(out, at+".credential=env:ROLLCALL_LAKE_CREDENTIAL")
		}
		if s.Warehouse != "" {
			out = append(out, at+".warehouse="+s.Warehouse)
		}
		if strings.HasPrefix(s.Location, "s3:") {
			out = append(out, at+".io-impl=org.apache.iceberg.aws.s3.S3FileIO")
		}
		if s.Endpoint != "" {
			out = append(out, at+".s3.endpoint="+s.Endpoint, fmt.Sprintf("%s.s3.path-style-access=%t", at, s.PathStyle))
		}
		if s.Region != "" {
			out = append(out, at+".client.region="+s.Region)
		}
	}
	return append(out, e.settings.Conf...)
}

// Run runs statements one after the other.
func (e *SparkEngine) Run(ctx context.Context, statements []Statement, h Hooks) (err error) {
	folder, err := os.MkdirTemp("", "rollcall-lake-")
	if err != nil {
		return fmt.Errorf("make a folder for the SQL: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	l := &sparkListener{mark: "rollcall-lake-" + rand.Text(), statements: statements, hooks: h, at: -1, began: time.Now()}
	file := filepath.Join(folder, "job.sql")
	if err := os.WriteFile(file, []byte(script(l.mark, statements)), 0o600); err != nil {
		return fmt.Errorf("write the SQL: %w", err)
	}
	args := []string{"--name", "rollcall-lake"}
	for _, c := range e.conf() {
		args = append(args, "--conf", c)
	}
	cmd := exec.CommandContext(ctx, e.program, append(args, "-f", file)...) //nolint:gosec // the operator names the program
	cmd.Env = e.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = e.settings.Grace
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start Spark: %w", err)
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("start Spark: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return &UnreachableError{"Spark", err.Error(), []string{"--spark-sql PATH, or SPARK_HOME"}}
	}
	var both sync.WaitGroup
	both.Go(func() { lines(out, l.result) })
	both.Go(func() { lines(said, l.log) })
	err = wait(ctx, cmd, &both, e.settings.Grace)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil || l.at < len(statements) {
		return e.explain(l, err)
	}
	return nil
}

// wait waits until the program has ended and all it said is read. What is left of its process group when the context has ended is killed after the grace.
func wait(ctx context.Context, cmd *exec.Cmd, both *sync.WaitGroup, grace time.Duration) error {
	read := make(chan struct{})
	go func() { both.Wait(); close(read) }()
	select {
	case <-read:
	case <-ctx.Done():
		_ = cmd.Cancel() // the pipes end when its processes have
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-read:
		case <-t.C:
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // none may be left
	}
	err := cmd.Wait()
	<-read
	return err
}

// explain is what the lines that were kept say.
func (e *SparkEngine) explain(l *sparkListener, err error) error {
	what := "it ended before its work was done"
	if err != nil {
		what = err.Error()
	}
	if len(l.kept) > 0 {
		what = l.kept[0]
		if last := l.kept[len(l.kept)-1]; last != what && strings.HasPrefix(last, "Caused by: ") {
			what += "; " + last
		}
	}
	what = e.clean(brief(what))
	if l.at < 0 {
		return &UnreachableError{"Spark", what, []string{
			"it did not come as far as the first statement: --log-level debug shows all that it says",
			"Iceberg's jars must be there: --spark-conf spark.jars=… or spark.jars.packages=… (iceberg-spark-runtime, and iceberg-aws-bundle for S3)",
		}}
	}
	name := "end"
	if l.at < len(l.statements) {
		name = l.statements[l.at].String()
	}
	return &FailedError{"Spark", name, what, []string{
		"Iceberg's jars must be there (--spark-conf spark.jars=…), and reach the catalog and the storage; --log-level debug shows all that Spark says", again,
	}}
}

// clean takes what is secret out of a text.
func (e *SparkEngine) clean(text string) string {
	secrets := []catalog.Secret{e.settings.Lake.Token, e.settings.Lake.Credential}
	for _, v := range e.env {
		name, value, _ := strings.Cut(v, "=")
		if name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_SESSION_TOKEN" {
			secrets = append(secrets, catalog.Secret(value))
		}
	}
	return redact(e.settings.Lake.Redact(text), secrets...)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/engine"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
)

// runFlags are those of run.
type runFlags struct {
	engine                string
	print                 bool
	timeout, every, grace time.Duration
	trino                 engine.TrinoSettings
	spark                 engine.SparkSettings
}

func (r *runFlags) add(f *pflag.FlagSet) {
	f.StringVar(&r.engine, "engine", "", "spark or trino; with --print duckdb too")
	f.BoolVar(&r.print, "print", false, "print the SQL for the tables as they are now, and run nothing")
	f.DurationVar(&r.timeout, "timeout", 0, "time after which the job is cancelled; 0: none")
	f.DurationVar(&r.every, "every", 5*time.Second, "time between two lines about a statement's progress")
	f.StringVar(&r.trino.URL, "trino-url", "", "of Trino's coordinator: https://HOST:PORT")
	f.StringVar(&r.trino.User, "trino-user", "rollcall", "who the job runs as")
	f.StringVar(&r.trino.Catalog, "trino-catalog", "lake", "Trino's name for the catalog")
	f.DurationVar(&r.trino.Patience, "trino-patience", 30*time.Second, "time that a coordinator may be out of reach")
	f.StringVar(&r.spark.Program, "spark-sql", "", "the program spark-sql (default: that of SPARK_HOME, else on the PATH)")
	f.StringArrayVar(&r.spark.Conf, "spark-conf", nil, "`KEY=VALUE` for Spark, any number of times; no secrets: others see a command line")
	f.StringVar(&r.spark.Catalog, "spark-catalog", "", "name of the catalog in Spark's own configuration (default: one is made of --catalog rest --uri …)")
	f.DurationVar(&r.grace, "grace", 20*time.Second, "time that Spark has to stop")
}

func runLong() string {
	var b strings.Builder
	for _, j := range engine.Jobs() {
		made := ""
		if j.Table != "" {
			made = " (" + j.Table + ")"
		}
		fmt.Fprintf(&b, "  %-9s %s%s\n", j.Name, j.Does, made)
	}
	return `Have an engine that you run already do heavy work on the lake's tables: Spark (spark-sql of this machine,
its master as you configured it) or Trino. The same SQL gives the same tables on both, and on DuckDB.

` + b.String() + `
Several jobs run one after the other, in one session of Spark, on one snapshot of users. A job changes no published table; compact changes files, and
nothing that is in them. It writes tables of its own beside them, each by one commit, and can be run again at
any time: it makes the same of the same run. history takes no run that is older than what it has.
publish, status, rollback and maintain leave these tables alone. erase removes them, for they hold what users
were: run the jobs again after it. history then begins anew.

Trino is asked over HTTP; ROLLCALL_LAKE_TRINO_PASSWORD or ROLLCALL_LAKE_TRINO_TOKEN is sent over https only.
--trino-catalog is Trino's name for the very catalog that is published to. Spark gets a catalog made of
the settings here where that is a REST catalog; name your own by --spark-catalog. Iceberg's jars for Spark are
yours to give, in spark-defaults.conf or by --spark-conf. Secrets go to it in its environment.

Ctrl-C cancels the statement, and ends Spark with all it started.`
}

func (a *app) runCommand() *cobra.Command {
	var r runFlags
	cmd := &cobra.Command{
		Use:   "run [--engine spark|trino JOB…]",
		Short: "Have Spark or Trino do heavy work: history, people, flatten, compact",
		Long:  runLong(),
		Example: `  rollcall-lake run                                                  # lists the jobs
  rollcall-lake run --engine trino --trino-url https://trino:8443 people
  rollcall-lake run --engine spark --spark-conf spark.master=yarn history people flatten
  rollcall-lake run --engine trino --print flatten > flatten.sql`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var jobs []engine.Job
			for _, name := range args {
				j, ok := engine.Find(name)
				if !ok {
					return &usageError{fmt.Sprintf("there is no job %q", name), []string{"rollcall-lake run lists them"}}
				}
				jobs = append(jobs, j)
			}
			if len(jobs) == 0 {
				return a.listJobs(r)
			}
			return a.runJobs(cmd.Context(), r, jobs)
		},
	}
	r.add(cmd.Flags())
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) listJobs(r runFlags) error {
	if r.engine != "" || r.print {
		return &usageError{"the job is missing", []string{"rollcall-lake run lists them"}}
	}
	if a.json {
		type job struct {
			Job   string `json:"job"`
			Table string `json:"table"` // empty: none
			Does  string `json:"does"`
		}
		var out []job
		for _, j := range engine.Jobs() {
			out = append(out, job{j.Name, j.Table, j.Does})
		}
		return a.document(out)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "job\ttable\twhat it does")
	for _, j := range engine.Jobs() {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", j.Name, orDash(j.Table), j.Does)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// runner is an engine.
type runner interface {
	Run(ctx context.Context, statements []engine.Statement, h engine.Hooks) error
}

// runnerOf is the engine of the flags, and its name for the catalog.
func (a *app) runnerOf(r runFlags) (runner, string, error) {
	switch r.engine {
	case engine.Trino:
		s := r.trino
		password, _ := a.env("ROLLCALL_LAKE_TRINO_PASSWORD")
		token, _ := a.env("ROLLCALL_LAKE_TRINO_TOKEN")
		s.Password, s.Token, s.Every = catalog.Secret(password), catalog.Secret(token), r.every
		e, err := engine.NewTrino(s)
		return e, s.Catalog, err
	case engine.Spark:
		s := r.spark
		s.Lake, s.Grace = a.settings, r.grace
		at := s.Catalog
		if at == "" {
			at = engine.OurCatalog
		}
		e, err := engine.NewSpark(s, os.Environ())
		return e, at, err
	}
	return nil, "", &usageError{fmt.Sprintf("engine: %q is not spark or trino", r.engine), []string{"--engine spark or --engine trino, or ROLLCALL_LAKE_ENGINE"}}
}

func (a *app) runJobs(ctx context.Context, r runFlags, jobs []engine.Job) error {
	var e runner
	at := "lake"
	if !r.print {
		var err error
		if e, at, err = a.runnerOf(r); err != nil {
			return err
		}
	} else if at = r.catalogName(); at == "" {
		return &usageError{fmt.Sprintf("engine: %q is not spark, trino or duckdb", r.engine), []string{"--engine, or ROLLCALL_LAKE_ENGINE"}}
	}
	var in engine.Input
	err := a.withLake(ctx, false, func(ctx context.Context, l *lake.Lake) (err error) {
		in, err = a.jobInput(ctx, l, at)
		return err
	})
	if err != nil {
		return err
	}
	statements, err := engine.Statements(r.engine, in, jobs...)
	if err != nil {
		return err
	}
	if r.print {
		for _, s := range statements {
			if _, err := fmt.Fprintf(a.stdout, "%s;\n", s.SQL); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		return nil
	}
	if r.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.timeout, &timeoutError{r.timeout})
		defer cancel()
	}
	return a.reportJobs(ctx, r, in, e, statements)
}

// catalogName is the engine's name for the catalog, as far as flags say; empty: the engine is not known.
func (r runFlags) catalogName() string {
	switch r.engine {
	case engine.Trino:
		return r.trino.Catalog
	case engine.Spark:
		if r.spark.Catalog == "" {
			return engine.OurCatalog
		}
		return r.spark.Catalog
	case engine.DuckDB:
		return "lake"
	}
	return ""
}

// timeoutError says that a job took too long.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("the job was cancelled: it took longer than %s", e.after)
}

// Hints says what to do.
func (e *timeoutError) Hints() []string {
	return []string{"--timeout gives it more time; the tables are as they were before its last statement"}
}

// jobInput is what a job works on: the tables as they are now.
func (a *app) jobInput(ctx context.Context, l *lake.Lake, at string) (engine.Input, error) {
	in := engine.Input{Catalog: at, Namespace: strings.Split(a.namespace, ".")}
	pins, err := l.Pins(ctx)
	if err != nil {
		return in, err
	}
	for _, p := range pins {
		in.Published = append(in.Published, p.Table)
		if p.Table == "users" {
			in.Run, in.Snapshot = p.Run, p.Snapshot
		}
	}
	// A run's id begins with the time when it began, in UTC: 20261123-020000-104215.
	if in.At, err = time.Parse("20060102.150405.000000", strings.ReplaceAll(in.Run, "-", ".")); err != nil {
		return in, &usageError{fmt.Sprintf("table users shows the run %q, which is none of rollcall's", in.Run), []string{"rollcall-lake publish makes it show one"}}
	}
	in.Made, err = l.There(ctx, engine.Tables())
	return in, err
}

// worked is what run prints with --json.
type worked struct {
	Command    string  `json:"command"`
	Engine     string  `json:"engine"`
	Run        string  `json:"run_id"`
	Statements []did   `json:"statements"`
	Seconds    float64 `json:"seconds"`
}

type did struct {
	Job       string `json:"job"`
	Statement string `json:"statement"`
	engine.Outcome
}

func (a *app) reportJobs(ctx context.Context, r runFlags, in engine.Input, e runner, statements []engine.Statement) error {
	began := time.Now()
	out := worked{Command: "run", Engine: r.engine, Run: in.Run, Statements: []did{}}
	log := a.log.With().Str("engine", r.engine).Str("run", in.Run).Logger()
	var told time.Time
	err := e.Run(ctx, statements, engine.Hooks{
		Begun: func(s engine.Statement) {
			log.Info().Str("job", s.Job).Str("statement", s.Name).Msg("statement begins")
		},
		Progress: func(s engine.Statement, p engine.Progress) {
			if time.Since(told) < r.every {
				return
			}
			told = time.Now()
			l := log.Info().Str("job", s.Job).Str("statement", s.Name).Float64("percent", p.Percent).Int("done", p.Done).Int("of", p.Total)
			if p.Stage != "" {
				l = l.Str("stage", p.Stage)
			}
			if p.Identifier != "" {
				l = l.Str("query", visible(p.Identifier))
			}
			if p.Rows >= 0 {
				l = l.Int64("rows_read", p.Rows)
			}
			l.Float64("seconds", time.Since(began).Seconds()).Msg("statement runs")
		},
		Done: func(s engine.Statement, o engine.Outcome) {
			out.Statements = append(out.Statements, did{s.Job, s.Name, o})
			l := log.Info().Str("job", s.Job).Str("statement", s.Name)
			if o.Rows >= 0 {
				l = l.Int64("rows", o.Rows)
			}
			l.Float64("seconds", o.Seconds).Msg("statement done")
		},
		Said: func(line string) { log.Debug().Str("from", r.engine).Msg(visible(line)) },
	})
	if err != nil {
		if late := new(timeoutError); errors.As(err, &late) {
			return late
		}
		return err
	}
	out.Seconds = time.Since(began).Seconds()
	if a.json {
		return a.document(out)
	}
	for _, s := range out.Statements {
		rows := ""
		if s.Rows >= 0 {
			rows = ", " + comma(s.Rows) + " rows"
		}
		if _, err := fmt.Fprintf(a.stdout, "%s: %s: %.1f s%s\n", s.Job, s.Statement, s.Seconds, rows); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	_, err = fmt.Fprintf(a.stdout, "%s by %s in %.1f s\n", in.Run, r.engine, out.Seconds)
	return err
}

// forgetJobs removes the tables that jobs made: what users were is in them, and which of it should be gone cannot be told there.
func (a *app) forgetJobs(ctx context.Context, l *lake.Lake) error {
	return l.Drop(ctx, engine.Tables(), func(table string, files int) {
		a.log.Warn().Str("table", table).Int("files_removed", files).Msg("the table of a job is removed, for it held what users were: run the job again")
	})
}

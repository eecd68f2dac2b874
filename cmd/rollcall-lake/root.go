package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
)

// app is what the commands share.
type app struct {
	stdout, stderr io.Writer
	env            func(string) (string, bool)
	log            zerolog.Logger

	settings            catalog.Settings
	warehouse           string
	namespace           string
	buckets, heldRows   int
	logLevel, logFormat string
	json                bool
}

const long = `Publish versions of a rollcall warehouse to Apache Iceberg tables, for Spark, Trino, DuckDB, PyIceberg
and whatever else reads Iceberg: tables of the same names and columns as in the warehouse.

Usually rollcall runs this program itself, after every sync, where lake: is configured. By hand:

  rollcall-lake publish --warehouse ./warehouse \
    --catalog sql --uri sqlite:/srv/lake/catalog.db --location file:///srv/lake
  rollcall-lake status

Settings come from flags, or from variables of the flag's name: --path-style is
ROLLCALL_LAKE_PATH_STYLE. Only from variables come secrets: ROLLCALL_LAKE_TOKEN (a bearer token) and
ROLLCALL_LAKE_CREDENTIAL (CLIENT:SECRET) for a REST catalog; give a --uri that holds a password by
ROLLCALL_LAKE_URI. Credentials of object storage come from the usual AWS chain (AWS_ACCESS_KEY_ID …).

A table shows one run or another, never half of one: every table is one atomic commit of the catalog,
marked with the run. Any number of publishers may run at once, be killed, and run again.`

func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "rollcall-lake",
		Short:             "Publish versions of a rollcall warehouse to Iceberg tables",
		Long:              long,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd.Flags()) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Sprintf("unknown command %q", args[0]), []string{"rollcall-lake -h lists them"}}
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.SetOut(a.stdout)
	cmd.SetErr(a.stderr)
	cmd.SetFlagErrorFunc(usage)
	f := cmd.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&a.warehouse, "warehouse", "./warehouse", "rollcall's warehouse")
	f.StringVar(&a.settings.Kind, "catalog", "", "rest or sql")
	f.StringVar((*string)(&a.settings.URI), "uri", "", "the catalog: https://…; of sql: postgres://… or sqlite:FILE")
	f.StringVar(&a.settings.Warehouse, "catalog-warehouse", "", "a REST catalog's own name of a warehouse")
	f.StringVar(&a.settings.Location, "location", "", "where the tables' files are: s3://BUCKET/PREFIX or file:///FOLDER")
	f.StringVar(&a.namespace, "namespace", "rollcall", "of the tables; a dot between levels")
	f.IntVar(&a.buckets, "buckets", 16, "of org_id, in tables that are made from now on")
	f.IntVar(&a.heldRows, "held-rows", lake.HeldRows, "of a table that are held in memory while it is compared, in 40 bytes each; a larger one is compared in several passes")
	f.StringVar(&a.settings.Endpoint, "endpoint", "", "of an S3-compatible server")
	f.StringVar(&a.settings.Region, "region", "", "of the bucket")
	f.BoolVar(&a.settings.PathStyle, "path-style", false, "address buckets in the path, as S3-compatible servers want it")
	f.StringVar(&a.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&a.logFormat, "log-format", "auto", "auto, console or json")
	cmd.AddCommand(a.publishCommand(), a.statusCommand(), a.maintainCommand(), a.rollbackCommand(), a.eraseCommand())
	cmd.AddCommand(a.enqueueCommand(), a.workerCommand(), a.nightCommand(), a.runCommand())
	return cmd
}

var namespaceName = regexp.MustCompile(`^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$`)

// prepare takes what was not given as a flag from the environment, and checks it.
func (a *app) prepare(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		v, ok := a.env(variable(f.Name))
		if !ok || v == "" || f.Changed || f.Name == "help" || f.Name == "warehouse" {
			return
		}
		if err := flags.Set(f.Name, v); err != nil {
			errs = append(errs, &usageError{message: fmt.Sprintf("%s: %q is not what --%s takes", variable(f.Name), v, f.Name)})
		}
	})
	token, _ := a.env("ROLLCALL_LAKE_TOKEN")
	credential, _ := a.env("ROLLCALL_LAKE_CREDENTIAL")
	a.settings.Token, a.settings.Credential = catalog.Secret(token), catalog.Secret(credential)
	a.logger()
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, a.logLevel) {
		errs = append(errs, &usageError{message: fmt.Sprintf("log-level: %q is not debug, info, warn or error", a.logLevel)})
	}
	if !slices.Contains([]string{"auto", "console", "json"}, a.logFormat) {
		errs = append(errs, &usageError{message: fmt.Sprintf("log-format: %q is not auto, console or json", a.logFormat)})
	}
	if !namespaceName.MatchString(a.namespace) {
		errs = append(errs, &usageError{message: fmt.Sprintf("namespace: %q is no name of letters, digits and _", a.namespace)})
	}
	if a.buckets < 1 || a.buckets > 4096 {
		errs = append(errs, &usageError{message: fmt.Sprintf("buckets: %d is not between 1 and 4096", a.buckets)})
	}
	if a.heldRows < 1 || a.heldRows > math.MaxUint32 {
		errs = append(errs, &usageError{message: fmt.Sprintf("held-rows: %d is not between 1 and %d", a.heldRows, uint32(math.MaxUint32))})
	}
	return errors.Join(errs...)
}

func variable(flag string) string {
	return "ROLLCALL_LAKE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func (a *app) logger() {
	level, err := zerolog.ParseLevel(a.logLevel)
	if err != nil || a.logLevel == "" {
		level = zerolog.InfoLevel
	}
	to := io.Writer(&redacting{a.stderr, &a.settings})
	if f, ok := a.stderr.(*os.File); a.logFormat == "console" || a.logFormat == "auto" && ok && term.IsTerminal(int(f.Fd())) {
		to = zerolog.ConsoleWriter{Out: to, NoColor: os.Getenv("NO_COLOR") != "", TimeFormat: "15:04:05"}
	}
	a.log = zerolog.New(to).Level(level).With().Timestamp().Logger()
	// What libraries say by themselves is for those who look for a fault; paths of files may be in it.
	quiet := a.log.With().Str("from", "iceberg-go").Logger()
	log.SetFlags(0)
	log.SetOutput(debugWriter{quiet})
	slog.SetDefault(slog.New(slog.NewTextHandler(debugWriter{quiet}, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

// redacting writes lines without the settings' secrets.
type redacting struct {
	to       io.Writer
	settings *catalog.Settings
}

func (r *redacting) Write(p []byte) (int, error) {
	if _, err := io.WriteString(r.to, r.settings.Redact(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

type debugWriter struct{ log zerolog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug().Msg(strings.TrimSpace(string(p)))
	return len(p), nil
}

// open opens the lake of the settings. The caller calls closed.
func (a *app) open(ctx context.Context, write bool) (l *lake.Lake, closed func() error, err error) {
	c, err := catalog.Open(ctx, a.settings)
	if err != nil {
		return nil, nil, err
	}
	if write {
		if err := c.EnsureNamespace(ctx, strings.Split(a.namespace, ".")); err != nil {
			return nil, nil, errors.Join(err, c.Close())
		}
	}
	return lake.New(c, lake.Options{
		Namespace: a.namespace, Location: a.settings.Location, Buckets: a.buckets, Catalog: a.settings.Kind, HeldRows: a.heldRows,
		Memory: memory.DefaultAllocator,
		Hooks: lake.Hooks{Retry: func(table string, attempt int, err error) {
			e := a.log.Info().Str("table", table).Int("attempt", attempt)
			if err != nil {
				e = e.Str("because", visible(err.Error()))
			}
			e.Msg("another commit came first, or it is not known whether ours was made: trying again")
		}},
	}), c.Close, nil
}

func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print one JSON document")
}

func comma(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/output"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
)

// documentedQuery is what the documentation of the users table shows, without its semicolon.
const documentedQuery = "SELECT user_id, email, role, preferences, updated_at FROM users ORDER BY updated_at DESC"

// maxSQL bounds SQL from standard input.
const maxSQL = 16 << 20

type queryFlags struct {
	format, file  string
	allowExternal bool
}

func (a *app) queryCommand() *cobra.Command {
	var f queryFlags
	cmd := &cobra.Command{
		Use:     "query [SQL | -]",
		GroupID: groupRead,
		Short:   "Run read-only SQL on the current version",
		Long: `Run read-only SQL on the current version; without SQL, the documented query:

  ` + documentedQuery + `;

With - the SQL is read from standard input. Several statements may be separated by semicolons;
the rows of the last one are printed. A query runs on the version that was current when it began,
whatever is published meanwhile, and waits for no run.

The SQL sees the tables and nothing else: no files, no network, no extensions, no settings.
--allow-external lifts that. The tables cannot be changed in any case.

Values are exact in every format: integers keep all their digits, JSON columns are the API's own
text. NULL is NULL in table and markdown, null in json and ndjson, and an empty field in csv,
where an empty text is quoted. table holds the whole result in memory; the others stream.`,
		Example: `  rollcall query
  rollcall query "SELECT role_name, count(*) FROM users_flat GROUP BY ALL ORDER BY 2 DESC"
  rollcall query -o users.parquet "FROM users"
  rollcall query --format ndjson "FROM users_changes" | jq .op
  rollcall query --format csv - < report.sql`,
		Args: atMost(1, `rollcall query "SELECT …": quote the SQL, so that the shell keeps it together`),
		RunE: func(cmd *cobra.Command, args []string) error { return a.query(cmd, args, f) },
	}
	names := make([]string, len(output.Formats()))
	for i, format := range output.Formats() {
		names[i] = string(format)
	}
	cmd.Flags().StringVar(&f.format, "format", "", "table, csv, json, ndjson, markdown or parquet (default: what FILE ends in, else table)")
	cmd.Flags().StringVarP(&f.file, "output", "o", "", "write to `FILE`, which is there whole or not at all")
	cmd.Flags().BoolVar(&f.allowExternal, "allow-external", false, "let the SQL read and write files, attach databases and change settings")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

func (a *app) query(cmd *cobra.Command, args []string, f queryFlags) error {
	format, err := a.queryFormat(f)
	if err != nil {
		return err
	}
	v, err := a.current(cmd)
	if err != nil {
		return err
	}
	sql := documentedQuery
	if len(args) == 1 {
		sql = args[0]
	}
	if sql == "-" {
		raw, err := io.ReadAll(io.LimitReader(a.stdin, maxSQL+1))
		if err != nil {
			return fmt.Errorf("read the SQL: %w", err)
		}
		if len(raw) > maxSQL {
			return &cli.UsageError{Message: fmt.Sprintf("the SQL has more than %d bytes", maxSQL)}
		}
		sql = string(raw)
	}
	options := duckdb.ReaderOptions{AllowExternal: f.allowExternal}
	if format == output.Parquet {
		return a.queryParquet(cmd.Context(), v, sql, f.file, options)
	}
	return a.queryRows(cmd.Context(), v, sql, format, f.file, options)
}

func (a *app) queryFormat(f queryFlags) (output.Format, error) {
	format := output.Table
	if guess, ok := output.ForFile(f.file); ok {
		format = guess
	}
	if f.format != "" {
		format = output.Format(f.format)
	}
	switch {
	case !slices.Contains(output.Formats(), format):
		return "", &cli.UsageError{Message: fmt.Sprintf("--format %q: must be table, csv, json, ndjson, markdown or parquet", f.format)}
	case format == output.Parquet && f.file == "" && a.stdout.Terminal:
		return "", &cli.UsageError{Message: `--format "parquet": needs -o FILE, or a standard output that is no terminal`}
	}
	return format, nil
}

func (a *app) queryRows(ctx context.Context, v publish.Version, sql string, format output.Format, file string, o duckdb.ReaderOptions) (err error) {
	r, err := duckdb.OpenReader(ctx, v.Database(), o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	rows, err := r.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if file == "" {
		_, err := output.Write(a.stdout, format, rows, a.screen())
		return err
	}
	return toFile(file, func(f *output.File) error {
		_, err := output.Write(f, format, rows, output.Screen{})
		return err
	})
}

// queryParquet has DuckDB write the file, aside from its name or, for standard output, in a private folder.
func (a *app) queryParquet(ctx context.Context, v publish.Version, sql, file string, o duckdb.ReaderOptions) (err error) {
	if file != "" {
		return toFile(file, func(f *output.File) error {
			aside, ok := f.Aside()
			if !ok {
				return &cli.UsageError{Message: fmt.Sprintf("-o %q: Parquet can only be written to a file", file)}
			}
			return duckdb.ExportParquet(ctx, v.Database(), sql, aside, o)
		})
	}
	dir, err := os.MkdirTemp("", "rollcall-query-")
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "rows.parquet")
	if err := duckdb.ExportParquet(ctx, v.Database(), sql, path, o); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(a.stdout, f); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	return nil
}

// toFile writes a file whole or not at all.
func toFile(path string, write func(*output.File) error) error {
	f, err := output.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}

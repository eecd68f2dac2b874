package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/version"
)

func (a *app) publishCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Make the tables show the current version",
		Long: `Make the tables show the current version of the warehouse.

The version is read by its manifest, and every file of it compared with that first. Then each table is
read and compared with the version's, row by row, and what differs is committed: rows that the version
does not have are deleted by position, and those that the table does not have are written; a table of
which more than 30 % changed is replaced. A table that was made from the same files, and that nobody
wrote to since, is not read. Everything of a table is one commit, with the run in the table's property
rollcall.run-id, and the certificate in the snapshot's summary:

  rollcall.run-id, rollcall.certified, rollcall.proof, rollcall.users-sha256, rollcall.rows

A table that shows the run already is not looked at again. A run older than the one a table shows is
refused (rollback makes tables show it all the same), and a lake that was rolled back stays so until a
newer run comes: publish says "held" then, and exits with 0, for everything is as it was told to be.
It may be killed at any time, and run again, here or on another machine.

Columns: new ones are added; a type that Iceberg can widen is widened; one that it cannot becomes a new
column of the same name, and the table is replaced; one that the version no longer has is dropped. A table that
the version no longer has is emptied. In users_flat, _run_id is the run that last wrote the row in the
lake, and _last_seen_run is equal to it where that run saw the user: rows that differ in nothing else are not
written every night.`,
		Example: `  rollcall-lake publish --warehouse /var/lib/rollcall \
    --catalog rest --uri https://catalog.example.com --location s3://lake/rollcall --region eu-central-1
  rollcall-lake publish --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := version.Current(a.warehouse)
			if err != nil {
				return err
			}
			return a.withLake(cmd.Context(), true, func(ctx context.Context, l *lake.Lake) error {
				return a.report("publish", v.Run, func(done func(lake.Result)) error { return l.Publish(ctx, input(v), done) })
			})
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

// withLake calls with the lake of the settings.
func (a *app) withLake(ctx context.Context, write bool, f func(context.Context, *lake.Lake) error) error {
	l, closed, err := a.open(ctx, write)
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, l), closed())
}

// input is what one or several versions are to the lake: theirs is the newest of their runs.
func input(versions ...*version.Version) lake.Input {
	in := lake.Input{Tables: version.Names(versions...)}
	for _, v := range versions {
		if v.Run > in.Run {
			in.Run = v.Run
			in.Certificate = lake.Certificate{Certified: v.Certificate.Certified, Proof: v.Certificate.Proof, UsersSHA256: v.Certificate.UsersSHA256}
		}
	}
	in.Open = func(ctx context.Context, name string) (lake.Source, error) {
		t, err := version.OpenTable(ctx, memory.DefaultAllocator, name, versions...)
		if err != nil {
			return nil, err
		}
		return source{t}, nil
	}
	return in
}

// source is a version's table as the lake takes it.
type source struct{ *version.Table }

func (s source) Schema() *arrow.Schema { return s.Table.Schema }
func (s source) Rows() int64           { return s.Table.Rows }
func (s source) SHA256() string        { return s.Table.SHA256 }

// published is what publish, rollback and erase print with --json.
type published struct {
	Command string        `json:"command"`
	Run     string        `json:"run_id"`
	Tables  []lake.Result `json:"tables"`
	Seconds float64       `json:"seconds"`
}

// report prints what is done to each table, and at the end a line, or with --json a document.
func (a *app) report(command, run string, f func(done func(lake.Result)) error) error {
	began := time.Now()
	out := published{Command: command, Run: run, Tables: []lake.Result{}}
	err := f(func(r lake.Result) {
		out.Tables = append(out.Tables, r)
		e := a.log.Info()
		if r.Did == lake.DidNothing || r.Did == lake.DidMark {
			e = a.log.Debug()
		}
		if r.Did == lake.DidHold {
			e = a.log.Warn()
		}
		e.Str("table", r.Table).Str("did", r.Did).Str("run", r.Run).Int64("rows", r.Rows).Int64("rows_written", r.Appended).Int64("bytes", r.Bytes).
			Float64("seconds", r.Seconds).Msg("table")
	})
	if err != nil {
		return err
	}
	out.Seconds = time.Since(began).Seconds()
	if a.json {
		return a.document(out)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, r := range out.Tables {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s rows\t%s written\t%s\n", r.Table, r.Did, comma(r.Rows), comma(r.Appended), r.Run)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s of %s in %.1f s\n", command, run, out.Seconds)
	return err
}

func (a *app) document(v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", raw)
	return err
}

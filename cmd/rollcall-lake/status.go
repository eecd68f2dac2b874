package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/version"
)

// standing is what status prints with --json.
type standing struct {
	Namespace string  `json:"namespace"`
	Location  string  `json:"location"`
	Current   *string `json:"warehouse_run_id"` // null: there is no warehouse here, or it has no version
	Behind    *bool   `json:"behind"`           // a table shows an older run than the warehouse's current version; null: not known
	Tables    []table `json:"tables"`
}

type table struct {
	lake.Status
	Behind *bool `json:"behind"`
}

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what the tables show, and whether that is the current version",
		Long: `Say what each table shows and takes: the run, rows, data files, delete files, bytes and snapshots,
and whether it is behind the warehouse's current version (where there is a warehouse here).

Many delete files make reading slow, and many snapshots keep files that nobody reads: maintain is for both.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := standing{Namespace: a.namespace, Location: a.settings.Location}
			switch v, err := version.Current(a.warehouse); {
			case err == nil:
				out.Current = &v.Run
			case !errors.Is(err, version.ErrNone):
				return err
			}
			return a.withLake(cmd.Context(), false, func(ctx context.Context, l *lake.Lake) error {
				tables, err := l.Status(ctx)
				if err != nil {
					return err
				}
				for _, t := range tables {
					at := table{Status: t}
					if out.Current != nil {
						behind := t.Run < *out.Current && t.RolledBack < *out.Current
						anyBehind := out.Behind != nil && *out.Behind || behind
						at.Behind, out.Behind = &behind, &anyBehind
					}
					out.Tables = append(out.Tables, at)
				}
				if a.json {
					return a.document(out)
				}
				return a.printStatus(out)
			})
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) printStatus(s standing) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "table\trun\trows\tfiles\tdelete files\tbytes\tsnapshots\t")
	for _, t := range s.Tables {
		remark := ""
		switch {
		case t.RolledBack != "":
			remark = "rolled back from " + t.RolledBack
		case t.Behind != nil && *t.Behind:
			remark = "behind"
		}
		rows := "?"
		if t.Rows >= 0 {
			rows = comma(t.Rows)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%d\t%s\n", t.Table, cmp.Or(t.Run, "-"), rows, t.Files, t.DeleteFiles, comma(t.Bytes), t.Snapshots, remark)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	switch {
	case s.Current == nil:
		return nil
	case *s.Behind:
		_, err := fmt.Fprintf(a.stdout, "behind the warehouse, whose current version is %s\n", *s.Current)
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "the warehouse's current version is %s\n", *s.Current)
	return err
}

package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
)

func (a *app) maintainCommand() *cobra.Command {
	u := lake.Upkeep{DeletedShare: 0.05, TargetBytes: 512 << 20}
	cmd := &cobra.Command{
		Use:   "maintain",
		Short: "Compact files, expire snapshots, remove what failed writers left",
		Long: `Look after the tables, about once a week:

  compact   small files, and files with deleted rows, become one where a partition has --min-files of
            them or of delete files, or more than 5 % of its rows are deleted (--all: wherever there are any)
  expire    snapshots older than --keep-for go, but for the last --keep-snapshots of main; a run makes
            one snapshot of a table. What expired cannot be rolled back to from the snapshots.
  sweep     files that no snapshot has, which killed or losing publishers left, go when they are older
            than --orphan-age. That must be well above the longest publish.

Each is a commit of its own and changes nothing of what a table shows. A publisher may be at work: one of
the two begins again with what the other left.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case u.KeepSnapshots < 1:
				return &usageError{message: "keep-snapshots: at least 1"}
			case u.KeepFor < 0:
				return &usageError{message: "keep-for: it is negative"}
			case u.OrphanAge < time.Hour:
				return &usageError{"orphan-age: at least 1h", []string{"a publisher that is at work has files that no snapshot has yet"}}
			case u.MinFiles < 2:
				return &usageError{message: "min-files: at least 2"}
			}
			return a.withLake(cmd.Context(), false, func(ctx context.Context, l *lake.Lake) error { return a.maintain(ctx, l, u) })
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&u.MinFiles, "min-files", 5, "small files or delete files of a partition from which on it is compacted")
	f.BoolVar(&u.All, "all", false, "compact every partition with a delete file or with two small files")
	f.IntVar(&u.KeepSnapshots, "keep-snapshots", 20, "snapshots of each table that are kept whatever their age")
	f.DurationVar(&u.KeepFor, "keep-for", 7*24*time.Hour, "age up to which all snapshots are kept")
	f.DurationVar(&u.OrphanAge, "orphan-age", 72*time.Hour, "age from which on files that no snapshot has are removed")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) maintain(ctx context.Context, l *lake.Lake, u lake.Upkeep) error {
	began := time.Now()
	tables := []lake.Maintained{}
	err := l.Maintain(ctx, u, func(m lake.Maintained) {
		tables = append(tables, m)
		a.log.Info().Str("table", m.Table).Int("files_before", m.FilesBefore).Int("files_after", m.FilesAfter).Int64("bytes_before", m.BytesBefore).
			Int64("bytes_after", m.BytesAfter).Int("snapshots_expired", m.Expired).Int("orphans", m.Orphans).Float64("seconds", m.Seconds).Msg("maintained")
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(struct {
			Command string            `json:"command"`
			Tables  []lake.Maintained `json:"tables"`
			Seconds float64           `json:"seconds"`
		}{"maintain", tables, time.Since(began).Seconds()})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, m := range tables {
		_, _ = fmt.Fprintf(w, "%s\t%d files became %d\t%d delete files\t%s bytes became %s\t%d snapshots expired\t%d orphans removed\n",
			m.Table, m.FilesBefore, m.FilesAfter, m.DeletesRemoved, comma(m.BytesBefore), comma(m.BytesAfter), m.Expired, m.Orphans)
	}
	return w.Flush()
}

package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// Check is one thing that verify proves.
type Check struct {
	What    string `json:"what"`
	OK      bool   `json:"ok"`
	Wrong   string `json:"wrong,omitempty"`   // what differs, and where
	Skipped string `json:"skipped,omitempty"` // why it was not looked at; that is no difference
}

// Verification is what verify found.
type Verification struct {
	Version string  `json:"version"`
	OK      bool    `json:"ok"`
	Checks  []Check `json:"checks"`
}

func (v *Verification) add(what string, err error) {
	c := Check{What: what, OK: err == nil}
	if err != nil {
		c.Wrong = err.Error()
	}
	v.Checks = append(v.Checks, c)
	v.OK = v.OK && c.OK
}

func (v *Verification) skip(what, why string) {
	v.Checks = append(v.Checks, Check{What: what, OK: true, Skipped: why})
}

// Verify proves, offline, that the current version's DuckDB file, its Parquet files and the journal say the same: bytes against the manifest,
// tables against each other, the canonical hashes of all users against the certificate, every block of every sealed journal against its
// checksums, and the answers in the journal of the version's run against the hashes in the tables. The last is skipped where there is no such
// journal, or it is encrypted and nothing is given to open it with. It fails only where it cannot begin.
func Verify(ctx context.Context, wh *publish.Warehouse, openers ...*journal.Identity) (*Verification, error) {
	version, err := wh.Current()
	if err != nil {
		return nil, err
	}
	v := &Verification{Version: version.Run, OK: true}
	v.add("files and tables of version "+version.Run, version.Verify(ctx))
	if v.OK {
		v.add("canonical hashes of users", verifyHashes(ctx, version))
	}
	runs, err := journal.List(wh.Journal())
	if err != nil {
		v.add("journals", err)
	}
	for _, run := range runs {
		if run.Sealed {
			v.add("journal of run "+run.Run, journal.Check(ctx, run.Dir, openers...))
		}
	}
	if v.OK {
		v.answers(ctx, wh, version, runs, openers)
	}
	return v, ctx.Err()
}

// answers compares the version with the journal of the run that it shows, if that can be read.
func (v *Verification) answers(ctx context.Context, wh *publish.Warehouse, version publish.Version, runs []journal.RunInfo, openers []*journal.Identity) {
	what := "answers of run " + version.Manifest.DataRun + " against the tables"
	i := slices.IndexFunc(runs, func(r journal.RunInfo) bool { return r.Run == version.Manifest.DataRun })
	s, err := summaryOf(version)
	switch {
	case err != nil:
		v.add(what, err)
	case s.PII != "":
		v.skip(what, "rules about personal data changed them on their way into the tables")
	case i < 0:
		v.skip(what, "there is no journal of it: journal: off keeps none")
	case !runs[i].Sealed:
		v.skip(what, "its journal is still open: the next run closes it")
	case runs[i].Encrypted && !slices.ContainsFunc(openers, func(i *journal.Identity) bool { return i != nil }):
		v.skip(what, "its journal is encrypted, and no journal_identity is given")
	default:
		v.add(what, verifyAnswers(ctx, wh, version, runs[i].Dir, openers))
	}
}

// verifyHashes computes the canonical hash of every row anew and compares it with the row's own, and all of them with the certificate.
func verifyHashes(ctx context.Context, v publish.Version) (err error) {
	mem := memory.DefaultAllocator
	users, err := parquet.NewReader(mem, v.Parquet(schema.NameUsers))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, users.Close()) }()
	sum := sha256.New()
	err = eachBatch(ctx, v, mem, schema.NameUsersFlat, transform.BookkeepingColumns, func(flat transform.Columns) error {
		batch, err := users.Next(ctx)
		if err != nil {
			return err
		}
		twelve := transform.ColumnsOf(batch)
		if twelve.Rows() != flat.Rows() {
			return errors.New("users and users_flat do not have the same rows")
		}
		for i := range flat.Rows() {
			row := transform.Row{Bookkeeping: transform.BookkeepingAt(flat, i)}
			row.Twelve(twelve, i)
			if item, models := row.Rehash(); item != row.ItemHash || models != row.ModelsHash {
				return fmt.Errorf("row %d of users: its columns do not have the hash in users_flat", i)
			}
			sum.Write(row.ItemHash[:])
			sum.Write(row.ModelsHash[:])
		}
		return nil
	})
	if err != nil {
		return err
	}
	var s Summary
	if err := json.Unmarshal(v.Manifest.Summary, &s); err != nil {
		return fmt.Errorf("manifest.json: summary: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != s.Certificate.UsersSHA256 {
		return fmt.Errorf("users_sha256 is %s, certified was %s", got, s.Certificate.UsersSHA256)
	}
	return nil
}

// verifyAnswers takes the answers of the version's run through the sweep again, without a request, and compares the hash of each user seen
// with the tables'.
func verifyAnswers(ctx context.Context, wh *publish.Warehouse, v publish.Version, dir string, openers []*journal.Identity) (err error) {
	j, _, err := journal.OpenReadOnly(ctx, dir, openers...)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "rollcall-verify-")
	if err != nil {
		return fmt.Errorf("make room for the users: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	r, err := offline(Options{Command: Sync}, wh, j)
	if err != nil {
		return err
	}
	if r.space, err = newSpace(scratch, 0); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.space.Close()) }()
	r.prior = &prior{}
	if err := r.gather(ctx, scratch); err != nil {
		return err
	}
	defer func() { _ = r.spill.close() }() // it has no name: closing is dropping it
	return r.compareWith(ctx, v)
}

// compareWith compares the users seen with a version's.
func (r *run) compareWith(ctx context.Context, v publish.Version) error {
	return eachBatch(ctx, v, r.mem, schema.NameUsersFlat, transform.BookkeepingColumns, func(flat transform.Columns) error {
		for i := range flat.Rows() {
			row := transform.BookkeepingAt(flat, i)
			o := r.orgOf(row.Scope)
			if o == nil {
				continue
			}
			e := o.roster.find(row.UserID)
			switch {
			case e == nil || row.LastSeen != v.Manifest.DataRun: // kept, or found by a look-up of the absent
			case e.itemHash != row.ItemHash:
				return fmt.Errorf("row %d of users is not what the API answered", i)
			case o.roster.answers(e).modelState == transform.Fetched && row.State == transform.Fetched && e.modelsHash != row.ModelsHash:
				return fmt.Errorf("the models in row %d of users are not what the API answered", i)
			}
		}
		return nil
	})
}

// journalDir is the folder of a run's journal.
func journalDir(wh *publish.Warehouse, run string) string { return filepath.Join(wh.Journal(), run) }

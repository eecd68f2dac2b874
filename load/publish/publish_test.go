package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

func TestPublishAndRollBack(t *testing.T) {
	w := warehouse(t)
	if _, err := w.Current(); !errors.Is(err, ErrNoVersion) {
		t.Errorf("no warehouse: %v", err)
	}
	publish(t, w, "run-1")
	isCurrent(t, w, "run-1")
	publish(t, w, "run-2")
	v := isCurrent(t, w, "run-2")
	if target, err := os.Readlink(filepath.Join(w.Dir(), "current")); err != nil || target != filepath.Join("versions", "run-2") {
		t.Errorf("current leads to %s, %v", target, err)
	}
	if err := w.SetCurrent("run-1"); err != nil {
		t.Fatal(err)
	}
	old := isCurrent(t, w, "run-1")
	if err := w.SetCurrent("run-2"); err != nil {
		t.Fatal(err)
	}
	isCurrent(t, w, "run-2")
	runs, err := w.Versions()
	if d := cmp.Diff([]string{"run-1", "run-2"}, runs); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	if v.Dir == old.Dir || !filepath.IsAbs(v.Dir) || v.Database() != filepath.Join(v.Dir, "users.duckdb") || v.Parquet("roles") != filepath.Join(v.Dir, "parquet", "roles") {
		t.Errorf("%s, %s, %s", v.Dir, v.Database(), v.Parquet("roles"))
	}
	if !v.Has("roles") || v.Has("users") {
		t.Error("the version has other tables")
	}
}

func TestSetCurrentRefusesWhatIsNoVersion(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	for _, run := range []string{"run-2", "", ".", "..", "../versions/run-1", "run-1/", ".building-run-1", "parquet"} {
		if err := w.SetCurrent(run); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", run, err)
		}
	}
	isCurrent(t, w, "run-1")
}

func TestTheManifest(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	v := isCurrent(t, w, "run-1")
	m := decode(t, filepath.Join(v.Dir, "manifest.json"))
	for key, want := range map[string]any{
		"format": 1.0, "run_id": "run-1", "data_run_id": "run-1", "created_at": "2026-03-04T05:06:07Z", "summary": map[string]any{"status": "certified"},
		"tables": []any{map[string]any{"name": "roles", "rows": 3.0}, map[string]any{"name": "users_deleted", "rows": 1.0}, map[string]any{"name": "user_context", "rows": 0.0}},
	} {
		if d := cmp.Diff(want, m[key]); d != "" {
			t.Errorf("%s: %s", key, d)
		}
	}
	paths := map[string]bool{}
	for _, f := range v.Manifest.Files {
		raw, err := os.ReadFile(filepath.Join(v.Dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(raw); f.Size != int64(len(raw)) || f.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %d bytes, %s", f.Path, f.Size, f.SHA256)
		}
		paths[f.Path] = true
	}
	for _, p := range []string{"users.duckdb", "parquet/roles/part-00000.parquet", "parquet/users_deleted/part-00000.parquet", "parquet/user_context/part-00000.parquet"} {
		if !paths[p] {
			t.Errorf("the manifest does not name %s", p)
		}
	}
	if len(paths) != 4 {
		t.Errorf("%d files", len(paths))
	}
	publish(t, w, "run-2")
	if again := isCurrent(t, w, "run-2"); again.Manifest.Fingerprint != v.Manifest.Fingerprint || len(v.Manifest.Fingerprint) != 64 {
		t.Errorf("the same tables have the fingerprints %s and %s", v.Manifest.Fingerprint, again.Manifest.Fingerprint)
	}
	if other := fingerprint(tables[:2]); other == v.Manifest.Fingerprint {
		t.Error("other tables have the same fingerprint")
	}
}

func TestEverythingIsPrivate(t *testing.T) {
	w := warehouse(t)
	l, err := w.Lock("sync", clock)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, w, "run-1")
	if err := errors.Join(WriteFile(w.RunRecord("run-1"), []byte("{}")), l.Unlock()); err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(w.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s is %s", path, info.Mode())
		}
		return nil
	})
	if err != nil || files != 7 {
		t.Errorf("%d files, %v", files, err)
	}
}

func TestAbortAtAnyPoint(t *testing.T) {
	for name, until := range map[string]func(t *testing.T, b *Building){
		"at once": func(*testing.T, *Building) {},
		"after a batch": func(t *testing.T, b *Building) {
			appendRoles(t, b, 3)
		},
		"with the queues full": func(t *testing.T, b *Building) {
			for range 50 {
				appendRoles(t, b, 100)
			}
		},
		"finished": func(t *testing.T, b *Building) {
			appendRoles(t, b, 3)
			if err := b.finish(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"failed": func(_ *testing.T, b *Building) { b.fail(errors.New("some sink failed")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := warehouse(t)
			publish(t, w, "run-1")
			b := begin(t, w, "run-2")
			until(t, b)
			for range 2 {
				if err := b.Abort(); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff([]string{"run-1"}, left(t, w)); d != "" {
				t.Error(d)
			}
			isCurrent(t, w, "run-1")
			row := deletion("{}")
			defer row.Release()
			if err := b.Append(schema.NameUsersDeleted, row); err == nil {
				t.Error("appended to an aborted build")
			}
		})
	}
}

func appendRoles(t *testing.T, b *Building, rows int) {
	t.Helper()
	if err := roles("x", rows, func(batch arrow.Record) error { return b.Append(schema.NameRoles, batch) }); err != nil {
		t.Fatal(err)
	}
}

func TestAbortAfterPublishDoesNothing(t *testing.T) {
	w := warehouse(t)
	b := begin(t, w, "run-1")
	if _, err := b.Publish(t.Context(), Details{DataRun: "run-1", Created: clock}); err != nil {
		t.Fatal(err)
	}
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	isCurrent(t, w, "run-1")
}

func TestBatchesAreReleased(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	for _, publishes := range []bool{true, false} {
		w := warehouse(t)
		b, err := w.Begin(t.Context(), "run-1", tables, mem, duckdb.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		appendRoles(t, b, 10_000)
		if publishes {
			_, err = b.Publish(t.Context(), Details{Created: clock})
		}
		if err := errors.Join(err, b.Abort()); err != nil {
			t.Fatal(err)
		}
	}
}

// A sink that fails, DuckDB or Parquet, at once or later, leaves what was current current.
func TestAFailingSinkBlocksThePublish(t *testing.T) {
	for name, fail := range map[string]func(b *Building) error{
		"DuckDB takes no such text": func(b *Building) error {
			row := deletion("\xff")
			defer row.Release()
			return b.Append(schema.NameUsersDeleted, row)
		},
		"columns of another table": func(b *Building) error {
			row := deletion("{}")
			defer row.Release()
			return b.Append(schema.NameRoles, row)
		},
		"no such table": func(b *Building) error {
			row := deletion("{}")
			defer row.Release()
			if err := b.Append("nowhere", row); err == nil {
				return nil
			}
			b.fail(errors.New("told"))
			return nil
		},
		"Parquet's folder is gone": func(b *Building) error {
			return os.RemoveAll(filepath.Join(b.dir, parquetName))
		},
		"DuckDB's file is gone": func(b *Building) error {
			return os.Remove(filepath.Join(b.dir, databaseName))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := warehouse(t)
			publish(t, w, "run-1")
			b := begin(t, w, "run-2")
			appendRoles(t, b, 10)
			if err := fail(b); err != nil {
				t.Fatal(err)
			}
			if v, err := b.Publish(t.Context(), Details{Created: clock}); err == nil {
				t.Errorf("published %s", v.Run)
			}
			if err := b.Abort(); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff([]string{"run-1"}, left(t, w)); d != "" {
				t.Error(d)
			}
			isCurrent(t, w, "run-1")
		})
	}
}

func TestAnAppendAfterAFailureSaysSo(t *testing.T) {
	b := begin(t, warehouse(t), "run-1")
	failure := errors.New("the disk is on fire")
	b.fail(failure)
	b.fail(errors.New("a second failure"))
	row := deletion("{}")
	defer row.Release()
	if err := b.Append(schema.NameUsersDeleted, row); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
	if _, err := b.Publish(t.Context(), Details{}); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
}

func TestACancelledRunPublishesNothing(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	ctx, cancel := context.WithCancel(t.Context())
	b, err := w.Begin(ctx, "run-2", tables, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	row := deletion("{}")
	defer row.Release()
	if err := b.Append(schema.NameUsersDeleted, row); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := b.Publish(ctx, Details{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := b.Abort(); err != nil {
		t.Error(err)
	}
	if _, err := w.Begin(ctx, "run-3", tables, memory.DefaultAllocator, duckdb.Settings{}); err == nil {
		t.Error("begun")
	}
	if d := cmp.Diff([]string{"run-1"}, left(t, w)); d != "" {
		t.Error(d)
	}
	isCurrent(t, w, "run-1")
}

func TestASummaryThatIsNoJSON(t *testing.T) {
	w := warehouse(t)
	b := begin(t, w, "run-1")
	if _, err := b.Publish(t.Context(), Details{Summary: make(chan int)}); err == nil {
		t.Error("published")
	}
	if _, err := w.Current(); !errors.Is(err, ErrNoVersion) {
		t.Errorf("%v", err)
	}
}

// What a process that was killed left at any step is put right by the next run.
func TestWhatACrashLeft(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, w *Warehouse){
		"a half-built version": func(t *testing.T, w *Warehouse) {
			dir := filepath.Join(w.Dir(), versionsName, ".building-run-2")
			if err := errors.Join(os.MkdirAll(filepath.Join(dir, "parquet", "roles"), 0o700), os.WriteFile(filepath.Join(dir, "users.duckdb"), []byte("half"), 0o600),
				os.WriteFile(filepath.Join(dir, "users.duckdb.wal"), []byte("half"), 0o600)); err != nil {
				t.Fatal(err)
			}
		},
		"another run's half-built version": func(t *testing.T, w *Warehouse) {
			if err := os.MkdirAll(filepath.Join(w.Dir(), versionsName, ".building-run-0"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"a half-removed version": func(t *testing.T, w *Warehouse) {
			if err := os.MkdirAll(filepath.Join(w.Dir(), versionsName, ".removed-run-0", "parquet"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"a version that is not current yet": func(t *testing.T, w *Warehouse) {
			publish(t, w, "run-2")
			if err := w.SetCurrent("run-1"); err != nil {
				t.Fatal(err)
			}
		},
		"a link that is not current yet": func(t *testing.T, w *Warehouse) {
			if err := os.Symlink("versions/run-2", filepath.Join(w.Dir(), ".current.next")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := warehouse(t)
			publish(t, w, "run-1")
			leave(t, w)
			isCurrent(t, w, "run-1")
			if err := publishRun(w, "run-2", 5); err != nil {
				t.Fatal(err)
			}
			if v := isCurrent(t, w, "run-2"); v.Manifest.Tables[0].Rows != 5 {
				t.Errorf("current has %d roles", v.Manifest.Tables[0].Rows)
			}
			if d := cmp.Diff([]string{"run-1", "run-2"}, left(t, w)); d != "" {
				t.Error(d)
			}
		})
	}
}

// The version that readers have is never taken away to make room for itself.
func TestTheCurrentRunIsNotPublishedAgain(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	before := isCurrent(t, w, "run-1")
	if err := publishRun(w, "run-1", 9); err == nil {
		t.Error("published again")
	}
	if after := isCurrent(t, w, "run-1"); after.Manifest.SHA256 != before.Manifest.SHA256 {
		t.Error("the version changed")
	}
}

// Where the disk fills up, whatever is being written then, the run fails with an error and what was current stays.
func TestAFullDisk(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	limits := []string{"0", "4096", "20000", "300000", "2000000", "2400000", "2800000", "3600000"}
	if testing.Short() {
		limits = []string{"0", "300000"}
	}
	for _, limit := range limits {
		p := start(t, "full", w.Dir(), limit)
		last, err := p.ends()
		if err == nil || !strings.HasPrefix(last, "error:") || p.cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("files of at most %s bytes: %q, %v", limit, last, err)
		}
		isCurrent(t, w, "run-1")
		if d := cmp.Diff([]string{"run-1"}, left(t, w)); d != "" {
			t.Errorf("files of at most %s bytes: %s", limit, d)
		}
	}
}

// Readers never meet anything but a whole version while versions change.
func TestReadersWhileVersionsChange(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	publish(t, w, "run-2")
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for {
				select {
				case <-done:
					return
				default:
				}
				v, err := w.Current()
				if err != nil || v.Run != v.Manifest.Run {
					t.Errorf("%s, %s, %v", v.Run, v.Manifest.Run, err)
					return
				}
				if raw, err := os.ReadFile(filepath.Join(w.Dir(), "current", "manifest.json")); err != nil || len(raw) == 0 {
					t.Errorf("%d bytes, %v", len(raw), err)
					return
				}
			}
		}()
	}
	for i := range 200 {
		if err := w.SetCurrent([]string{"run-1", "run-2"}[i%2]); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
}

func TestVersionsThatCannotBeRead(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	manifest := filepath.Join(w.Dir(), "versions", "run-1", "manifest.json")
	raw, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{
		"{": "manifest.json", strings.Replace(string(raw), `"format": 1`, `"format": 2`, 1): "newer rollcall", "": "manifest.json",
	} {
		if err := os.WriteFile(manifest, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Current(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v", content, err)
		}
	}
	if err := os.Remove(manifest); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Current(); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNoVersion) {
		t.Errorf("%v", err)
	}
	link := filepath.Join(w.Dir(), "current")
	if err := errors.Join(os.Remove(link), os.WriteFile(link, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Current(); err == nil || errors.Is(err, ErrNoVersion) {
		t.Errorf("current is a file: %v", err)
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs", "r.json")
	for _, content := range []string{"first", "", "second"} {
		if err := WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{filepath.Join(filepath.Dir(path), "folder"), filepath.Join(path, "below-a-file")} {
		if err := WriteFile(bad, []byte("x")); err == nil {
			t.Errorf("%s was written", bad)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

// The tables are in Parquet what they are in DuckDB, to the byte of a JSON cell.
func TestBothFormatsSayTheSame(t *testing.T) {
	w := warehouse(t)
	publish(t, w, "run-1")
	v := isCurrent(t, w, "run-1")
	r, err := parquet.NewReader(memory.DefaultAllocator, v.Parquet(schema.NameUsersDeleted), "evidence")
	if err != nil {
		t.Fatal(err)
	}
	batch, err := r.Next(t.Context())
	if err != nil || batch.Column(0).ValueStr(0) != `{"n": 9007199254740993}` {
		t.Errorf("%v, %v", batch, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	db, err := duckdb.OpenReader(t.Context(), v.Database(), duckdb.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(t.Context(), "SELECT evidence FROM users_deleted")
	if err != nil || !rows.Next() || rows.Row()[0].Text != `{"n": 9007199254740993}` {
		t.Errorf("%v", err)
	}
	if err := errors.Join(rows.Close(), db.Close()); err != nil {
		t.Error(err)
	}
}

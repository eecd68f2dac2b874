package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Summary is what the bench reads of a run's own summary.
type Summary struct {
	Status   string `json:"status"`
	Version  string `json:"version"`
	Users    int    `json:"users"`
	Changed  int    `json:"changed"`
	Received int64  `json:"bytes_received"`
	Stages   []struct {
		Name    string  `json:"name"`
		Seconds float64 `json:"seconds"`
	} `json:"stages"`
}

// Run is one run of rollcall.
type Run struct {
	Name    string `json:"name"`
	Usage   `json:"usage"`
	Summary Summary `json:"summary"`
	// TableBytes are of the version's files that the version before does not have: DuckDB and Parquet.
	TableBytes int64 `json:"table_bytes"`
	// Go's allocations from the process's start to its end, where they were asked for; exact.
	AllocatedBytes int64 `json:"allocated_bytes,omitempty"`
	Allocations    int64 `json:"allocations,omitempty"`
}

// The runs, in their order. The replay comes before the changed run: it replays the journals of all the runs that led to the current version.
const (
	runFull      = "full load"
	runUnchanged = "unchanged"
	runReplay    = "replay"
	runChanged   = "1 % changed"
)

var allRuns = []string{runFull, runUnchanged, runReplay, runChanged}

// warehouse is a warehouse that rollcall runs on.
type warehouse struct {
	program string // rollcall
	dir     string
	source  string // the server's address
}

// run runs rollcall once. more are further flags.
func (w warehouse) run(ctx context.Context, name string, more ...string) (Run, error) {
	args := []string{"sync"}
	if name == runReplay {
		args = []string{"backfill", "--replay"}
	}
	args = append(args, "--source=amigo", "--base-url="+w.source, "--org="+org, "--paging=offset", fmt.Sprintf("--page-size=%d", maxLimit), "--rpm=none",
		"--warehouse="+w.dir, "--json", "--log-format=json", "--log-level=warn")
	before, err := w.inodes()
	if err != nil {
		return Run{}, err
	}
	u, out, log, err := measure(ctx, filepath.Dir(w.dir), w.program, append(args, more...)...)
	if err != nil {
		return Run{}, fmt.Errorf("%s: %w", name, err)
	}
	r := Run{Name: name, Usage: u}
	if err := json.Unmarshal(out, &r.Summary); err != nil {
		return Run{}, fmt.Errorf("%s: the summary: %w", name, err)
	}
	after, err := w.inodes()
	if err != nil {
		return Run{}, err
	}
	for inode, size := range after {
		if _, there := before[inode]; !there {
			r.TableBytes += size
		}
	}
	r.AllocatedBytes, r.Allocations = allocations(log)
	return r, nil
}

// allocations reads what a run with --memprofile logs.
func allocations(log []byte) (size, objects int64) {
	for _, line := range bytes.Split(log, []byte("\n")) {
		var l struct {
			Message        string `json:"message"`
			Bytes, Objects int64
		}
		if json.Unmarshal(line, &l) == nil && l.Message == "allocated in Go" {
			return l.Bytes, l.Objects
		}
	}
	return 0, 0
}

// inodes are the files of all versions with their sizes. A file that versions share is one.
func (w warehouse) inodes() (map[uint64]int64, error) {
	out := map[uint64]int64{}
	root := filepath.Join(w.dir, "versions")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if path == root && os.IsNotExist(err) {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() || d.Name() == "manifest.json" {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		out[i.Sys().(*syscall.Stat_t).Ino] = i.Size()
		return nil
	})
	return out, err
}

// check says what is wrong with a run: it must have seen everybody and been certified, and done what it is measured for.
func (r Run) check(users int) error {
	want := Summary{Status: "certified", Users: users}
	switch r.Name {
	case runUnchanged:
		want.Status = "unchanged"
	case runChanged:
		want.Changed = users / changedEvery
	}
	if r.Summary.Status != want.Status || r.Summary.Users != want.Users || r.Summary.Changed != want.Changed {
		return fmt.Errorf("%s: %s, %d users, %d changed; expected %s, %d, %d", r.Name, r.Summary.Status, r.Summary.Users, r.Summary.Changed, want.Status, want.Users, want.Changed)
	}
	return nil
}

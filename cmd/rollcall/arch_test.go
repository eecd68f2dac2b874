package main

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/rollcall-data/rollcall"
	top    = "../.."
)

// layers are the top-level folders and what each may import of the others: cmd → extract, transform, load → schema.
var layers = map[string][]string{
	"cmd":       {"extract", "transform", "load", "schema"},
	"extract":   {"schema"},
	"transform": {"schema"},
	"load":      {"schema"},
	"schema":    {},
	"testdata":  {},
}

// behind are dependencies that one package of ours stands before (subfolders included); nobody else imports them.
var behind = map[string][]string{
	"github.com/marcboeker/go-duckdb":            {"load/duckdb"},
	"github.com/apache/arrow/go/v17/parquet":     {"load/parquet"},
	"github.com/gofrs/flock":                     {"load/publish"},
	"github.com/klauspost/compress":              {"extract/journal"},
	"github.com/goccy/go-yaml":                   {"cmd/rollcall/internal/config", "extract/sandbox"},
	"github.com/invopop/jsonschema":              {"cmd/rollcall/internal/config"},
	"github.com/spf13/cobra":                     {"cmd"},
	"github.com/rs/zerolog":                      {"cmd"}, // only cmd logs
	"github.com/pb33f":                           {"extract/sandbox/conformance"},
	"filippo.io/age":                             {"extract/journal"},
	"golang.org/x/crypto":                        {"extract/journal"},
	"github.com/rogpeppe/go-internal/testscript": {"cmd"},
	"github.com/aws/aws-sdk-go-v2":               {"load/objectstore"},
	"github.com/aws/smithy-go":                   {"load/objectstore"},
	"github.com/robfig/cron":                     {"cmd/rollcall/internal/schedule"},
	"github.com/prometheus/client_golang":        {"cmd"}, // schedule.go serves what metrics gathers
	"go.opentelemetry.io":                        {"cmd/rollcall/internal/tracing"},
	"github.com/wneessen/go-mail":                {"cmd/rollcall/internal/notify"},
	"github.com/google/pprof":                    {"cmd/rollcall-bench"},
}

// dir is a package's folder with what it imports.
type dir struct {
	path        string // from the top, with slashes
	code, tests []string
}

// packages reads the imports of every package in the module, those of files that this machine would not build included.
func packages(t *testing.T) []dir {
	t.Helper()
	var out []dir
	context := build.Default
	context.UseAllFiles = true
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && rel != "." { // a module of its own
			return filepath.SkipDir
		}
		p, err := context.ImportDir(path, 0)
		if empty := new(build.NoGoError); errors.As(err, &empty) {
			return nil
		}
		// Two packages in a folder are for the compiler to complain about.
		out = append(out, dir{filepath.ToSlash(rel), p.Imports, append(p.TestImports, p.XTestImports...)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("%d packages", len(out))
	}
	return out
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func TestArrowsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		layer, _, _ := strings.Cut(p.path, "/")
		allowed, known := layers[layer]
		if !known {
			t.Errorf("%s: there is no such top-level folder in the house", p.path)
		}
		for _, i := range append(slices.Clone(p.code), p.tests...) {
			target, ours := strings.CutPrefix(i, module+"/")
			if !ours {
				continue
			}
			to, _, _ := strings.Cut(target, "/")
			if to != layer && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s", p.path, target)
			}
		}
	}
}

func TestTheSandboxSharesNothingWithTheClient(t *testing.T) {
	for _, p := range packages(t) {
		if !within(p.path, "extract/sandbox") {
			continue
		}
		for _, i := range append(slices.Clone(p.code), p.tests...) {
			if target, ours := strings.CutPrefix(i, module+"/"); ours && !within(target, "extract/sandbox") {
				t.Errorf("%s imports %s", p.path, target)
			}
		}
	}
}

func TestDependenciesAreBehindTheirPackage(t *testing.T) {
	for _, p := range packages(t) {
		for _, i := range p.code {
			for dependency, homes := range behind {
				if within(i, dependency) && !slices.ContainsFunc(homes, func(home string) bool { return within(p.path, home) }) {
					t.Errorf("%s imports %s, which belongs behind %s", p.path, i, strings.Join(homes, ", "))
				}
			}
		}
	}
}

// There is one log, and it belongs to the command. The sandbox is a server, and net/http takes no other kind of hook than a logger.
func TestLayersDoNotLog(t *testing.T) {
	for _, p := range packages(t) {
		if within(p.path, "cmd") || within(p.path, "extract/sandbox") {
			continue
		}
		for _, i := range p.code {
			if i == "log" || i == "log/slog" {
				t.Errorf("%s imports %s", p.path, i)
			}
		}
	}
}

// A test that sleeps is slow or wrong, but for one whose clock is fake.
func TestOnlyFakeClocksSleep(t *testing.T) {
	sleep := "time." + "Sleep("
	for _, p := range packages(t) {
		files, err := filepath.Glob(filepath.Join(top, p.path, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			source, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(source), sleep) && !strings.Contains(string(source), `"testing/synctest"`) {
				t.Errorf("%s sleeps", f)
			}
		}
	}
}

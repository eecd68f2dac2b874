package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/rs/zerolog"
)

func TestARunDescribesItself(t *testing.T) {
	dir := t.TempDir()
	p := profiles{cpu: filepath.Join(dir, "cpu"), allocations: filepath.Join(dir, "allocations"), trace: filepath.Join(dir, "trace")}
	var log bytes.Buffer
	stop, err := p.start(zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]string{p.cpu: "cpu/nanoseconds", p.allocations: "alloc_space/bytes"} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := profile.Parse(f)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		kinds := []string{}
		for _, s := range got.SampleType {
			kinds = append(kinds, s.Type+"/"+s.Unit)
		}
		if !strings.Contains(strings.Join(kinds, " "), kind) {
			t.Errorf("%s has %v", path, kinds)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	trace, err := os.ReadFile(p.trace)
	if err != nil || !bytes.HasPrefix(trace, []byte("go 1.")) {
		t.Errorf("the trace begins with %.10q, %v", trace, err)
	}
	var line struct {
		Message        string
		Bytes, Objects int64
	}
	if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Message != "allocated in Go" || line.Bytes < 10_000 || line.Objects < 100 {
		t.Errorf("%v: %s", err, log.String())
	}
}

// TestAProfileThatCannotBeWritten ends what was begun, so that the next one can begin.
func TestAProfileThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	nowhere := filepath.Join(dir, "no", "such", "folder")
	for flag, p := range map[string]profiles{
		"--pprof": {cpu: nowhere, trace: filepath.Join(dir, "trace")}, "--trace": {trace: nowhere}, "--memprofile": {allocations: nowhere, cpu: filepath.Join(dir, "cpu")},
	} {
		if _, err := p.start(zerolog.Nop()); err == nil || !strings.HasPrefix(err.Error(), flag+": ") {
			t.Errorf("%s: %v", flag, err)
		}
	}
	stop, err := profiles{cpu: filepath.Join(dir, "cpu"), trace: filepath.Join(dir, "trace")}.start(zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// profiles are the files in which a run describes itself; an empty path is none.
type profiles struct {
	cpu, allocations string // for go tool pprof
	trace            string // for go tool trace; the stages of the run are its regions
}

func (p *profiles) addFlags(cmd *cobra.Command) {
	for _, f := range []struct {
		to          *string
		name, usage string
	}{
		{&p.cpu, "pprof", "write a CPU profile of the run to `FILE`, for go tool pprof"},
		{&p.allocations, "memprofile", "write a profile of the run's Go allocations to `FILE`, for go tool pprof, and log their sum"},
		{&p.trace, "trace", "write an execution trace of the run to `FILE`, for go tool trace"},
	} {
		cmd.Flags().StringVar(f.to, f.name, "", f.usage)
		must(cmd.MarkFlagFilename(f.name))
	}
}

// start begins what is asked for. stop, which must be called, ends it and completes the files.
func (p profiles) start(log zerolog.Logger) (stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var errs []error
		for _, s := range slices.Backward(stops) {
			errs = append(errs, s())
		}
		return errors.Join(errs...)
	}
	for _, f := range []struct {
		flag, path string
		begin, end func(io.Writer) error
	}{
		{"--memprofile", p.allocations, nil, func(w io.Writer) error { return writeAllocations(w, log) }},
		{"--trace", p.trace, trace.Start, func(io.Writer) error { trace.Stop(); return nil }},
		{"--pprof", p.cpu, pprof.StartCPUProfile, func(io.Writer) error { pprof.StopCPUProfile(); return nil }},
	} {
		if f.path == "" {
			continue
		}
		end, err := describe(f.path, f.begin, f.end)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", f.flag, err), stop())
		}
		stops = append(stops, func() error {
			if err := end(); err != nil {
				return fmt.Errorf("%s: %w", f.flag, err)
			}
			return nil
		})
	}
	return stop, nil
}

// describe makes a file and begins to write it; end completes it.
func describe(path string, begin, finish func(io.Writer) error) (end func() error, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if begin != nil {
		if err := begin(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return func() error { return errors.Join(finish(f), f.Close()) }, nil
}

// writeAllocations writes what was allocated since the process began. The profile is a sample; the sum that is logged is exact. Memory of
// DuckDB is in neither.
func writeAllocations(w io.Writer, log zerolog.Logger) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	log.Info().Uint64("bytes", m.TotalAlloc).Uint64("objects", m.Mallocs).Uint32("collections", m.NumGC).Msg("allocated in Go")
	return pprof.Lookup("allocs").WriteTo(w, 0)
}

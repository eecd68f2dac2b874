package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/daemon"
	"github.com/rollcall-data/rollcall/load/publish"
)

const (
	logBytes = 256 << 10 // of a log's end are read
	logLines = 500       // are shown
)

// runLog is the end of what a run said.
type runLog struct {
	Lines []logLine
	Cut   bool // there was more before
}

// logLine is a line of it: an object as zerolog writes it.
type logLine struct {
	When    time.Time
	Level   string
	Message string
	Fields  []field
}

type field struct{ Name, Value string }

// readLog reads the end of a run's log; nil where there is none.
func readLog(wh *publish.Warehouse, run string) (_ *runLog, err error) {
	f, err := os.Open(daemon.LogPath(wh, run))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // many runs have none
	}
	if err != nil {
		return nil, fmt.Errorf("read the log of run %s: %w", run, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the log of run %s: %w", run, err)
	}
	from := max(0, info.Size()-logBytes)
	raw, err := io.ReadAll(io.NewSectionReader(f, from, logBytes))
	if err != nil {
		return nil, fmt.Errorf("read the log of run %s: %w", run, err)
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte{'\n'})
	if from > 0 {
		lines = lines[1:] // begins somewhere within
	}
	out := &runLog{Cut: from > 0 || len(lines) > logLines}
	for _, line := range lines[max(0, len(lines)-logLines):] {
		if l, ok := parseLine(line); ok {
			out.Lines = append(out.Lines, l)
		}
	}
	return out, nil
}

// parseLine reads an object of scalars. The fields keep no order in it, so they are sorted.
func parseLine(raw []byte) (logLine, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return logLine{}, false
	}
	var l logLine
	for name, value := range fields {
		text := string(value)
		if s := ""; json.Unmarshal(value, &s) == nil {
			text = s
		}
		switch name {
		case "time":
			l.When, _ = time.Parse(time.RFC3339Nano, text) // one without a time has none to show
		case "level":
			l.Level = text
		case "message":
			l.Message = text
		default:
			l.Fields = append(l.Fields, field{name, text})
		}
	}
	slices.SortFunc(l.Fields, func(a, b field) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return l, true
}

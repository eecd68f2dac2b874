package lake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/extract"
)

const (
	maxLine  = 64 << 10 // bytes of a line that are looked at
	maxHints = 5
)

// lines takes what the program says on standard error, and logs it. What it says last, error and hints, is kept.
type lines struct {
	log     zerolog.Logger
	secrets []extract.Secret

	mu   sync.Mutex // a process that it left behind may still be writing when it has ended
	rest []byte     // a line that has not ended
	over bool

	reason string
	hints  []string
}

// Write never fails: the program is not ended for its log.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return len(p), nil
	}
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) < maxLine {
			return len(p), nil
		}
		if i < 0 {
			i = len(l.rest) - 1
		}
		l.line(l.rest[:i+1])
		l.rest = l.rest[i+1:]
	}
}

func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line(l.rest)
	l.rest, l.over = nil, true
}

// line takes one line: a JSON object, as the program logs, or text.
func (l *lines) line(raw []byte) {
	text := l.redacted(string(bytes.TrimSpace(raw)))
	if text == "" {
		return
	}
	if reason, ok := strings.CutPrefix(text, "error: "); ok {
		l.reason, l.hints = reason, nil
		return
	}
	if hint, ok := strings.CutPrefix(text, "hint: "); ok {
		if len(l.hints) < maxHints {
			l.hints = append(l.hints, hint)
		}
		return
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &fields) != nil || fields == nil {
		l.log.Warn().Str("program", Program).Msg(text)
		return
	}
	l.relay(fields)
}

// relay logs a line that the program logged, at its level and with its fields.
func (l *lines) relay(fields map[string]json.RawMessage) {
	level, err := zerolog.ParseLevel(textOf(fields[zerolog.LevelFieldName]))
	switch {
	case err != nil || level == zerolog.NoLevel:
		level = zerolog.InfoLevel
	case level > zerolog.ErrorLevel: // it is the program's end, not ours
		level = zerolog.ErrorLevel
	}
	message := textOf(fields[zerolog.MessageFieldName])
	for _, name := range []string{zerolog.LevelFieldName, zerolog.MessageFieldName, zerolog.TimestampFieldName, "program"} {
		delete(fields, name)
	}
	e := l.log.WithLevel(level).Str("program", Program)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		e = e.RawJSON(name, fields[name])
	}
	e.Msg(message)
}

func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// redacted is a text without the secrets, as they are and as JSON writes them.
func (l *lines) redacted(text string) string {
	for _, s := range l.secrets {
		plain := s.Reveal()
		if plain == "" {
			continue
		}
		text = strings.ReplaceAll(text, plain, s.String())
		if quoted, err := json.Marshal(plain); err == nil {
			text = strings.ReplaceAll(text, strings.Trim(string(quoted), `"`), s.String())
		}
	}
	return text
}

// failure is how the program ended.
func (l *lines) failure(state *os.ProcessState) *FailedError {
	e := &FailedError{Code: state.ExitCode(), Reason: l.reason, Advice: l.hints}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Code = 128 + int(status.Signal())
		e.Reason = fmt.Sprintf("%s was ended by a signal: %s", Program, status.Signal())
	}
	if e.Reason == "" {
		e.Reason = fmt.Sprintf("%s ended with exit code %d", Program, e.Code)
	}
	return e
}

package cli

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
)

// Stream is a standard stream.
type Stream struct {
	io.Writer
	Terminal bool
	Width    int  // columns of the terminal; 0: unknown
	Color    bool // a terminal whose user does not ask for none (NO_COLOR)
}

// NewLogger makes the command's logger: level is debug, info, warn or error; format console, json, or auto, which is console on a terminal.
func NewLogger(to Stream, level, format string) zerolog.Logger {
	l, err := zerolog.ParseLevel(level)
	if err != nil {
		l = zerolog.InfoLevel
	}
	return zerolog.New(LogWriter(to, format)).Level(l).With().Timestamp().Logger()
}

// LogWriter is what the logger of that format writes to: it takes lines that are JSON objects, as the logger of a process that logs JSON wrote them.
func LogWriter(to Stream, format string) io.Writer {
	if format == "console" || format == "auto" && to.Terminal {
		return zerolog.ConsoleWriter{Out: to, NoColor: !to.Color, TimeFormat: time.TimeOnly}
	}
	return to
}

// WantsColor follows the convention of NO_COLOR (set, and not empty) and of dumb terminals.
func WantsColor(terminal bool) bool {
	return terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

package engine

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// script is the statements with a line of output before each, and the rows after it.
func script(mark string, statements []Statement) string {
	var b strings.Builder
	for i, s := range statements {
		fmt.Fprintf(&b, "SELECT '%s begin %d';\n%s;\n", mark, i, s.SQL)
		if s.Table != "" {
			fmt.Fprintf(&b, "SELECT concat('%s rows %d ', count(*)) FROM %s;\n", mark, i, s.Table)
		}
	}
	fmt.Fprintf(&b, "SELECT '%s begin %d';\n", mark, len(statements))
	return b.String()
}

// lines calls with each line, which a carriage return ends too.
func lines(r io.Reader, f func(string)) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := slices.IndexFunc(data, func(b byte) bool { return b == '\n' || b == '\r' }); i >= 0 {
			return i + 1, data[:i], nil
		}
		if len(data) >= 1<<19 || atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	for s.Scan() {
		if line := strings.TrimSpace(s.Text()); line != "" {
			f(line)
		}
	}
	_, _ = io.Copy(io.Discard, r) // it must not wait for us
}

// sparkListener follows what spark-sql prints.
type sparkListener struct {
	mark       string
	statements []Statement
	hooks      Hooks

	lock  sync.Mutex
	at    int // the statement that runs; -1: none yet
	began time.Time
	rows  int64
	kept  []string // what may say why it failed
}

// result is a line of standard output.
func (l *sparkListener) result(line string) {
	rest, ours := strings.CutPrefix(line, l.mark+" ")
	if !ours {
		return
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	f := strings.Fields(rest)
	n, err := strconv.ParseInt(f[len(f)-1], 10, 64)
	if err != nil {
		return
	}
	switch f[0] {
	case "rows":
		l.rows = n
	case "begin":
		if l.at >= 0 && l.at < len(l.statements) {
			l.hooks.Done(l.statements[l.at], Outcome{l.rows, time.Since(l.began).Seconds()})
		}
		l.at, l.began, l.rows, l.kept = int(n), time.Now(), -1, nil
		if l.at < len(l.statements) {
			l.hooks.Begun(l.statements[l.at])
		}
	}
}

var (
	stage    = regexp.MustCompile(`\[Stage (\d+):=*>?\s*\((\d+) \+ \d+\) / (\d+)\]`)
	ofOurs   = regexp.MustCompile(`^(Error in query|Error: |\[[A-Z][A-Z0-9_.]+\]|Caused by: |Exception in thread|org\.apache\.|java\.|software\.amazon\.)`)
	logLine  = regexp.MustCompile(`^\d\d(\d\d)?[/-]\d\d[/-]\d\d[ T]\S+ (ERROR|FATAL)`)
	keptMost = 40
)

// log is a line of standard error: progress, or what Spark says.
func (l *sparkListener) log(line string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	found := stage.FindAllStringSubmatch(line, -1)
	if found == nil {
		if (ofOurs.MatchString(line) || logLine.MatchString(line)) && len(l.kept) < keptMost {
			l.kept = append(l.kept, line)
		}
		l.hooks.Said(line)
		return
	}
	if l.at < 0 || l.at >= len(l.statements) {
		return
	}
	for _, m := range found {
		done, _ := strconv.Atoi(m[2]) // digits
		total, _ := strconv.Atoi(m[3])
		l.hooks.Progress(l.statements[l.at], Progress{Percent: 100 * float64(done) / float64(max(total, 1)), Done: done, Total: total, Stage: m[1], Rows: -1})
	}
}

package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

const (
	between   = 100 * time.Millisecond // least time between two drawings: updates come by the thousand
	linger    = 2 * time.Second        // a phase is shown for so long after its last update
	leastWait = 3 * time.Second        // the shortest wait worth a word
	leastRate = time.Second            // before that much time has passed a rate means nothing
	barWidth  = 20
)

// Progress is one line on a terminal that shows a run: for each phase under way how much is done, the rate and the time left, and what is being waited
// for. It is a writer too, for the log: a line of it comes above. It is safe for concurrent use. Elsewhere than on a terminal it shows nothing.
//
// The bar is drawn here and not by a library: a run has phases side by side, of which one does not know its end, and their line has to step aside for the
// log; no goroutine of its own draws into that.
type Progress struct {
	to    Stream
	shows bool

	mu     sync.Mutex
	phases []*phase // in the order of their first update
	wait   string
	drawn  time.Time
	dirty  bool // something stands on the line
}

type phase struct {
	name, things string
	done, total  int64
	first        int64 // what was done at the first update
	began, last  time.Time
}

// NewProgress makes a progress line on the stream.
func NewProgress(to Stream) *Progress {
	return &Progress{to: to, shows: to.Terminal && os.Getenv("TERM") != "dumb"}
}

// Update shows how far a phase is: done of total things; total 0 where it is not known.
func (p *Progress) Update(name, things string, done, total int64) {
	if !p.shows {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	i := slices.IndexFunc(p.phases, func(ph *phase) bool { return ph.name == name })
	if i < 0 {
		i = len(p.phases)
		p.phases = append(p.phases, &phase{name: name, first: done, began: now})
	}
	ph := p.phases[i]
	ph.things, ph.done, ph.total, ph.last = things, done, total, now
	if now.Sub(p.drawn) >= between {
		p.wait = ""
		p.draw(now)
	}
}

// Wait shows that the rate limit lets nothing through for a while; it stands beside the phases until one of them goes on.
func (p *Progress) Wait(wait time.Duration) {
	if !p.shows || wait < leastWait {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.wait = "waiting for the rate limit until " + now.Add(wait).Format(time.TimeOnly)
	p.draw(now)
}

// draw replaces the line. One that cannot be drawn does not stop a run.
func (p *Progress) draw(now time.Time) {
	var parts []string
	for i, ph := range p.phases {
		if now.Sub(ph.last) < linger || i == len(p.phases)-1 {
			parts = append(parts, ph.text(now))
		}
	}
	if p.wait != "" {
		parts = append(parts, p.wait)
	}
	line := strings.Join(parts, "  ")
	if p.to.Width > 0 {
		line = text.Trim(line, p.to.Width-1)
	}
	_, _ = io.WriteString(p.to.Writer, clearLine+line)
	p.drawn, p.dirty = now, true
}

// clearLine goes to the beginning of the line and empties it.
const clearLine = "\r\x1b[2K"

// text is the phase for people: "models ████░░░░ 1200/5000 models, 58/s, 1m5s left".
func (ph *phase) text(now time.Time) string {
	count := fmt.Sprintf("%d %s", ph.done, ph.things)
	if ph.total > 0 {
		full := int(min(ph.done, ph.total) * barWidth / ph.total)
		count = fmt.Sprintf("%s%s %d/%d %s", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), ph.done, ph.total, ph.things)
	}
	s := ph.name + " " + count
	elapsed := now.Sub(ph.began)
	if elapsed < leastRate || ph.done <= ph.first {
		return s
	}
	rate := float64(ph.done-ph.first) / elapsed.Seconds()
	s += ", " + perTime(rate)
	if left := ph.total - ph.done; left > 0 {
		s += fmt.Sprintf(", %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return s
}

// perTime writes a rate of things a second; slow ones by the minute.
func perTime(rate float64) string {
	if rate < 2 {
		return fmt.Sprintf("%.0f/min", rate*60)
	}
	return fmt.Sprintf("%.0f/s", rate)
}

// Write writes a line of the log, with the progress line out of its way until it is drawn again.
func (p *Progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.to.Write(line)
}

// Close takes the line away.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.phases = nil
}

func (p *Progress) clear() {
	if p.dirty {
		_, _ = io.WriteString(p.to.Writer, clearLine)
		p.dirty = false
	}
}

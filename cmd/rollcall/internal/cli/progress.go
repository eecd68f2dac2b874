package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress is the bar that shows a run on a terminal: how much is done, the rate, the time left, and what is being waited for. It is a writer too, for
// the log: a line of it comes above the bar. It is safe for concurrent use. Elsewhere than on a terminal it shows nothing.
type Progress struct {
	to Stream

	mu    sync.Mutex
	bar   *progressbar.ProgressBar
	phase string
	label string // what stands beside the bar: the phase, and what it waits for
	total int64
	drawn time.Time
}

// NewProgress makes a bar on the stream.
func NewProgress(to Stream) *Progress { return &Progress{to: to} }

// between is the least time between two drawings of the bar: updates come by the thousand.
const between = 100 * time.Millisecond

// Update shows how far a phase is: done of total things; total 0 where it is not known.
func (p *Progress) Update(phase, things string, done, total int64) {
	if !p.to.Terminal {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil || phase != p.phase {
		p.clear()
		p.bar, p.phase, p.label, p.total = p.start(things, total), phase, "", total
	} else if time.Since(p.drawn) < between {
		return
	}
	if total > 0 && total != p.total {
		p.bar.ChangeMax64(total)
		p.total = total
	}
	if p.total > 0 {
		done = min(done, p.total)
	}
	// A bar that cannot be drawn does not stop a run.
	_ = p.bar.Set64(done)
	p.describe(phase)
	p.drawn = time.Now()
}

func (p *Progress) describe(label string) {
	if label != p.label {
		p.label = label
		p.bar.Describe(label)
	}
}

// leastWait is the shortest wait worth a word.
const leastWait = 3 * time.Second

// Wait shows that the phase waits for the rate limit until a time, which stands beside the bar until the next Update.
func (p *Progress) Wait(now time.Time, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil || wait < leastWait {
		return
	}
	p.describe(fmt.Sprintf("%s (waiting for the rate limit until %s)", p.phase, now.Add(wait).Format(time.TimeOnly)))
}

func (p *Progress) start(things string, total int64) *progressbar.ProgressBar {
	known := total > 0
	if !known {
		total = -1
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(p.to.Writer),
		progressbar.OptionSetWidth(20),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own: it would draw into the log's lines
		progressbar.OptionShowCount(),
		progressbar.OptionShowTotalBytes(known),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString(things),
		progressbar.OptionSetPredictTime(known),
		progressbar.OptionClearOnFinish(),
	)
}

// Write writes a line of the log, with the bar out of its way.
func (p *Progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	return p.to.Write(line)
}

// Close takes the bar away.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *Progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}

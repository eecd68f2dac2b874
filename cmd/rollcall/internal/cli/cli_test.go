package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
)

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything"), 1},
		{&duckdb.SQLError{Message: "m"}, 1},
		{&extract.UnavailableError{}, 1},
		{fmt.Errorf("publish: %w", syscall.ENOSPC), 1},
		{ErrAttention, 3},
		{fmt.Errorf("lake: %w", &EndedError{7}), 7},
		{fmt.Errorf("runs: %w", publish.ErrNoVersion), 10},
		{fmt.Errorf("sync: %w", &publish.LockedError{}), 11},
		{fmt.Errorf("list: %w", &extract.RefusedError{Status: 401}), 12},
		{&config.NoCredentialsError{Source: config.Amigo}, 12},
		{&UsageError{Message: "m"}, 64},
		{&config.FieldError{Key: "rpm"}, 64},
		{&config.FileError{Path: "f"}, 64},
		{fmt.Errorf("list: %w", context.Canceled), 130},
		{errors.Join(errors.New("close"), ErrInterrupted), 130},
	} {
		if got := ExitCode(tt.err); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestPrintError(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "error: plain\n"},
		{errors.Join(errors.New("one"), errors.New("two")), "error: one; two\n"},
		{fmt.Errorf("red \x1b[31m and\r\n%s\n", "more"), `error: red \x1b[31m and; more` + "\n"},
		{&UsageError{Message: "bad", Advice: []string{"good", "  LINE 1: x "}}, "error: bad\nhint: good\nhint:   LINE 1: x\n"},
		{fmt.Errorf("write: %w", syscall.ENOSPC), "error: write: no space left on device\nhint: free some space, then run it again: it goes on from here; rollcall gc removes what retention no longer keeps\n"},
		{publish.ErrNoVersion, "error: no version has been published here\nhint: rollcall sync publishes one (rollcall sync --sandbox, without an account); --warehouse names another folder\n"},
		{fmt.Errorf("sweep: %w", context.Canceled), "error: interrupted\n"},
		{ErrAttention, ""},
		{&EndedError{7}, ""},
	} {
		var b strings.Builder
		PrintError(&b, tt.err)
		if b.String() != tt.want {
			t.Errorf("%v:\n got %q\nwant %q", tt.err, b.String(), tt.want)
		}
	}
}

// notices is a writer that tells when something was written.
type notices struct {
	mu  sync.Mutex
	got chan struct{}
	b   bytes.Buffer
}

func (n *notices) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.b.Write(p)
	n.got <- struct{}{}
	return len(p), nil
}

func TestTheFirstSignalCancelsTheSecondAborts(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		messages := &notices{got: make(chan struct{}, 1)}
		aborted := make(chan int, 1)
		ctx, stop := Interruptible(context.Background(), messages, func(code int) { aborted <- code })
		send := func() {
			t.Helper()
			if err := syscall.Kill(os.Getpid(), sig); err != nil {
				t.Fatal(err)
			}
		}
		send()
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), ErrInterrupted) {
			t.Errorf("%s: cause %v", sig, context.Cause(ctx))
		}
		<-messages.got
		send()
		if code := <-aborted; code != ExitInterrupted {
			t.Errorf("%s: aborted with %d", sig, code)
		}
		stop()
	}
}

func TestACommandThatDrainsHasASignalMore(t *testing.T) {
	defer goleak.VerifyNone(t)
	aborted := make(chan int, 1)
	messages := &notices{got: make(chan struct{}, 4)}
	ctx, stop := Interruptible(context.Background(), messages, func(code int) { aborted <- code })
	defer stop()
	var killed atomic.Bool
	drain := Draining(ctx, func() { killed.Store(true) })
	send := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	send()
	<-drain
	<-messages.got
	if ctx.Err() != nil {
		t.Error("the first signal interrupts")
	}
	send()
	<-ctx.Done()
	<-messages.got
	if !errors.Is(context.Cause(ctx), ErrInterrupted) || killed.Load() {
		t.Errorf("cause %v, killed %t", context.Cause(ctx), killed.Load())
	}
	send()
	if code := <-aborted; code != ExitInterrupted || !killed.Load() {
		t.Errorf("aborted with %d, killed %t", code, killed.Load())
	}
}

func TestWithoutASignalNothingIsCancelled(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, stop := Interruptible(context.Background(), &strings.Builder{}, func(int) { t.Error("aborted") })
	if ctx.Err() != nil {
		t.Error(ctx.Err())
	}
	stop()
	if errors.Is(context.Cause(ctx), ErrInterrupted) {
		t.Error("the end of the command looks like an interruption")
	}
}

func TestLogs(t *testing.T) {
	for _, tt := range []struct {
		level, format string
		terminal      bool
		json          bool
	}{
		{"info", "auto", false, true}, {"info", "auto", true, false}, {"info", "json", true, true}, {"info", "console", false, false},
	} {
		var b strings.Builder
		l := NewLogger(Stream{Writer: &b, Terminal: tt.terminal}, tt.level, tt.format)
		l.Debug().Msg("hidden")
		l.Info().Str("org", "acme\x1b[31m").Msg("shown")
		var doc map[string]any
		isJSON := json.Unmarshal([]byte(b.String()), &doc) == nil
		if isJSON != tt.json || strings.Contains(b.String(), "hidden") || !strings.Contains(b.String(), "shown") || strings.Contains(b.String(), "\x1b") {
			t.Errorf("%+v: %q", tt, b.String())
		}
	}
}

func TestProgressOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	synctest.Test(t, func(t *testing.T) { // the clock begins at midnight of 2000-01-01, UTC
		var b strings.Builder
		// shown is what stands on the line, after a while in which a drawing is due again.
		shown := func() string {
			s := b.String()
			b.Reset()
			time.Sleep(time.Second)
			return s[strings.LastIndex(s, "\r")+1:]
		}
		const on = "\x1b[2K" // each drawing begins with an empty line
		expect := func(want string) {
			t.Helper()
			if got := shown(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		p := NewProgress(Stream{Writer: &b, Terminal: true, Width: 120})
		p.Update("sweep", "users", 100, 0)
		p.Update("sweep", "users", 200, 0) // too soon to be drawn
		expect(on + "sweep 100 users")
		p.Update("sweep", "users", 500, 0)
		expect(on + "sweep 500 users, 400/s")
		p.Update("models", "models", 0, 400) // beside the sweep
		expect(on + "sweep 500 users, 200/s  models ░░░░░░░░░░░░░░░░░░░░ 0/400 models")
		p.Update("models", "models", 100, 400)
		expect(on + "models █████░░░░░░░░░░░░░░░ 100/400 models, 100/s, 3s left")
		p.Wait(100 * time.Millisecond)
		if b.Len() > 0 {
			t.Errorf("a short wait: %q", b.String())
		}
		p.Wait(23 * time.Second)
		expect(on + "models █████░░░░░░░░░░░░░░░ 100/400 models, 50/s, 6s left  waiting for the rate limit until " + time.Now().Add(23*time.Second).Format(time.TimeOnly))
		p.Update("models", "models", 101, 400)
		expect(on + "models █████░░░░░░░░░░░░░░░ 101/400 models, 34/s, 9s left")
		if _, err := p.Write([]byte("a line of the log\n")); err != nil {
			t.Fatal(err)
		}
		expect(on + "a line of the log\n")
		p.Update("models", "models", 450, 440) // more than was thought
		expect(on + "models ████████████████████ 450/440 models, 90/s")
		p.Close()
		expect(on)
		p.Close()
		if b.Len() != 0 {
			t.Errorf("closed twice: %q", b.String())
		}
	})
}

func TestProgressFitsTheLine(t *testing.T) {
	t.Setenv("TERM", "xterm")
	var b strings.Builder
	p := NewProgress(Stream{Writer: &b, Terminal: true, Width: 20})
	p.Update("models", "models", 1, 400)
	if got := strings.TrimPrefix(b.String(), clearLine); len([]rune(got)) != 19 {
		t.Errorf("%d characters: %q", len([]rune(got)), got)
	}
}

func TestSlowRates(t *testing.T) {
	for rate, want := range map[float64]string{0.5: "30/min", 1.99: "119/min", 2: "2/s", 411.6: "412/s"} {
		if got := perTime(rate); got != want {
			t.Errorf("%v: %s, want %s", rate, got, want)
		}
	}
}

func TestProgressElsewhereShowsNothing(t *testing.T) {
	var b strings.Builder
	p := NewProgress(Stream{Writer: &b})
	p.Update("users", "users", 1, 2)
	p.Wait(time.Minute)
	p.Close()
	if d := cmp.Diff("", b.String()); d != "" {
		t.Error(d)
	}
	if n, err := p.Write([]byte("log\n")); n != 4 || err != nil || b.String() != "log\n" {
		t.Errorf("%d, %v, %q", n, err, b.String())
	}
}

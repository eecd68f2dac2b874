package lake

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/extract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a program that stands for rollcall-lake.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), Program)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatTheProgramSaysIsLoggedAsOurs(t *testing.T) {
	var logged bytes.Buffer
	p := Process{Path: script(t, `echo '{"level":"info","time":"x","table":"users","rows":9007199254740993,"message":"committed"}' >&2
echo '{"level":"fatal","message":"as "}' >&2
echo '{"no_level":"CANARY-one"}' >&2
echo 'goroutine 1 [running]: CANARY-two\"' >&2
echo "$1 $SET $PATH_OF" >&2
echo >&2
echo data
printf '{"level":"debug","message":"not ended"}' >&2
`), Env: []string{"SET=yes", "PATH=" + os.Getenv("PATH")}, Secrets: []extract.Secret{"CANARY-one", `CANARY-two\"`, ""}, Log: zerolog.New(&logged)}
	if err := p.Run(t.Context(), "publish"); err != nil {
		t.Fatal(err)
	}
	want := `{"level":"info","program":"rollcall-lake","rows":9007199254740993,"table":"users","message":"committed"}
{"level":"error","program":"rollcall-lake","message":"as "}
{"level":"info","program":"rollcall-lake","no_level":"**redacted**"}
{"level":"warn","program":"rollcall-lake","message":"goroutine 1 [running]: **redacted**"}
{"level":"warn","program":"rollcall-lake","message":"publish yes"}
{"level":"debug","program":"rollcall-lake","message":"not ended"}
`
	if d := cmp.Diff(want, logged.String()); d != "" {
		t.Error(d)
	}
}

func TestHowTheProgramEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		want   FailedError
	}{
		"it says why": {"echo 'error: no such bucket' >&2; echo 'hint: make CANARY' >&2; exit 12", FailedError{12, "no such bucket", []string{"make **redacted**"}}},
		"the last word counts": {"echo 'error: at first' >&2; echo 'hint: not this' >&2; echo 'error: in the end' >&2; exit 1",
			FailedError{Code: 1, Reason: "in the end"}},
		"it says nothing": {"exit 7", FailedError{Code: 7, Reason: "rollcall-lake ended with exit code 7"}},
		"killed":          {"kill -KILL $$", FailedError{Code: 137, Reason: "rollcall-lake was ended by a signal: killed"}},
	} {
		p := Process{Path: script(t, tt.script), Env: os.Environ(), Secrets: []extract.Secret{"CANARY"}, Log: zerolog.Nop()}
		var got *FailedError
		if err := p.Run(t.Context(), "publish"); !errors.As(err, &got) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(tt.want, *got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	p := Process{Path: script(t, ""), Log: zerolog.Nop()}
	if err := os.Remove(p.Path); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the program: %v", err)
	}
}

// told runs do when a line of the log has come.
type told func()

func (f told) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// waits is a program that waits until it is told to stop.
const waits = `trap 'kill $!; %s' TERM
sleep 600 2>/dev/null >/dev/null &
echo '{"message":"begun"}' >&2
wait
`

func TestTheProgramIsAskedToStop(t *testing.T) {
	for name, tt := range map[string]struct {
		then    string
		stopped error
	}{
		"it stops":                   {"exit 130", context.Canceled},
		"it had just done its work":  {"exit 0", nil},
		"it was about to say why":    {"echo error: never mind >&2; exit 1", context.Canceled},
		"a signal ends it after all": {"trap - TERM; kill -TERM $$", context.Canceled},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		p := Process{Path: script(t, strings.Replace(waits, "%s", tt.then, 1)), Env: os.Environ(), Log: zerolog.New(told(cancel))}
		if err := p.Run(ctx, "publish"); !errors.Is(err, tt.stopped) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p := Process{Path: script(t, "exec sleep 600"), Env: os.Environ(), Log: zerolog.Nop()}
	if err := p.Run(ctx, "publish"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after its time: %v", err)
	}
}

func TestFind(t *testing.T) {
	there := script(t, "")
	t.Setenv("PATH", t.TempDir())
	if got, err := Find(there); err != nil || got != there {
		t.Errorf("as named: %s, %v", got, err)
	}
	var missing *MissingError
	if _, err := Find(""); !errors.As(err, &missing) || err.Error() != "rollcall-lake is neither beside this program nor on the PATH" || len(missing.Hints()) == 0 {
		t.Errorf("nowhere: %v", err)
	}
	for _, command := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		if _, err := Find(command); !errors.As(err, &missing) || !strings.HasPrefix(err.Error(), command+" cannot be run: ") {
			t.Errorf("%s: %v", command, err)
		}
	}
	t.Setenv("PATH", filepath.Dir(there))
	if got, err := Find(""); err != nil || got != there {
		t.Errorf("on the PATH: %s, %v", got, err)
	}
}

func TestEnviron(t *testing.T) {
	inherited := []string{"PATH=/bin", "AMIGO_TOKEN=CANARY", "ROLLCALL_LAKE_URI=old", "EMPTY"}
	got := Environ(inherited, []string{"AMIGO_TOKEN", "ROLLCALL_LAKE_URI"}, []string{"ROLLCALL_LAKE_URI=new"})
	if d := cmp.Diff([]string{"PATH=/bin", "EMPTY", "ROLLCALL_LAKE_URI=new"}, got); d != "" {
		t.Error(d)
	}
	if len(inherited) != 4 || inherited[1] != "AMIGO_TOKEN=CANARY" {
		t.Error("what was inherited is changed")
	}
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/status"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
)

var update = flag.Bool("update", false, "rewrite the expected output within the scripts")

func TestMain(m *testing.M) {
	if code, is := status.Worker(); is {
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){"rollcall": main})
}

// TestScripts holds the promises of the command line: each script under testdata/script is a session as a user would have it.
//
//	exits CODE COMMAND…   the command ends with this exit code; its output can be matched afterwards
//	api [gate N]          a sandbox of 30 users serves; the environment says where, and how to sign in. With gate N, request N of the list
//	                      is not answered until the script ends
//	gated                 wait until the gated request has come
//	html                  a web server that answers everything with HTML; AMIGO_BASE_URL is its address
//	lock DIR              hold the lock of the warehouse until the script ends
//	mode FILE PERM        the file has this mode
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "NO_COLOR=1", "TMPDIR="+e.WorkDir, "XDG_CONFIG_HOME="+e.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "api": serveAPI, "gated": gated, "html": serveHTML, "lock": holdLock, "mode": hasMode,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if failure := new(exec.ExitError); errors.As(err, &failure) {
		got = failure.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func serveAPI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 && (len(args) != 2 || args[0] != "gate") {
		ts.Fatalf("usage: api [gate N]")
	}
	s, err := sandbox.New(sandbox.Options{Users: 30, Org: "acme"})
	ts.Check(err)
	var handler http.Handler = s
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		g := &gate{next: s, at: n, came: make(chan struct{}), end: make(chan struct{})}
		ts.Defer(func() { close(g.end) })
		gates[ts] = g
		ts.Defer(func() { delete(gates, ts) })
		handler = g
	}
	for _, line := range s.Exports(listen(ts, handler)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		ts.Setenv(name, value)
	}
	ts.Setenv("ROLLCALL_RPM", "none")
}

// listen serves on loopback until the script ends.
func listen(ts *testscript.TestScript, h http.Handler) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	ts.Defer(func() {
		ts.Check(server.Close())
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			ts.Check(err)
		}
	})
	return "http://" + l.Addr().String()
}

// gates are the gates of the scripts that have one. Scripts have an API each, and run one after the other.
var gates = map[*testscript.TestScript]*gate{}

// gate holds back one request of the list.
type gate struct {
	next http.Handler
	at   int
	seen int
	came chan struct{}
	end  chan struct{}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/user/") {
		if g.seen++; g.seen == g.at {
			close(g.came)
			select {
			case <-g.end:
			case <-r.Context().Done():
			}
			return
		}
	}
	g.next.ServeHTTP(w, r)
}

func gated(ts *testscript.TestScript, neg bool, args []string) {
	g := gates[ts]
	if neg || len(args) != 0 || g == nil {
		ts.Fatalf("usage: gated, after api gate N")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	select {
	case <-g.came:
	case <-ctx.Done():
		ts.Fatalf("request %d of the list has not come", g.at)
	}
}

func serveHTML(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: html")
	}
	ts.Setenv("AMIGO_BASE_URL", listen(ts, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintln(w, "<html>CANARY-body</html>")
	})))
}

func holdLock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lock DIR")
	}
	l, err := publish.Open(ts.MkAbs(args[0])).Lock("sync", time.Now())
	ts.Check(err)
	ts.Defer(func() { ts.Check(l.Unlock()) })
}

func hasMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE PERM")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s: mode %s, want %s", args[0], got, args[1])
	}
}

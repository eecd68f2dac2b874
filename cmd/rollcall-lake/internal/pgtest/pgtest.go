// Package pgtest starts a Postgres for a test: one of its own, in a temporary folder, on the loopback interface. It does not sync to disk, and is removed with
// the test. ROLLCALL_TEST_POSTGRES names a server to use instead (postgres://…), where each test gets a database of its own. Without either, the test is
// skipped.
package pgtest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a Postgres.
type Server struct {
	URL string

	tb   testing.TB
	bin  string
	dir  string
	port int
	as   *syscall.Credential
	cmd  *exec.Cmd
	done chan error
}

// Start starts one.
func Start(tb testing.TB) *Server {
	tb.Helper()
	if at := os.Getenv("ROLLCALL_TEST_POSTGRES"); at != "" {
		return &Server{URL: database(tb, at), tb: tb}
	}
	s := &Server{tb: tb, bin: programs()}
	if s.bin == "" {
		tb.Skip("no Postgres: neither ROLLCALL_TEST_POSTGRES nor its initdb (apt-get install postgresql)")
	}
	s.folder()
	s.command("initdb", "-D", s.dir, "-U", "rollcall", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
	s.port = freePort(tb)
	s.URL = fmt.Sprintf("postgres://rollcall@127.0.0.1:%d/postgres?sslmode=disable", s.port)
	s.start()
	tb.Cleanup(func() { s.stop(syscall.SIGQUIT) })
	return s
}

// Own tells whether the server is the test's own, which can be restarted.
func (s *Server) Own() bool { return s.dir != "" }

// Restart ends the server as a crash would, and starts it again.
func (s *Server) Restart() {
	s.tb.Helper()
	s.stop(syscall.SIGQUIT)
	s.start()
}

func programs() string {
	if path, err := exec.LookPath("initdb"); err == nil {
		if at, err := filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(at)
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[len(found)-1])
}

// folder makes the server's folder. It refuses to run as root: then it runs as the user of Debian's package.
func (s *Server) folder() {
	s.tb.Helper()
	dir, err := os.MkdirTemp("", "rollcall-postgres-")
	if err != nil {
		s.tb.Fatal(err)
	}
	s.dir = dir
	s.tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		s.tb.Skip("Postgres does not run as root, and there is no user postgres")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(dir, uid, gid); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Server) command(name string, args ...string) {
	s.tb.Helper()
	cmd := exec.CommandContext(s.tb.Context(), filepath.Join(s.bin, name), args...) //nolint:gosec // Postgres's own programs
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.tb.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (s *Server) start() {
	s.tb.Helper()
	s.cmd = exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.dir, "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", //nolint:gosec,noctx // it outlives the test's context, to be stopped in order
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=200", "-c", "log_min_messages=fatal")
	s.cmd.Dir, s.cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	s.done = make(chan error, 1)
	go func() { s.done <- s.cmd.Wait() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := pgx.Connect(ctx, s.URL)
		if err == nil {
			_ = c.Close(ctx)
			return
		}
		select {
		case err := <-s.done:
			s.tb.Fatalf("postgres ended: %v", err)
		case <-ctx.Done():
			s.tb.Fatalf("postgres does not answer: %v", err)
		case <-tick.C:
		}
	}
}

func (s *Server) stop(how syscall.Signal) {
	_ = s.cmd.Process.Signal(how)
	if err := <-s.done; err != nil && s.cmd.ProcessState == nil {
		s.tb.Errorf("wait for postgres: %v", err)
	}
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// database makes a database on a server that is there, and its address.
func database(tb testing.TB, at string) string {
	tb.Helper()
	u, err := url.Parse(at)
	if err != nil {
		tb.Fatal("ROLLCALL_TEST_POSTGRES is no address")
	}
	name := fmt.Sprintf("rollcall_%d_%d", os.Getpid(), time.Now().UnixNano())
	run := func(sql string) {
		c, err := pgx.Connect(context.Background(), at)
		if err == nil {
			_, err = c.Exec(context.Background(), sql)
			_ = c.Close(context.Background())
		}
		if err != nil {
			tb.Error(err)
		}
	}
	run("CREATE DATABASE " + name)
	tb.Cleanup(func() { run("DROP DATABASE " + name + " WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

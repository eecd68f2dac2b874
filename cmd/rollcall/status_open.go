package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/status"
	"github.com/rollcall-data/rollcall/extract"
)

// openStatus serves the status page on loopback until it is interrupted. The SQL box opens with a token that is good for as long. It is printed and not put
// into the address: that is an argument of the browser's process, which others on the machine can see.
func (a *app) openStatus(ctx context.Context, c *config.Config) (err error) {
	token := rand.Text()
	page, err := status.New(status.Options{Warehouse: c.Warehouse, SQLToken: extract.Secret(token), Log: a.logger(c, a.stderr)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve the status page: %w", err)
	}
	server := &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	address := "http://" + listener.Addr().String() + "/"
	_, err = fmt.Fprintln(a.stdout, address)
	_, errToken := fmt.Fprintf(a.stderr, "the SQL box opens with the token %s; interrupt to stop\n", token)
	if err = errors.Join(err, errToken); err != nil {
		return errors.Join(err, server.Close(), serveError(<-ended))
	}
	a.browse(ctx, address)
	select {
	case err := <-ended:
		return serveError(err)
	case <-ctx.Done(): // being interrupted is how a server ends
		return errors.Join(server.Close(), serveError(<-ended))
	}
}

func serveError(err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the status page: %w", err)
}

// browse opens the address in a browser, where there is a screen to show one. Where that does not work the address is on standard output.
func (a *app) browse(ctx context.Context, address string) {
	name := "open"
	if runtime.GOOS != "darwin" {
		name = "xdg-open"
		_, x := a.env("DISPLAY")
		_, wayland := a.env("WAYLAND_DISPLAY")
		if !x && !wayland {
			return
		}
	}
	cmd := exec.CommandContext(ctx, name, address) //nolint:gosec // one of two names, and an address of ours
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // what becomes of it is for the person to see
	}
}

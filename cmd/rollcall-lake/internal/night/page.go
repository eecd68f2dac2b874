package night

import (
	"context"
	_ "embed" // the page
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"
)

//go:embed assets/page.html
var pageHTML string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent": func(f float64) string { return fmt.Sprintf("%.0f%%", 100*f) },
	"age":     func(t time.Time) string { return time.Since(t).Round(time.Second).String() },
	"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}).Parse(pageHTML))

// Handler serves the latest night at /, a night at /DATE and as JSON at /DATE.json. failed is told why a page could not be shown; whoever asked is not.
func Handler(p *Place, q *Queue, failed func(error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{night}", func(w http.ResponseWriter, r *http.Request) {
		show(w, r, p, q, failed, r.PathValue("night"))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		nights, err := Nights(r.Context(), p)
		if err != nil || len(nights) == 0 {
			refuse(w, errors.Join(err, fs.ErrNotExist), failed)
			return
		}
		show(w, r, p, q, failed, nights[len(nights)-1])
	})
	return mux
}

func show(w http.ResponseWriter, r *http.Request, p *Place, q *Queue, failed func(error), name string) {
	night, isJSON := strings.CutSuffix(name, ".json")
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if CheckDate(night) != nil {
		refuse(w, fs.ErrNotExist, failed)
		return
	}
	s, err := StatusOf(r.Context(), p, q, night)
	if err != nil {
		refuse(w, err, failed)
		return
	}
	if isJSON {
		h.Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(s)
	} else {
		h.Set("Content-Type", "text/html; charset=utf-8")
		err = page.Execute(w, s)
	}
	if err != nil && r.Context().Err() == nil {
		failed(err)
	}
}

func refuse(w http.ResponseWriter, err error, failed func(error)) {
	if errors.Is(err, fs.ErrNotExist) {
		http.Error(w, "there is no such night", http.StatusNotFound)
		return
	}
	failed(err)
	http.Error(w, "the night cannot be shown now", http.StatusServiceUnavailable)
}

// Serve serves the status page until stop is called.
func Serve(ctx context.Context, address string, p *Place, q *Queue, failed func(error)) (stop func() error, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve the status page: %w", err)
	}
	server := &http.Server{Handler: Handler(p, q, failed), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return func() error {
		closing := server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			return errors.Join(err, closing)
		}
		return closing
	}, nil
}

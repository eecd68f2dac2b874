package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// The server's paths. The one that chooses the generation is the bench's own.
const (
	listPath       = "/v1/" + org + "/user/"
	rolesPath      = "/v1/" + org + "/role/"
	generationPath = "/generation"
)

// maxLimit is the largest page that is served.
const maxLimit = 1000

// token is what the server wants to see.
const token = "bench"

// corpus is every user's record, rendered once: a page is slices of it. The generation after has its changed records alone.
type corpus struct {
	users    int
	records  []byte  // each followed by a comma
	at       []int64 // where record i begins; one more: the end
	changed  map[int][]byte
	current  atomic.Int64 // generation
	requests atomic.Int64
}

// render makes the records of the first two generations.
func render(users int, seed uint64, shuffled bool) *corpus {
	w := newWriter(seed, shuffled)
	c := &corpus{users: users, at: make([]int64, 0, users+1), changed: map[int][]byte{}}
	w.b = make([]byte, 0, users*1450)
	for i := range users {
		c.at = append(c.at, int64(len(w.b)))
		w.user(i, 0)
		w.b = append(w.b, ',')
	}
	c.records, c.at = w.b, append(c.at, int64(len(w.b)))
	for i := range users {
		if generation(1).changes(i) {
			w.b = nil
			w.user(i, 1)
			c.changed[i] = append(w.b, ',')
		}
	}
	return c
}

// page is the slices of users from to to, commas between them and one behind.
func (c *corpus) page(from, to int) (parts [][]byte, size int) {
	add := func(p []byte) {
		if len(p) > 0 {
			parts, size = append(parts, p), size+len(p)
		}
	}
	begin := from
	if g := generation(c.current.Load()); g > 0 {
		for i := from; i < to; i++ {
			if g.changes(i) {
				add(c.records[c.at[begin]:c.at[i]])
				add(c.changed[i])
				begin = i + 1
			}
		}
	}
	add(c.records[c.at[begin]:c.at[to]])
	return parts, size
}

func (c *corpus) list(w http.ResponseWriter, r *http.Request) {
	c.requests.Add(1)
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > maxLimit {
		http.Error(w, `{"detail":"limit"}`, http.StatusUnprocessableEntity)
		return
	}
	offset := 0
	if s := q.Get("offset"); s != "" {
		if offset, err = strconv.Atoi(s); err != nil || offset < 0 {
			http.Error(w, `{"detail":"offset"}`, http.StatusUnprocessableEntity)
			return
		}
	}
	from := min(offset, c.users)
	to := min(from+limit, c.users)
	parts, size := c.page(from, to)
	if size > 0 { // the last comma
		last := &parts[len(parts)-1]
		*last, size = (*last)[:len(*last)-1], size-1
	}
	head, tail := `{"users":[`, `],"has_more":false,"continuation_token":null}`
	if to < c.users {
		tail = `],"has_more":true,"continuation_token":` + strconv.Itoa(to) + `}`
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(head)+size+len(tail)))
	for _, p := range append(append([][]byte{[]byte(head)}, parts...), []byte(tail)) {
		if _, err := w.Write(p); err != nil {
			return // the client is gone
		}
	}
}

func (c *corpus) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+listPath+"{$}", c.list)
	mux.HandleFunc("GET "+rolesPath+"{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"roles": roles}) // a client that is gone needs no answer
	})
	mux.HandleFunc("POST "+generationPath, func(w http.ResponseWriter, r *http.Request) {
		g, err := strconv.Atoi(r.URL.Query().Get("is"))
		if err != nil || g < 0 || g > 1 {
			http.Error(w, "0 or 1", http.StatusBadRequest)
			return
		}
		c.current.Store(int64(g))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != generationPath && r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, `{"detail":"unauthorized"}`, http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serving is what the serving process says when it is ready.
type serving struct {
	URL   string `json:"url"`
	Bytes int64  `json:"bytes"` // of all records of the first generation
}

// serve serves an organization on loopback until in ends, which it does with the process that asked for it.
func serve(ctx context.Context, in io.Reader, out io.Writer, users int, shuffled bool) error {
	c := render(users, 1, shuffled)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: c.handler(), ReadHeaderTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	if err := json.NewEncoder(out).Encode(serving{URL: "http://" + l.Addr().String(), Bytes: int64(len(c.records) - users)}); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, in)
		ended <- err
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case err := <-ended:
		if err != nil {
			return err
		}
		return server.Close()
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
)

// received is what came down the socket.
type received struct {
	Pages int   `json:"pages"`
	Bytes int64 `json:"bytes"`
}

// ask asks for pages one after another, each when the one before was read, and hands each body to take.
func ask(ctx context.Context, base string, users int, take func(page int, body io.Reader) (int64, error)) (received, error) {
	var r received
	for offset := 0; offset < users; offset += maxLimit {
		n, err := askOne(ctx, base, offset, func(body io.Reader) (int64, error) { return take(r.Pages, body) })
		if err != nil {
			return r, fmt.Errorf("page %d: %w", r.Pages, err)
		}
		r.Pages++
		r.Bytes += n
	}
	return r, nil
}

func askOne(ctx context.Context, base string, offset int, take func(io.Reader) (int64, error)) (n int64, err error) {
	q := url.Values{"limit": {strconv.Itoa(maxLimit)}, "offset": {strconv.Itoa(offset)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+listPath+"?"+q.Encode(), nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return 0, errors.New(resp.Status)
	}
	return take(resp.Body)
}

// socketFloor reads every page once and does nothing with it: less no client can do.
func socketFloor(ctx context.Context, base string, users int) (received, error) {
	buf := make([]byte, 256<<10)
	return ask(ctx, base, users, func(_ int, body io.Reader) (int64, error) {
		return io.CopyBuffer(struct{ io.Writer }{io.Discard}, body, buf)
	})
}

// savePages writes every page as a file of NDJSON, a user a line, the bytes of each as they came: what the other floor reads.
func savePages(ctx context.Context, base string, users int, dir string) (received, error) {
	return ask(ctx, base, users, func(page int, body io.Reader) (int64, error) {
		var p struct {
			Users []json.RawMessage `json:"users"`
		}
		if err := json.NewDecoder(body).Decode(&p); err != nil {
			return 0, err
		}
		return writeLines(filepath.Join(dir, fmt.Sprintf("%06d.ndjson", page)), p.Users)
	})
}

func writeLines(path string, lines []json.RawMessage) (n int64, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for _, l := range lines {
		n += int64(len(l)) + 1
		_, _ = w.Write(l) // Flush tells
		_ = w.WriteByte('\n')
	}
	return n, errors.Join(w.Flush(), f.Close())
}

package objectstoretest

import (
	"crypto/md5" //nolint:gosec // an ETag is one
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fake is an S3 server with one bucket in memory, without uploads in parts and versions of objects. Signatures are not checked.
type Fake struct {
	*Front

	mu      sync.Mutex
	objects map[string]fakeObject
}

type fakeObject struct {
	body     []byte
	etag     string
	meta     http.Header
	modified time.Time
}

// NewFake makes a server that nobody has started.
func NewFake() *Fake {
	f := &Fake{objects: map[string]fakeObject{}}
	f.Front = &Front{next: http.HandlerFunc(f.answer)}
	return f
}

// StartFake serves until the test ends.
func StartFake(t testing.TB) *Fake {
	t.Helper()
	f := NewFake()
	f.start(t)
	return f
}

// Keys are the keys of all objects, sorted.
func (f *Fake) Keys() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.objects))
}

// Object is an object's body; ok is false where there is none.
func (f *Fake) Object(key string) (body []byte, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.objects[key]
	return o.body, ok
}

// Put puts an object there, last modified at a time.
func (f *Fake) Put(key string, body []byte, modified time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(key, body, http.Header{}, modified)
}

func (f *Fake) put(key string, body []byte, meta http.Header, modified time.Time) string {
	sum := md5.Sum(body) //nolint:gosec // an ETag is one
	o := fakeObject{body, `"` + hex.EncodeToString(sum[:]) + `"`, meta, modified}
	f.objects[key] = o
	return o.etag
}

func (f *Fake) answer(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		Cut()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	o, there := f.objects[key]
	switch {
	case bucket != Bucket:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	case key == "" && r.URL.Query().Has("uploads"):
		writeXML(w, struct {
			XMLName xml.Name `xml:"ListMultipartUploadsResult"`
		}{})
	case key == "" && r.URL.Query().Has("versions"):
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	case key == "":
		f.list(w, r.URL.Query().Get("prefix"), r.URL.Query().Get("delimiter"))
	case r.Method == http.MethodPut:
		f.take(w, r, key, body)
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case !there:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	default:
		maps.Copy(w.Header(), o.meta)
		w.Header().Set("ETag", o.etag)
		w.Header().Set("Content-Length", fmt.Sprint(len(o.body)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(o.body)
		}
	}
}

// take stores an object where the conditions hold and its hash is right.
func (f *Fake) take(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	o, there := f.objects[key]
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	sum := sha256.Sum256(body)
	switch {
	case none == "*" && there, match != "" && there && match != o.etag:
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	case match != "" && !there:
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	case r.Header.Get("X-Amz-Checksum-Sha256") != "" && r.Header.Get("X-Amz-Checksum-Sha256") != base64.StdEncoding.EncodeToString(sum[:]):
		refuse(w, http.StatusBadRequest, "BadDigest")
		return
	}
	meta := http.Header{}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			meta[name] = values
		}
	}
	w.Header().Set("ETag", f.put(key, body, meta, time.Now()))
}

type listing struct {
	XMLName  xml.Name `xml:"ListBucketResult"`
	Contents []struct {
		Key          string
		Size         int
		LastModified string
	}
	CommonPrefixes []struct{ Prefix string }
}

func (f *Fake) list(w http.ResponseWriter, prefix, delimiter string) {
	var l listing
	for _, key := range slices.Sorted(maps.Keys(f.objects)) {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if folder, _, nested := strings.Cut(rest, "/"); nested && delimiter == "/" {
			p := struct{ Prefix string }{prefix + folder + "/"}
			if !slices.Contains(l.CommonPrefixes, p) {
				l.CommonPrefixes = append(l.CommonPrefixes, p)
			}
			continue
		}
		o := f.objects[key]
		l.Contents = append(l.Contents, struct {
			Key          string
			Size         int
			LastModified string
		}{key, len(o.body), o.modified.UTC().Format(time.RFC3339)})
	}
	writeXML(w, l)
}

// Refuse answers with an error, as S3 does.
func Refuse(w http.ResponseWriter, status int, code string) { refuse(w, status, code) }

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>made up by the test</Message></Error>", code)
}

func writeXML(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/xml")
	raw, err := xml.Marshal(v)
	if err != nil {
		Cut()
	}
	_, _ = w.Write(raw)
}

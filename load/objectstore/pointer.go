package objectstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rollcall-data/rollcall/load/publish"
)

const (
	pointerName   = "current.json"
	versionsName  = "versions"
	pointerFormat = 1
	maxPointer    = 16 << 20
)

// ErrNoVersion is returned where nothing has been published under the prefix yet.
var ErrNoVersion = errors.New("no version has been published there")

// Pointer is current.json: the version that readers are to use.
type Pointer struct {
	Format         int    `json:"format"`
	Run            string `json:"run_id"`
	Path           string `json:"path"`         // of the version's folder, below the prefix
	URL            string `json:"url"`          // of the version's folder
	CreatedAt      string `json:"created_at"`   // RFC 3339, UTC: the run's clock
	PublishedAt    string `json:"published_at"` // RFC 3339, UTC: when it became current here
	Database       string `json:"users_duckdb"` // URL
	Manifest       string `json:"manifest"`     // URL
	ManifestSHA256 string `json:"manifest_sha256"`
	Outcome
	Tables     map[string]Table `json:"tables"`     // by name
	Superseded []Superseded     `json:"superseded"` // versions of before that are still there, oldest first
}

// Outcome is of the run's summary what a reader may want to know before reading.
type Outcome struct {
	Status      string      `json:"status"`
	Source      string      `json:"source"`
	Orgs        []string    `json:"orgs"`
	Users       int64       `json:"users"`
	Certificate Certificate `json:"certificate"`
}

// Certificate is what the manifest's certificate comes to. The identity that asked is left out: it is somebody's id.
type Certificate struct {
	Certified   bool     `json:"certified"`
	Proof       string   `json:"proof"`
	Reasons     []string `json:"reasons"`
	UsersSHA256 string   `json:"users_sha256"`
	Superseded  string   `json:"superseded,omitempty"` // RFC 3339, UTC: when users were erased
}

// Table is a table of the version.
type Table struct {
	Rows    int64    `json:"rows"`
	Parquet []string `json:"parquet"` // URLs of its parts, in order
}

// Superseded is a version that gave way to another.
type Superseded struct {
	Run  string `json:"run_id"`
	Path string `json:"path"`
	At   string `json:"at"` // RFC 3339, UTC
}

// until is when a superseded version need no longer be kept.
func (v Superseded) until(keepFor time.Duration) time.Time {
	at, err := time.Parse(time.RFC3339Nano, v.At)
	if err != nil {
		return time.Time{}
	}
	return at.Add(keepFor)
}

// names tells whether the pointer names this version as it is now.
func (p *Pointer) names(v publish.Version) bool {
	return p != nil && p.Path == folder(v) && p.ManifestSHA256 == v.Manifest.SHA256
}

// folder is where a version goes, below the prefix: a rewritten one has a folder of its own.
func folder(v publish.Version) string {
	name := v.Run
	if len(v.Manifest.Erasures) > 0 {
		name += "." + v.Manifest.SHA256[:min(12, len(v.Manifest.SHA256))]
	}
	return versionsName + "/" + name
}

// point makes the pointer for a version.
func (s *Store) point(v publish.Version, now time.Time) (*Pointer, error) {
	at := folder(v)
	p := &Pointer{
		Format: pointerFormat, Run: v.Run, Path: at, URL: s.url(at), CreatedAt: v.Manifest.CreatedAt, PublishedAt: now.UTC().Format(time.RFC3339Nano),
		Manifest: s.url(at + "/" + manifestName), ManifestSHA256: v.Manifest.SHA256, Tables: map[string]Table{}, Superseded: []Superseded{},
	}
	if err := json.Unmarshal(v.Manifest.Summary, &p.Outcome); err != nil {
		return nil, fmt.Errorf("read the summary of version %s: %w", v.Run, err)
	}
	for _, t := range v.Manifest.Tables {
		parts := []string{}
		for _, f := range v.Manifest.Files {
			if strings.HasPrefix(f.Path, "parquet/"+t.Name+"/") {
				parts = append(parts, s.url(at+"/"+f.Path))
			}
		}
		slices.Sort(parts)
		p.Tables[t.Name] = Table{t.Rows, parts}
	}
	for _, f := range v.Manifest.Files {
		if f.Path == databaseName {
			p.Database = s.url(at + "/" + f.Path)
		}
	}
	return p, nil
}

// supersede lists what the pointer before listed, and what it named, where that is still there.
func (p *Pointer) supersede(before *Pointer, there []string) {
	if before == nil {
		return
	}
	for _, v := range append(slices.Clone(before.Superseded), Superseded{before.Run, before.Path, p.PublishedAt}) {
		if v.Path != p.Path && slices.Contains(there, v.Path) {
			p.Superseded = append(p.Superseded, v)
		}
	}
}

// seen is current.json as it was read. Without an etag there was none.
type seen struct {
	pointer *Pointer
	etag    string
}

// Current reads current.json; ErrNoVersion where there is none.
func (s *Store) Current(ctx context.Context) (*Pointer, error) {
	got, err := s.look(ctx)
	if err == nil && got.pointer == nil {
		err = ErrNoVersion
	}
	return got.pointer, err
}

func (s *Store) look(ctx context.Context) (seen, error) {
	doing := "read " + s.url(pointerName)
	ctx, cancel := patience(ctx, 0)
	defer cancel()
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.key(pointerName))})
	if absent(err) {
		return seen{}, nil
	}
	if err != nil {
		return seen{}, failed(doing, err)
	}
	raw, err := io.ReadAll(io.LimitReader(out.Body, maxPointer))
	if err := errors.Join(err, out.Body.Close()); err != nil {
		return seen{}, failed(doing, err)
	}
	p := new(Pointer)
	if err := json.Unmarshal(raw, p); err != nil {
		return seen{}, fmt.Errorf("%s, which rollcall did not write: %w", doing, err)
	}
	if p.Format > pointerFormat {
		return seen{}, fmt.Errorf("%s: a newer rollcall wrote it (format %d)", doing, p.Format)
	}
	if aws.ToString(out.ETag) == "" {
		return seen{}, fmt.Errorf("%s: the server gives no ETag, and without one nothing can be replaced safely", doing)
	}
	return seen{p, *out.ETag}, nil
}

// write replaces what was seen; outrun tells of its error whether somebody was faster.
func (s *Store) write(ctx context.Context, p *Pointer, over seen) error {
	raw, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", s.url(pointerName), err)
	}
	ctx, cancel := patience(ctx, int64(len(raw)))
	defer cancel()
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.key(pointerName)), Body: bytes.NewReader(append(raw, '\n')),
		ContentType: aws.String("application/json"), CacheControl: aws.String("no-cache"),
	}
	if over.pointer == nil {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = aws.String(over.etag)
	}
	if _, err := s.client.PutObject(ctx, in); err != nil {
		if status(err) == http.StatusNotImplemented {
			return fmt.Errorf("write %s: the server knows no conditional writes, and without them two runs could overwrite each other: %w", s.url(pointerName), err)
		}
		return failed("write "+s.url(pointerName), err)
	}
	return nil
}

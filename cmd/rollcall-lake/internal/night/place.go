package night

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
)

// Place is where plans and results are: a folder that all workers share, or a prefix in an S3 bucket. Names in it are paths with slashes.
type Place struct{ store store }

// store keeps documents by name. create is atomic: of several, one is told true. What is read was written whole.
type store interface {
	create(ctx context.Context, name string, doc []byte) (created bool, err error)
	read(ctx context.Context, name string) ([]byte, error) // fs.ErrNotExist
	list(ctx context.Context, folder string) ([]string, error)
	remove(ctx context.Context, name string) error
}

// ObjectStorage says how S3 is reached; credentials come from the usual AWS chain.
type ObjectStorage struct {
	Endpoint  string // of an S3-compatible server; empty: AWS
	Region    string
	PathStyle bool
}

// Open opens a place: s3://BUCKET/PREFIX, file:///FOLDER or a folder.
func Open(ctx context.Context, address string, o ObjectStorage) (*Place, error) {
	if !strings.Contains(address, "://") && address != "" {
		return &Place{folder(address)}, nil
	}
	at, err := url.Parse(address)
	switch {
	case err != nil || at.RawQuery != "" || at.Fragment != "" || at.User != nil:
	case at.Scheme == "file" && at.Host == "" && strings.Trim(at.Path, "/") != "":
		return &Place{folder(at.Path)}, nil
	case at.Scheme == "s3" && at.Host != "":
		b, err := openBucket(ctx, at.Host, strings.Trim(at.Path, "/"), o)
		return &Place{b}, err
	}
	return nil, &UsageError{Message: "results: it is neither a folder nor s3://BUCKET/PREFIX", Advice: []string{"--results DIR: a folder that all workers share; or s3://BUCKET/PREFIX"}}
}

// createDoc creates a document; created is also true where it is there already, byte for byte: an answer that was lost is asked for again.
func (p *Place) createDoc(ctx context.Context, name string, doc any) (created bool, err error) {
	raw, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	raw = append(raw, '\n')
	created, err = p.store.create(ctx, name, raw)
	if created && err == nil {
		return true, nil
	}
	there, readErr := p.store.read(ctx, name)
	switch {
	case readErr == nil:
		return bytes.Equal(there, raw), nil
	case err == nil:
		err = readErr
	}
	return false, fmt.Errorf("write %s: %w", name, err)
}

// readDoc reads a document; an error wrapping fs.ErrNotExist where there is none.
func (p *Place) readDoc(ctx context.Context, name string, doc any) error {
	raw, err := p.store.read(ctx, name)
	if err == nil {
		err = json.Unmarshal(raw, doc)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// isThere reads a document where there is one.
func (p *Place) isThere(ctx context.Context, name string, doc any) (bool, error) {
	err := p.readDoc(ctx, name, doc)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

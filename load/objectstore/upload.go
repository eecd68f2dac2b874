package objectstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rollcall-data/rollcall/load/publish"
)

const (
	manifestName = "manifest.json"
	databaseName = "users.duckdb"

	// hashName is the key of an object's SHA-256, in hexadecimal, in its metadata.
	hashName = "sha256"
)

// object is a file on its way.
type object struct {
	key    string
	path   string // in the file system
	size   int64
	sha256 [sha256.Size]byte
}

func (o object) metadata() map[string]string {
	return map[string]string{hashName: hex.EncodeToString(o.sha256[:])}
}

// objects are the files of a version but for its manifest.
func (s *Store) objects(v publish.Version) ([]object, error) {
	var out []object
	for _, f := range v.Manifest.Files {
		o := object{key: s.key(folder(v) + "/" + f.Path), path: filepath.Join(v.Dir, filepath.FromSlash(f.Path)), size: f.Size}
		sum, err := hex.DecodeString(f.SHA256)
		if err != nil || copy(o.sha256[:], sum) != sha256.Size {
			return nil, fmt.Errorf("version %s: its manifest has no SHA-256 of %s", v.Run, f.Path)
		}
		out = append(out, o)
	}
	return out, nil
}

// manifest is the manifest's file, whose hash only itself could say.
func (s *Store) manifest(v publish.Version) (object, error) {
	o := object{key: s.key(folder(v) + "/" + manifestName), path: filepath.Join(v.Dir, manifestName)}
	raw, err := os.ReadFile(o.path)
	if err != nil {
		return o, fmt.Errorf("version %s: %w", v.Run, err)
	}
	o.size, o.sha256 = int64(len(raw)), sha256.Sum256(raw)
	return o, nil
}

// upload sends what is missing of a version: small files several at once, then large ones one by one in parts, then the manifest.
func (s *Store) upload(ctx context.Context, v publish.Version, r *Report) error {
	all, err := s.objects(v)
	if err != nil {
		return err
	}
	last, err := s.manifest(v)
	if err != nil {
		return err
	}
	missing, err := s.missing(ctx, folder(v), append(all, last))
	if err != nil {
		return err
	}
	r.Reused = len(all) + 1 - len(missing)
	var small, large []object
	for _, o := range missing {
		switch {
		case o.key == last.key:
		case o.size > s.multipart:
			large = append(large, o)
		default:
			small = append(small, o)
		}
	}
	sent := make([]bool, len(small))
	err = each(ctx, len(small), func(ctx context.Context, i int) error {
		err := s.send(ctx, small[i])
		sent[i] = err == nil
		return err
	})
	for i, o := range small {
		if sent[i] {
			r.count(o)
		}
	}
	if err != nil {
		return err
	}
	for _, o := range large {
		if err := s.sendParts(ctx, o); err != nil {
			return err
		}
		r.count(o)
	}
	if len(missing) == 0 {
		return nil
	}
	if err := s.send(ctx, last); err != nil {
		return err
	}
	r.count(last)
	return nil
}

func (r *Report) count(o object) {
	r.Sent++
	r.Bytes += o.size
}

// missing are those of the objects that are not there with their size and hash. Where any other is missing, the manifest is too.
func (s *Store) missing(ctx context.Context, folder string, all []object) ([]object, error) {
	there, err := s.list(ctx, folder)
	if err != nil || len(there) == 0 {
		return all, err
	}
	sizes := map[string]int64{}
	for _, o := range there {
		sizes[o.key] = o.size
	}
	same := make([]bool, len(all))
	err = each(ctx, len(all), func(ctx context.Context, i int) error {
		if size, listed := sizes[all[i].key]; !listed || size != all[i].size {
			return nil
		}
		var err error
		same[i], err = s.holds(ctx, all[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []object
	for i, o := range all {
		if !same[i] {
			out = append(out, o)
		}
	}
	return out, nil
}

// holds tells whether an object is there as it should be.
func (s *Store) holds(ctx context.Context, o object) (bool, error) {
	ctx, cancel := patience(ctx, 0)
	defer cancel()
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &o.key})
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, failed("look at "+o.key, err)
	}
	return aws.ToInt64(out.ContentLength) == o.size && out.Metadata[hashName] == o.metadata()[hashName], nil
}

// send sends an object in one request. The server compares what arrives with its hash.
func (s *Store) send(ctx context.Context, o object) (err error) {
	f, err := os.Open(o.path)
	if err != nil {
		return fmt.Errorf("send %s: %w", o.key, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	ctx, cancel := patience(ctx, o.size)
	defer cancel()
	_, err = s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &o.key, Body: io.NewSectionReader(f, 0, o.size), ContentLength: &o.size, Metadata: o.metadata(),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(o.sha256[:])), ContentType: contentType(o.key),
	})
	if err != nil {
		return failed("send "+o.key, err)
	}
	return nil
}

func contentType(key string) *string {
	switch filepath.Ext(key) {
	case ".json":
		return aws.String("application/json")
	case ".parquet":
		return aws.String("application/vnd.apache.parquet")
	}
	return aws.String("application/octet-stream")
}

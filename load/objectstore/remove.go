package objectstore

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rollcall-data/rollcall/load/publish"
)

// stored is an object that is there.
type stored struct {
	key      string
	version  *string // of the object, in a bucket that keeps versions; nil: the latest
	size     int64
	modified time.Time
}

func newest(objects []stored) time.Time {
	var t time.Time
	for _, o := range objects {
		if o.modified.After(t) {
			t = o.modified
		}
	}
	return t
}

// list lists the objects in a folder.
func (s *Store) list(ctx context.Context, folder string) ([]stored, error) {
	ctx, cancel := patience(ctx, 0)
	defer cancel()
	var out []stored
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.key(folder) + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed("list "+s.url(folder), err)
		}
		for _, o := range page.Contents {
			out = append(out, stored{aws.ToString(o.Key), nil, aws.ToInt64(o.Size), aws.ToTime(o.LastModified)})
		}
	}
	return out, nil
}

// folders lists the folders of versions, below the prefix, the oldest first.
func (s *Store) folders(ctx context.Context) ([]string, error) {
	ctx, cancel := patience(ctx, 0)
	defer cancel()
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.key(versionsName) + "/"), Delimiter: aws.String("/")}
	var out []string
	pages := s3.NewListObjectsV2Paginator(s.client, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed("list "+s.url(versionsName), err)
		}
		for _, p := range page.CommonPrefixes {
			out = append(out, s.below(strings.TrimSuffix(aws.ToString(p.Prefix), "/")))
		}
	}
	slices.Sort(out)
	return out, nil
}

// below is a key without the prefix.
func (s *Store) below(key string) string {
	if s.prefix == "" {
		return key
	}
	return strings.TrimPrefix(key, s.prefix+"/")
}

// remove removes the objects of a folder, and what was sent of others.
func (s *Store) remove(ctx context.Context, folder string, objects []stored) error {
	if err := s.delete(ctx, objects); err != nil {
		return err
	}
	return s.giveUp(ctx, s.key(folder)+"/")
}

// delete removes objects, several at once, but the versions of one object one by one: not every server bears it otherwise.
func (s *Store) delete(ctx context.Context, objects []stored) error {
	of := map[string][]stored{}
	for _, o := range objects {
		of[o.key] = append(of[o.key], o)
	}
	keys := slices.Sorted(maps.Keys(of))
	return each(ctx, len(keys), func(ctx context.Context, i int) error {
		for _, o := range of[keys[i]] {
			if err := s.deleteOne(ctx, o); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) deleteOne(ctx context.Context, o stored) error {
	ctx, cancel := patience(ctx, 0)
	defer cancel()
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &o.key, VersionId: o.version})
	if err != nil && !absent(err) {
		return failed("remove "+o.key, err)
	}
	return nil
}

// Erase removes every version that is not one of these as they are now, and what the bucket keeps of objects that were removed or replaced before.
// Publish goes before it: where current.json names none of these, nothing is removed, and that is an error. It returns the folders that are gone.
func (s *Store) Erase(ctx context.Context, versions []publish.Version) ([]string, error) {
	keep := map[string]bool{}
	for _, v := range versions {
		keep[folder(v)] = true
	}
	current, err := s.Current(ctx)
	if err != nil {
		return nil, err
	}
	if !keep[current.Path] {
		return nil, fmt.Errorf("%s names version %s, which is not one of this warehouse as it is now", s.url(pointerName), current.Run)
	}
	all, err := s.everything(ctx)
	if err != nil {
		return nil, err
	}
	var doomed []stored
	var gone []string
	for _, o := range all {
		run, _, _ := strings.Cut(strings.TrimPrefix(s.below(o.key), versionsName+"/"), "/")
		path := versionsName + "/" + run
		if keep[path] {
			continue
		}
		doomed = append(doomed, o)
		if !slices.Contains(gone, path) {
			gone = append(gone, path)
		}
	}
	if err := s.delete(ctx, doomed); err != nil {
		return nil, err
	}
	begun, err := s.uploads(ctx, s.key(versionsName)+"/")
	if err != nil {
		return nil, err
	}
	for _, u := range begun {
		if err := s.giveUp(ctx, aws.ToString(u.Key)); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// everything lists every object below versions/, in a bucket that keeps versions of objects every one of these, delete markers too. Of a server that
// does not know what that is, objects have no versions.
func (s *Store) everything(ctx context.Context) ([]stored, error) {
	limited, cancel := patience(ctx, 0)
	defer cancel()
	in := &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: aws.String(s.key(versionsName) + "/")}
	var out []stored
	for pages := s3.NewListObjectVersionsPaginator(s.client, in); pages.HasMorePages(); {
		page, err := pages.NextPage(limited)
		if status(err) == http.StatusNotImplemented {
			return s.list(ctx, versionsName)
		}
		if err != nil {
			return nil, failed("list the versions of the objects below "+s.url(versionsName), err)
		}
		for _, o := range page.Versions {
			out = append(out, stored{aws.ToString(o.Key), o.VersionId, aws.ToInt64(o.Size), aws.ToTime(o.LastModified)})
		}
		for _, o := range page.DeleteMarkers {
			out = append(out, stored{aws.ToString(o.Key), o.VersionId, 0, aws.ToTime(o.LastModified)})
		}
	}
	return out, nil
}

package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// maxParts is how many parts an object can have.
const maxParts = 10_000

// sendParts sends an object in parts, several at once, read from the file as they are sent. Parts that an interrupted upload has sent are used.
func (s *Store) sendParts(ctx context.Context, o object) (err error) {
	f, err := os.Open(o.path)
	if err != nil {
		return fmt.Errorf("send %s: %w", o.key, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("send %s: %w", o.key, err)
	}
	if !bytes.Equal(h.Sum(nil), o.sha256[:]) { // the server sees parts, and cannot compare the whole
		return fmt.Errorf("send %s: the file is not what its manifest says", o.key)
	}
	upload, there, err := s.resume(ctx, o)
	if err != nil {
		return err
	}
	size := max(s.part, (o.size+maxParts-1)/maxParts)
	parts := make([]types.CompletedPart, (o.size+size-1)/size)
	err = each(ctx, len(parts), func(ctx context.Context, i int) error {
		var err error
		from := int64(i) * size
		parts[i], err = s.sendPart(ctx, o, upload, int32(i+1), io.NewSectionReader(f, from, min(size, o.size-from)), there)
		return err
	})
	if err != nil {
		return err
	}
	ctx, cancel := patience(ctx, o.size)
	defer cancel()
	_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: &o.key, UploadId: &upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err == nil {
		return nil
	}
	if absent(err) { // repeated: the answer to the first was lost
		if whole, asked := s.holds(ctx, o); whole && asked == nil {
			return nil
		}
	}
	return failed("send "+o.key, err)
}

func (s *Store) sendPart(ctx context.Context, o object, upload string, number int32, body *io.SectionReader, there map[int32]types.Part) (types.CompletedPart, error) {
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return types.CompletedPart{}, fmt.Errorf("send %s: %w", o.key, err)
	}
	sum := base64.StdEncoding.EncodeToString(h.Sum(nil))
	if p, ok := there[number]; ok && aws.ToInt64(p.Size) == body.Size() && aws.ToString(p.ChecksumSHA256) == sum {
		return types.CompletedPart{PartNumber: &number, ETag: p.ETag, ChecksumSHA256: &sum}, nil
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return types.CompletedPart{}, fmt.Errorf("send %s: %w", o.key, err)
	}
	ctx, cancel := patience(ctx, body.Size())
	defer cancel()
	out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &s.bucket, Key: &o.key, UploadId: &upload, PartNumber: &number, Body: body, ContentLength: aws.Int64(body.Size()), ChecksumSHA256: &sum,
	})
	if err != nil {
		return types.CompletedPart{}, failed(fmt.Sprintf("send part %d of %s", number, o.key), err)
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumSHA256: &sum}, nil
}

// resume finds the upload of an object that was interrupted last, with the parts it has, or begins one.
func (s *Store) resume(ctx context.Context, o object) (upload string, there map[int32]types.Part, err error) {
	begun, err := s.uploads(ctx, o.key)
	if err != nil {
		return "", nil, err
	}
	if len(begun) > 0 {
		upload = aws.ToString(begun[len(begun)-1].UploadId)
		there, err = s.parts(ctx, o, upload)
		return upload, there, err
	}
	ctx, cancel := patience(ctx, 0)
	defer cancel()
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: &o.key, Metadata: o.metadata(), ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ContentType: contentType(o.key),
	})
	if err != nil {
		return "", nil, failed("send "+o.key, err)
	}
	return aws.ToString(out.UploadId), nil, nil
}

func (s *Store) parts(ctx context.Context, o object, upload string) (map[int32]types.Part, error) {
	ctx, cancel := patience(ctx, 0)
	defer cancel()
	there := map[int32]types.Part{}
	pages := s3.NewListPartsPaginator(s.client, &s3.ListPartsInput{Bucket: &s.bucket, Key: &o.key, UploadId: &upload})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed("list the parts of "+o.key, err)
		}
		for _, p := range page.Parts {
			there[aws.ToInt32(p.PartNumber)] = p
		}
	}
	return there, nil
}

// uploads are the uploads in parts that were begun and neither completed nor given up, of all objects whose keys begin so.
func (s *Store) uploads(ctx context.Context, prefix string) ([]types.MultipartUpload, error) {
	ctx, cancel := patience(ctx, 0)
	defer cancel()
	var out []types.MultipartUpload
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed("list the unfinished uploads below "+prefix, err)
		}
		out = append(out, page.Uploads...)
	}
	return out, nil
}

// giveUp drops the unfinished uploads of objects whose keys begin so.
func (s *Store) giveUp(ctx context.Context, prefix string) error {
	begun, err := s.uploads(ctx, prefix)
	if err != nil {
		return err
	}
	return each(ctx, len(begun), func(ctx context.Context, i int) error {
		ctx, cancel := patience(ctx, 0)
		defer cancel()
		_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: begun[i].Key, UploadId: begun[i].UploadId})
		if err != nil && !absent(err) {
			return failed("give up an upload of "+aws.ToString(begun[i].Key), err)
		}
		return nil
	})
}

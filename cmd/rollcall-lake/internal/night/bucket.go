package night

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// bucket keeps documents as objects.
type bucket struct {
	client       *s3.Client
	name, prefix string
}

func openBucket(ctx context.Context, name, prefix string, o ObjectStorage) (*bucket, error) {
	var opts []func(*awsconfig.LoadOptions) error
	if o.Region != "" {
		opts = append(opts, awsconfig.WithRegion(o.Region))
	}
	c, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	client := s3.NewFromConfig(c, func(s *s3.Options) {
		if o.Endpoint != "" {
			s.BaseEndpoint = aws.String(o.Endpoint)
		}
		s.UsePathStyle = o.PathStyle
	})
	return &bucket{client, name, prefix}, nil
}

func (b *bucket) key(name string) *string { return aws.String(path.Join(b.prefix, name)) }

// maxConflicts is how often a create is tried again that the server says another was being made beside.
const maxConflicts = 5

func (b *bucket) create(ctx context.Context, name string, doc []byte) (created bool, err error) {
	for range maxConflicts {
		_, err = b.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(b.name), Key: b.key(name), Body: bytes.NewReader(doc), IfNoneMatch: aws.String("*"), ContentType: aws.String("application/json"),
		})
		switch codeOf(err) {
		case "":
			return err == nil, err
		case "PreconditionFailed":
			return false, nil
		case "ConditionalRequestConflict":
		default:
			return false, err
		}
	}
	return false, err
}

// codeOf is the code of what the server answered; empty where it did not.
func codeOf(err error) string {
	if answer := smithy.APIError(nil); errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

func (b *bucket) read(ctx context.Context, name string) (doc []byte, err error) {
	o, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(b.name), Key: b.key(name)})
	if missing := new(types.NoSuchKey); errors.As(err, &missing) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Body.Close()) }()
	return io.ReadAll(o.Body)
}

func (b *bucket) list(ctx context.Context, folder string) (names []string, err error) {
	prefix := *b.key(folder) + "/"
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: aws.String(b.name), Prefix: aws.String(prefix), Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			names = append(names, path.Join(folder, strings.TrimPrefix(aws.ToString(o.Key), prefix)))
		}
		for _, p := range page.CommonPrefixes {
			names = append(names, path.Join(folder, strings.TrimPrefix(aws.ToString(p.Prefix), prefix)))
		}
	}
	return names, nil
}

func (b *bucket) remove(ctx context.Context, name string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(b.name), Key: b.key(name)})
	return err
}

package modelstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// bucket is a store in a bucket with the API of Amazon S3.
type bucket struct {
	service
	name, prefix string
	client       *minio.Client
}

// connect returns the bucket with a client. Without any credentials the bucket is asked as a stranger.
func (b bucket) connect(at *url.URL) (store, error) {
	client, err := minio.New(at.Host, &minio.Options{
		Secure: at.Scheme == "https", Region: b.region, BucketLookup: b.lookup,
		Creds: credentials.NewChainCredentials(b.credentials),
	})
	b.client = client
	return b, err
}

func (b bucket) list(ctx context.Context) ([]object, error) {
	prefix, only := b.prefix, ""
	if before, file, ok := lastThree(b.prefix); ok {
		prefix, only = before, file
	}
	if prefix != "" {
		prefix += "/"
	}
	ctx, cancel := context.WithCancel(ctx) // ends the listing if this returns before its end
	defer cancel()
	var all []object
	for o := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix + only, Recursive: true}) {
		if o.Err != nil {
			return nil, b.reasonOf(o.Err)
		}
		name := strings.TrimPrefix(o.Key, prefix)
		if isPlace(name) && (only == "" || name == only) {
			all = append(all, object{path: name, size: o.Size, tag: o.ETag, key: o.Key})
		}
	}
	return all, ctx.Err()
}

func (b bucket) read(ctx context.Context, o object) (io.ReadCloser, error) {
	var options minio.GetObjectOptions
	if err := options.SetMatchETag(o.tag); err != nil { // what was listed
		return nil, err
	}
	r, err := b.client.GetObject(ctx, b.name, o.key, options)
	return r, b.reasonOf(err)
}

func (b bucket) write(ctx context.Context, files []File) (string, error) {
	for _, f := range files {
		key := path.Join(b.prefix, f.place())
		_, err := b.client.FPutObject(ctx, b.name, key, f.Path, minio.PutObjectOptions{
			ContentType: "application/octet-stream", UserMetadata: map[string]string{"sha256": f.Digest},
			DisableMultipart: b.whole, DisableContentSha256: b.whole,
		})
		if err != nil {
			return "", b.reasonOf(err)
		}
	}
	return "", nil
}

// reasonOf names the code of an error of the service, which says more than its text.
func (s service) reasonOf(err error) error {
	var answered minio.ErrorResponse
	if !errors.As(err, &answered) {
		return err
	}
	switch answered.Code {
	case "NoSuchBucket":
		return errors.New("there is no such bucket")
	case "AccessDenied":
		return fmt.Errorf("access is denied: credentials are %s", s.keeper)
	}
	return fmt.Errorf("%s: %s", answered.Code, answered.Message)
}

package modelstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// bucket is a store in a bucket with the API of Amazon S3.
type bucket struct {
	name, prefix     string
	endpoint, region string
	client           *minio.Client
}

// metadataTime bounds the question to the machine's own service for credentials, which only some machines have.
const metadataTime = 2 * time.Second

// connect returns the bucket with a client whose credentials come from where those of Amazon's tools do: the
// environment, the file ~/.aws/credentials, or the machine's role. Without any the bucket is asked as a stranger.
func (b bucket) connect(at *url.URL) (store, error) {
	client, err := minio.New(at.Host, &minio.Options{
		Secure: at.Scheme == "https", Region: b.region,
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
			&credentials.IAM{Client: &http.Client{Timeout: metadataTime}},
		}),
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
			return nil, reasonOf(o.Err)
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
	return r, reasonOf(err)
}

func (b bucket) write(ctx context.Context, files []File) (string, error) {
	for _, f := range files {
		key := path.Join(b.prefix, f.place())
		_, err := b.client.FPutObject(ctx, b.name, key, f.Path, minio.PutObjectOptions{
			ContentType: "application/octet-stream", UserMetadata: map[string]string{"sha256": f.Digest},
		})
		if err != nil {
			return "", reasonOf(err)
		}
	}
	return "", nil
}

// reasonOf names the code of an error of the service, which says more than its text.
func reasonOf(err error) error {
	var answered minio.ErrorResponse
	if !errors.As(err, &answered) {
		return err
	}
	switch answered.Code {
	case "NoSuchBucket":
		return errors.New("there is no such bucket")
	case "AccessDenied":
		return errors.New("access is denied: credentials are those of AWS_ACCESS_KEY_ID, of ~/.aws/credentials or of " +
			"the machine's role")
	}
	return fmt.Errorf("%s: %s", answered.Code, answered.Message)
}

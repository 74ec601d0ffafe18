package modelstore

import (
	"cmp"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// service is what services with the API of S3 differ in.
type service struct {
	scheme           string   // of references
	keys             []string // that the query of a reference may have
	endpoint, region string   // of references that name none; an empty region is asked for
	lookup           minio.BucketLookupType
	whole            bool // sends a file as one object as it is, without a signature for each part
	credentials      []credentials.Provider
	keeper           string // says where the credentials are
}

// metadataTime bounds the question to the machine's own service for credentials, which only some machines have.
const metadataTime = 2 * time.Second

// amazon returns Amazon's service, or the one that the environment names. Its credentials come from where those of
// Amazon's tools do.
func amazon() service {
	return service{
		scheme: "s3", keys: []string{"endpoint", "region"},
		endpoint: cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com"),
		region:   cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		credentials: []credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
			&credentials.IAM{Client: &http.Client{Timeout: metadataTime}},
		},
		keeper: "those of AWS_ACCESS_KEY_ID, of ~/.aws/credentials or of the machine's role",
	}
}

// google returns Google's service. It accepts Amazon's signatures by HMAC keys, in any region, and addresses with the
// bucket in the path (cloud.google.com/storage/docs/aws-simple-migration and .../request-endpoints). It keeps the
// signatures of parts as if they were content (minio-go, issue 1922), so a file goes as a whole.
func google() service {
	return service{
		scheme: "gs", keys: []string{"endpoint"},
		endpoint: "https://storage.googleapis.com", region: "auto", lookup: minio.BucketLookupPath, whole: true,
		credentials: []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}},
		keeper:      "an HMAC key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in ~/.aws/credentials",
	}
}

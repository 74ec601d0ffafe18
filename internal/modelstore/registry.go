package modelstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// The types of the artifact and of a model file in it.
const (
	artifactType = "application/vnd.langevin.models.v1"
	layerType    = "application/vnd.langevin.model.v1+onnx"
)

// mostManifest bounds the manifest of an artifact in bytes.
const mostManifest = 4 << 20

// artifact is a store in an OCI registry: an artifact with a layer for each model file.
type artifact struct {
	repository *remote.Repository
	reference  string // tag or digest
}

func parseOCI(place, pin string) (func() (store, error), error) {
	if pin != "" {
		place += "@sha256:" + pin
	}
	r, err := registry.ParseReference(place)
	if err != nil {
		return nil, errors.New("want oci://REGISTRY/REPOSITORY:TAG or oci://REGISTRY/REPOSITORY@sha256:DIGEST")
	}
	if r.Reference == "" {
		return nil, errors.New("it has no tag: want :TAG or @sha256:DIGEST after the repository")
	}
	return func() (store, error) { return connectOCI(r) }, nil
}

// connectOCI returns the artifact with a client whose credentials come from where Docker's do.
func connectOCI(r registry.Reference) (store, error) {
	known, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the credentials of Docker: %w", err)
	}
	client := &auth.Client{
		Client: retry.DefaultClient, Cache: auth.NewCache(), Credential: credentials.Credential(known),
	}
	client.SetUserAgent("langevin")
	return artifact{reference: r.Reference, repository: &remote.Repository{
		Reference: r, Client: client, PlainHTTP: local(r.Host()),
	}}, nil
}

func (a artifact) list(ctx context.Context) ([]object, error) {
	described, body, err := a.repository.FetchReference(ctx, a.reference)
	if err != nil {
		return nil, a.explain(err)
	}
	defer body.Close()
	if described.Size > mostManifest {
		return nil, fmt.Errorf("its manifest has %d bytes: want at most %d", described.Size, mostManifest)
	}
	text, err := content.ReadAll(body, described) // which compares the digest
	if err != nil {
		return nil, a.explain(err)
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("its manifest is no JSON: %w", err)
	}
	if manifest.ArtifactType != artifactType {
		return nil, fmt.Errorf("it is an artifact of type %q: want one that models push has made, of type %s",
			manifest.ArtifactType, artifactType)
	}
	return layers(manifest)
}

// layers returns the model files of a manifest. One that is at no place of a model is an error: nobody else writes
// artifacts of this type.
func layers(manifest ocispec.Manifest) ([]object, error) {
	var all []object
	for _, l := range manifest.Layers {
		name := l.Annotations[ocispec.AnnotationTitle]
		if !isPlace(name) || l.MediaType != layerType || l.Digest.Algorithm() != digest.SHA256 {
			return nil, fmt.Errorf("it has a file %q of type %q: want NAME/VERSION/model.onnx of type %s",
				name, l.MediaType, layerType)
		}
		all = append(all, object{path: name, size: l.Size, tag: l.Digest.String(), digest: l.Digest.Encoded()})
	}
	return all, nil
}

func (a artifact) read(ctx context.Context, o object) (io.ReadCloser, error) {
	r, err := a.repository.Fetch(ctx, ocispec.Descriptor{
		MediaType: layerType, Digest: digest.NewDigestFromEncoded(digest.SHA256, o.digest), Size: o.size})
	return r, a.explain(err)
}

// write pushes an artifact. The same files make the same one.
func (a artifact) write(ctx context.Context, files []File) (string, error) {
	if digest.Digest(a.reference).Validate() == nil {
		return "", errors.New("a digest cannot be pushed to: want a tag")
	}
	var all []ocispec.Descriptor
	for _, f := range files {
		l := ocispec.Descriptor{
			MediaType: layerType, Digest: digest.NewDigestFromEncoded(digest.SHA256, f.Digest), Size: f.Size,
			Annotations: map[string]string{ocispec.AnnotationTitle: f.place()},
		}
		if err := a.pushLayer(ctx, f, l); err != nil {
			return "", a.explain(err)
		}
		all = append(all, l)
	}
	packed, err := oras.PackManifest(ctx, a.repository, oras.PackManifestVersion1_1, artifactType,
		oras.PackManifestOptions{Layers: all, ManifestAnnotations: map[string]string{
			ocispec.AnnotationCreated: "1970-01-01T00:00:00Z", // the time would be another manifest
		}})
	if err == nil {
		err = a.repository.Tag(ctx, packed, a.reference)
	}
	return "@" + packed.Digest.String(), a.explain(err)
}

func (a artifact) pushLayer(ctx context.Context, f File, l ocispec.Descriptor) error {
	if there, err := a.repository.Exists(ctx, l); there || err != nil {
		return err
	}
	file, err := f.open()
	if err != nil {
		return err
	}
	defer file.Close()
	return a.repository.Push(ctx, l, file)
}

// explain says what can be done about an answer of the registry.
func (a artifact) explain(err error) error {
	var answered *errcode.ErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errdef.ErrNotFound):
		return fmt.Errorf("%s has no %s", a.repository.Reference.Repository, a.reference)
	case errors.Is(err, auth.ErrBasicCredentialNotFound), errors.As(err, &answered) &&
		(answered.StatusCode == http.StatusUnauthorized || answered.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%s denies it: log in with docker login, or set DOCKER_CONFIG to a folder with config.json",
			a.repository.Reference.Registry)
	}
	return err
}

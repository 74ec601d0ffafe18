// Package modelstore moves model files between this machine and the places where others keep them: OCI registries,
// buckets with the API of S3 (Google's too), and folders. In each, models have the layout of a server's folder,
// NAME/VERSION/model.onnx.
package modelstore

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/models"
)

// Forms is the forms of references, for help and errors.
const Forms = "oci://REGISTRY/REPOSITORY:TAG, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or file:///FOLDER"

// A Reference names models in a place. The zero Reference names nothing.
type Reference struct {
	text   string
	open   func() (store, error)
	digest string // the SHA-256 that is pinned, in hexadecimal; empty: none
	file   string // digest if it is that of the one model file, and not of an artifact
}

// String returns the reference as it was written. It never has credentials.
func (r Reference) String() string { return r.text }

// Parse reads a reference in one of the Forms. All may end in @sha256:DIGEST. In a registry that pins the artifact, and
// elsewhere the one model file that the reference names. A bucket may have an ?endpoint= with the address of a service
// other than Amazon's or Google's.
func Parse(text string) (Reference, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return Reference{}, fmt.Errorf("%q names no models: want %s", text, Forms)
	}
	r := Reference{text: text}
	place, pin, pinned := strings.Cut(rest, "@")
	if pinned {
		pin, query, asks := strings.Cut(pin, "?") // the digest may come before the query too
		digest, sha := strings.CutPrefix(pin, "sha256:")
		switch {
		case !sha: // what is there instead may be a secret, and so may what is before it
			return Reference{}, fmt.Errorf("%s://: want sha256: and 64 hexadecimal digits after @, and no "+
				"credentials: they come from the environment and the usual files", scheme)
		case !hexDigest.MatchString(digest):
			return Reference{}, fmt.Errorf("%s://%s@sha256: has %d characters after it: want 64 hexadecimal digits",
				scheme, pathOf(place), len(digest))
		}
		r.digest = digest
		if asks {
			place += "?" + query
		}
	}
	var err error
	switch scheme {
	case "oci":
		r.open, err = parseOCI(place, r.digest)
	case "s3":
		r.open, err = parseBucket(place, amazon())
	case "gs":
		r.open, err = parseBucket(place, google())
	case "file":
		r.open, err = parseFolder(place)
	default:
		err = fmt.Errorf("want %s", Forms)
	}
	if scheme != "oci" {
		r.file = r.digest
	}
	if err == nil && pinned && scheme != "oci" && path.Base(pathOf(place)) != models.FileName {
		err = fmt.Errorf("a digest pins one file: want a path that ends in NAME/VERSION/%s before it", models.FileName)
	}
	if err != nil {
		return Reference{}, fmt.Errorf("%s://%s: %w", scheme, pathOf(place), err) // a query may have a secret
	}
	return r, nil
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// pathOf returns a place without its query.
func pathOf(place string) string {
	before, _, _ := strings.Cut(place, "?")
	return before
}

func parseFolder(place string) (func() (store, error), error) {
	if !strings.HasPrefix(place, "/") {
		return nil, fmt.Errorf("want file:/// and an absolute path")
	}
	return func() (store, error) { return folder{filepath.FromSlash(place)}, nil }, nil
}

func parseBucket(place string, s service) (func() (store, error), error) {
	u, err := url.Parse(s.scheme + "://" + place)
	if err != nil {
		return nil, fmt.Errorf("want %s://BUCKET/PREFIX", s.scheme)
	}
	query := u.Query()
	for _, key := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(s.keys, key) {
			return nil, fmt.Errorf("?%s=: want no key but %s", key, strings.Join(s.keys, " and "))
		}
	}
	s.endpoint = cmp.Or(query.Get("endpoint"), s.endpoint)
	s.region = cmp.Or(query.Get("region"), s.region)
	at, err := url.Parse(s.endpoint)
	switch {
	case u.Host == "":
		return nil, fmt.Errorf("it names no bucket: want %s://BUCKET/PREFIX", s.scheme)
	case err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.User != nil ||
		strings.Trim(at.Path, "/") != "":
		return nil, fmt.Errorf("the endpoint is wrong: want https://HOST or https://HOST:PORT")
	}
	b := bucket{service: s, name: u.Host, prefix: strings.Trim(u.Path, "/")}
	return func() (store, error) { return b.connect(at) }, nil
}

// placed matches the path of a model file.
var placed = regexp.MustCompile(`^([^/]+)/([1-9][0-9]*)/` + regexp.QuoteMeta(models.FileName) + `$`)

// isPlace reports whether a path is one in the layout of models, with a name and a version.
func isPlace(path string) bool {
	m := placed.FindStringSubmatch(path)
	if m == nil || !models.ValidName(m[1]) {
		return false
	}
	_, err := strconv.Atoi(m[2])
	return err == nil
}

// lastThree returns the end of a path that names a model file, NAME/VERSION/model.onnx, and what is before it.
func lastThree(at string) (before, file string, ok bool) {
	parts := strings.Split(at, "/")
	if len(parts) < 3 || parts[len(parts)-1] != models.FileName {
		return at, "", false
	}
	cut := len(parts) - 3
	file = strings.Join(parts[cut:], "/")
	return strings.Join(parts[:cut], "/"), file, isPlace(file)
}

// local reports whether a host is this machine, so that a registry on it may be asked without TLS, as Docker does.
func local(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

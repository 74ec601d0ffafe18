package modelstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

const most = 1 << 20

// place is a store that runs in the test: what its references begin with, and what is wrong with it now.
type place struct {
	begin string // before a tag or a path
	end   string // after it
	away  *atomic.Bool
	seen  *atomic.Value // the last Authorization header
	heads *requests
}

// requests is the requests that a place had. It is safe for concurrent use.
type requests struct {
	mu  sync.Mutex
	all []*http.Request
}

func (r *requests) add(next *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, next)
}

// serve makes the handler of a place reachable, unless it is away.
func (p place) serve(t *testing.T, next http.Handler) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.away.Load() {
			http.Error(w, "away", http.StatusForbidden)
			return
		}
		p.seen.Store(r.Header.Get("Authorization"))
		p.heads.add(r)
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func newPlace() place {
	return place{away: new(atomic.Bool), seen: new(atomic.Value), heads: new(requests)}
}

// aRegistry runs an OCI registry that wants the password of Docker's configuration.
func aRegistry(t *testing.T) place {
	t.Helper()
	p := newPlace()
	open := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	host := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, word, _ := r.BasicAuth(); name != "ada" || word != "s3cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		open.ServeHTTP(w, r)
	}))
	docker := t.TempDir()
	write(t, filepath.Join(docker, "config.json"), `{"auths":{"`+host+`":{"auth":"YWRhOnMzY3JldA=="}}}`)
	t.Setenv("DOCKER_CONFIG", docker)
	p.begin = "oci://" + host + "/zoo:"
	return p
}

// aBucket runs a service with the API of S3.
func aBucket(t *testing.T) place {
	t.Helper()
	p, backend := newPlace(), s3mem.New()
	if err := backend.CreateBucket("zoo"); err != nil {
		t.Fatal(err)
	}
	host := p.serve(t, gofakes3.New(backend).Server())
	t.Setenv("AWS_ACCESS_KEY_ID", "ada")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
	t.Setenv("AWS_REGION", "us-east-1")
	p.begin, p.end = "s3://zoo/", "?endpoint=http://"+host
	return p
}

// aGoogleBucket runs the same service for references to Google's, which ignore what names another than Google's.
func aGoogleBucket(t *testing.T) place {
	t.Helper()
	p := aBucket(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://localhost:1")
	p.begin = "gs://zoo/"
	return p
}

func aFolder(t *testing.T) place {
	t.Helper()
	p := newPlace()
	p.begin = "file://" + t.TempDir() + "/"
	return p
}

func places() map[string]func(*testing.T) place {
	return map[string]func(*testing.T) place{"registry": aRegistry, "bucket": aBucket, "Google": aGoogleBucket,
		"folder": aFolder}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// aFile makes a model file on this machine.
func aFile(t *testing.T, name string, version int, text string) File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "any.onnx")
	write(t, path, text)
	sum := sha256.Sum256([]byte(text))
	return File{Path: path, Name: name, Version: version, Digest: hex.EncodeToString(sum[:]), Size: int64(len(text))}
}

func parse(t *testing.T, text string) Reference {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tree returns the files of a folder with their texts.
func tree(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		below, _ := filepath.Rel(folder, path)
		all[filepath.ToSlash(below)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestMirror: what is pushed to a place is in its mirror, and so are changes. If the place is away, the mirror stays.
func TestMirror(t *testing.T) {
	for name, start := range places() {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			at := parse(t, p.begin+"stable"+p.end)
			ring, digits := aFile(t, "ring", 1, "first"), aFile(t, "digits", 2, "numbers")
			push := func(files ...File) string {
				pinned, err := Push(t.Context(), at, files)
				if err != nil {
					t.Fatal(err)
				}
				return pinned
			}
			var err error
			pinned := push(ring, digits)
			cache := filepath.Join(t.TempDir(), "new")
			m := NewMirror(at, cache, most, slog.New(slog.DiscardHandler))
			if m.Complete() {
				t.Fatal("a new mirror is complete")
			}
			sync := func(changes bool, want map[string]string) {
				t.Helper()
				var changed bool
				changed, err = m.Sync(t.Context())
				if diff := cmp.Diff(want, tree(t, m.Folder())); err != nil || changed != changes || diff != "" {
					t.Errorf("%v, changed %v (-want +got):\n%s", err, changed, diff)
				}
			}
			both := map[string]string{"ring/1/model.onnx": "first", "digits/2/model.onnx": "numbers"}
			sync(true, both)
			sync(false, both)
			if !m.Complete() {
				t.Error("the mirror does not know that it is complete")
			}
			p.away.Store(true)
			if _, err := m.Sync(t.Context()); name != "folder" && err == nil {
				t.Error("no error, and the place is away")
			}
			p.away.Store(false)
			sync(false, both)
			push(aFile(t, "ring", 1, "second"), aFile(t, "ring", 3, "third"), digits)
			sync(true, map[string]string{"ring/1/model.onnx": "second", "ring/3/model.onnx": "third",
				"digits/2/model.onnx": "numbers"})
			testDamaged(t, m, p)
			if name == "registry" {
				testPinned(t, pinned, both)
				push(ring)
				sync(true, map[string]string{"ring/1/model.onnx": "first"})
			}
			for _, secret := range []string{"s3cret", "YWRhOnMzY3JldA"} {
				if strings.Contains(fmt.Sprint(at, err), secret) {
					t.Errorf("%v has the secret", at)
				}
			}
			if seen, _ := p.seen.Load().(string); name != "folder" && seen == "" {
				t.Error("the place was asked without credentials")
			}
		})
	}
}

// testDamaged: a new process notices what was changed in the folder of a mirror, also in its own index and while the
// place is away, and so does one that runs. Nothing of it stays.
func testDamaged(t *testing.T, old *Mirror, p place) {
	t.Helper()
	want := tree(t, old.Folder())
	ring := filepath.Join(old.Folder(), "ring", "1", "model.onnx")
	for name, damage := range map[string]func(){
		"same size": func() { write(t, ring, "SECOND") },
		"index too": func() {
			write(t, ring, "SECOND")
			sum := sha256.Sum256([]byte("second"))
			other := sha256.Sum256([]byte("SECOND"))
			text, err := os.ReadFile(old.index())
			if err != nil {
				t.Fatal(err)
			}
			// The tag of a registry is the digest, and stays: it is what the place says.
			write(t, old.index(), strings.Replace(string(text), `"digest": "`+hex.EncodeToString(sum[:]),
				`"digest": "`+hex.EncodeToString(other[:]), 1))
		},
		"no index":   func() { write(t, old.index(), "junk") },
		"a stranger": func() { write(t, filepath.Join(old.Folder(), "evil", "1", "model.onnx"), "x") },
		"a link": func() {
			if err := os.Symlink(filepath.Join(old.Folder(), "ring"), filepath.Join(old.Folder(), "evil")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		if name == "index too" && !strings.HasPrefix(p.begin, "oci") {
			continue // the places say no digest of their own
		}
		for _, running := range []bool{false, true} {
			m := NewMirror(old.from, filepath.Dir(old.folder), most, slog.New(slog.DiscardHandler))
			if running {
				m = old
			}
			damage()
			_, err := m.Sync(t.Context())
			if diff := cmp.Diff(want, tree(t, m.Folder())); err != nil || diff != "" {
				t.Errorf("%s, running %v: %v (-want +got):\n%s", name, running, err, diff)
			}
		}
	}
	var log strings.Builder
	again := NewMirror(old.from, filepath.Dir(old.folder), most, slog.New(slog.NewTextHandler(&log, nil)))
	write(t, ring, "SECOND")
	p.away.Store(true)
	_, err := again.Sync(t.Context())
	p.away.Store(false)
	if got := tree(t, again.Folder())["ring/1/model.onnx"]; got == "SECOND" || !again.Complete() ||
		!strings.Contains(log.String(), ring) {
		t.Errorf("away: %q, %v, complete %v, log %s", got, err, again.Complete(), log.String())
	}
	if _, err := again.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

// testPinned pulls an artifact by its digest, whatever its tag means now. Pushing the same files gives the same digest.
func testPinned(t *testing.T, pinned string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	all, err := Pull(t.Context(), parse(t, pinned), t.TempDir(), most)
	for _, p := range all {
		text, _ := os.ReadFile(p.Path)
		got[p.Place] = string(text)
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%s: %v (-want +got):\n%s", pinned, err, diff)
	}
	at, _, _ := strings.Cut(pinned, "@")
	again, err := Push(t.Context(), parse(t, at+"2"),
		[]File{aFile(t, "ring", 1, "first"), aFile(t, "digits", 2, "numbers")})
	_, digest, _ := strings.Cut(pinned, "@")
	if err != nil || !strings.HasSuffix(again, digest) {
		t.Errorf("the same files: %s, %v; want the digest of %s", again, err, pinned)
	}
}

// TestPinnedFile: a digest after the path of one file in a bucket or a folder admits only that content.
func TestPinnedFile(t *testing.T) {
	for _, name := range []string{"bucket", "Google", "folder"} {
		t.Run(name, func(t *testing.T) {
			p := places()[name](t)
			ring := aFile(t, "ring", 1, "first")
			both := []File{ring, aFile(t, "ring", 2, "x")}
			if _, err := Push(t.Context(), parse(t, p.begin+"a/b"+p.end), both); err != nil {
				t.Fatal(err)
			}
			one := p.begin + "a/b/ring/1/model.onnx" + p.end
			all, err := Pull(t.Context(), parse(t, one+"@sha256:"+ring.Digest), t.TempDir(), most)
			if err != nil || len(all) != 1 || all[0].Place != "ring/1/model.onnx" || all[0].Digest != ring.Digest {
				t.Errorf("%+v, %v", all, err)
			}
			folder := t.TempDir()
			_, err = Pull(t.Context(), parse(t, one+"@sha256:"+strings.Repeat("0", 64)), folder, most)
			want := "ring/1/model.onnx: refused: its SHA-256 is " + ring.Digest
			if err == nil || !strings.Contains(err.Error(), want) || len(tree(t, folder)) > 0 {
				t.Errorf("another digest: %v, left %v", err, tree(t, folder))
			}
			cache := filepath.Join(t.TempDir(), "new")
			m := NewMirror(parse(t, one+"@sha256:"+strings.Repeat("0", 64)), cache, most,
				slog.New(slog.DiscardHandler))
			_, err = m.Sync(t.Context())
			if _, left := os.Stat(cache); err == nil || left == nil {
				t.Errorf("a mirror of another digest: %v, left a folder: %v", err, left == nil)
			}
		})
	}
}

// TestPullRefuses: mistakes are named in one line, and nothing is left behind.
func TestPullRefuses(t *testing.T) {
	r, b, f := aRegistry(t), aBucket(t), aFolder(t)
	g := strings.Replace(b.begin, "s3:", "gs:", 1)
	big := aFile(t, "big", 1, strings.Repeat("x", most+1))
	for _, at := range []string{r.begin + "big", b.begin + "big" + b.end, f.begin + "big"} {
		if _, err := Push(t.Context(), parse(t, at), []File{big}); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[string]string{
		r.begin + "none":                                    "zoo has no none",
		r.begin + "big":                                     "big/1/model.onnx has 1048577 bytes: want at most 1048576",
		b.begin + "big" + b.end:                             "big/1/model.onnx has 1048577 bytes",
		b.begin + "none" + b.end:                            "it has no NAME/VERSION/model.onnx",
		g + "big" + b.end:                                   "big/1/model.onnx has 1048577 bytes",
		g + "none" + b.end:                                  "it has no NAME/VERSION/model.onnx",
		strings.Replace(g, "zoo", "other", 1) + b.end:       "there is no such bucket",
		strings.Replace(b.begin, "zoo", "other", 1) + b.end: "there is no such bucket",
		f.begin + "none":                                    "is no folder",
	} {
		folder := t.TempDir()
		_, err := Pull(t.Context(), parse(t, at), folder, most)
		if err == nil || !strings.Contains(err.Error(), want) || len(tree(t, folder)) > 0 {
			t.Errorf("%s: %v, want %q", at, err, want)
		}
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if _, err := Pull(t.Context(), parse(t, r.begin+"big"), t.TempDir(), most); err == nil ||
		!strings.Contains(err.Error(), "denies it: log in with docker login") {
		t.Errorf("a stranger: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Pull(ctx, parse(t, b.begin+"big"+b.end), t.TempDir(), most); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestGoogle: requests are of the kind that Google's service accepts, also for a file of more than one part.
func TestGoogle(t *testing.T) {
	p := aGoogleBucket(t)
	long := strings.Repeat("x", 17<<20)
	if _, err := Push(t.Context(), parse(t, p.begin+"a"+p.end), []File{aFile(t, "ring", 1, long)}); err != nil {
		t.Fatal(err)
	}
	all, err := Pull(t.Context(), parse(t, p.begin+"a"+p.end), t.TempDir(), int64(len(long)))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	p.heads.mu.Lock()
	defer p.heads.mu.Unlock()
	if len(p.heads.all) != 3 {
		t.Errorf("%d requests, want one each to write, list and read", len(p.heads.all))
	}
	for _, r := range p.heads.all {
		var foreign []string
		for name := range r.Header {
			if name := strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(
				[]string{"x-amz-date", "x-amz-content-sha256", "x-amz-meta-sha256"}, name) {
				foreign = append(foreign, name)
			}
		}
		signed := r.Header.Get("Authorization")
		content := r.Header.Get("X-Amz-Content-Sha256")
		if !strings.Contains(signed, "AWS4-HMAC-SHA256 Credential=ada/") ||
			!strings.Contains(signed, "/auto/s3/aws4_request") || strings.Contains(signed, "accept-encoding") ||
			content != "UNSIGNED-PAYLOAD" && len(content) != sha256.Size*2 || len(foreign) > 0 ||
			r.Header.Get("Content-Encoding") != "" || !strings.HasPrefix(r.URL.Path, "/zoo") {
			t.Errorf("%s %s: %v", r.Method, r.URL, r.Header)
		}
	}
	at, err := parse(t, "gs://my.zoo/a").open()
	if err != nil || at.(bucket).client.EndpointURL().String() != "https://storage.googleapis.com" {
		t.Errorf("without an endpoint: %v, %v", at, err)
	}
}

// TestPlaces: nothing but NAME/VERSION/model.onnx is the place of a model, whatever a store says.
func TestPlaces(t *testing.T) {
	for path, want := range map[string]bool{
		"ring/1/model.onnx": true, "a.b-c/12/model.onnx": true,
		"../1/model.onnx": false, "ring/../model.onnx": false, "ring/0/model.onnx": false, "/ring/1/model.onnx": false,
		"ring/1/other.onnx": false, "a/ring/1/model.onnx": false, "ring/1/model.onnx/x": false,
		"ring/99999999999999999999/model.onnx": false, "ring/01/model.onnx": false, "": false,
		`..\x/1/model.onnx`: false,
	} {
		if ok := isPlace(path); ok != want {
			t.Errorf("%q is a place: %v", path, ok)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for text, want := range map[string]string{
		"ring":                                    "names no models: want oci://",
		"http://x/y":                              "want oci://REGISTRY",
		"gs://":                                   "names no bucket: want gs://BUCKET/PREFIX",
		"gs://ada:secret@zoo/a":                   "gs://: want sha256: and 64 hexadecimal digits after @",
		"gs://zoo/a?region=x":                     "?region=: want no key but endpoint",
		"gs://zoo/a?endpoint=ftp://x":             "the endpoint is wrong",
		"gs://zoo/a" + digest:                     "a digest pins one file",
		"oci://host":                              "want oci://REGISTRY/REPOSITORY:TAG",
		"oci://host/zoo":                          "it has no tag",
		"oci://host/zoo@sha256:12":                "oci://host/zoo@sha256: has 2 characters after it: want 64 hex",
		"s3://":                                   "names no bucket",
		"s3://ada:secret@zoo/a":                   "s3://: want sha256: and 64 hexadecimal digits after @",
		"s3://zoo/a?x=1":                          "?x=: want no key but endpoint and region",
		"s3://zoo?endpoint=https://ada:secret@x":  "s3://: want sha256:",
		"s3://zoo/a?endpoint=ftp://x":             "the endpoint is wrong",
		"s3://zoo/a" + digest:                     "a digest pins one file",
		"s3://zoo/ring/x/model.onnx" + digest[:9]: "64 hexadecimal digits",
		"file://models":                           "an absolute path",
		"file:///models" + digest:                 "a digest pins one file",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	var good []string
	for _, text := range []string{"oci://localhost:5000/a/b:v1", "oci://ghcr.io/a/b:v1" + digest, "oci://h/r" + digest,
		"gs://zoo", "gs://zoo/a/ring/1/model.onnx" + digest, "s3://zoo", "s3://zoo/a/ring/1/model.onnx" + digest,
		"s3://zoo/a/ring/1/model.onnx" + digest + "?endpoint=http://x", "file:///m/ring/1/model.onnx" + digest} {
		if _, err := Parse(text); err != nil {
			good = append(good, err.Error())
		}
	}
	if len(good) > 0 {
		t.Errorf("refused: %q", slices.Compact(good))
	}
}

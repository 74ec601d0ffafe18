package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page openapi.json
var embedded embed.FS

// The paths of the description of the samplers, and of the OpenAPI document.
const (
	samplersPath = "/v1/samplers"
	openAPIPath  = "/openapi.json"
)

// page serves the embedded files, the description of the samplers, and the OpenAPI document.
type page struct {
	files map[string]file
}

type file struct {
	data  []byte
	media string
	etag  string // weak, because the file may be compressed on its way
}

// newPage reads the embedded files once.
func newPage() (*page, error) {
	p := &page{files: make(map[string]file)}
	err := fs.WalkDir(embedded, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		p.files[strings.TrimPrefix(name, "page")] = newFile(data, mediaOf(name))
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.files["/"] = p.files["/index.html"]
	document, err := embedded.ReadFile(strings.TrimPrefix(openAPIPath, "/"))
	if err != nil {
		return nil, err
	}
	p.files[openAPIPath] = newFile(document, "application/json")
	p.files[samplersPath], err = samplersFile()
	return p, err
}

func newFile(data []byte, media string) file {
	sum := sha256.Sum256(data)
	return file{data, media, `W/"` + hex.EncodeToString(sum[:8]) + `"`}
}

// mediaOf returns the media type of a file. It does not use the machine's tables, which differ.
func mediaOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// ServeHTTP answers with a file. Browsers keep it but ask every time whether it changed, so the pages of two server
// versions never mix.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, found := p.files[r.URL.Path]
	switch {
	case !found:
		writeProblem(w, r, &problem{Code: "NOT_FOUND", Message: clipped(r.URL.Path) +
			": there is no such page; the API is below /v1/models", status: http.StatusNotFound})
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		writeProblem(w, r, otherMethod(r, http.MethodGet))
		return
	}
	w.Header().Set("Content-Type", f.media)
	w.Header().Set("Etag", f.etag)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
}

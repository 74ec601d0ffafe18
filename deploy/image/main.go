// Image writes a container image of Langevin: the program, ONNX Runtime, the system libraries that they need, and
// nothing else, not even a shell. It needs no base image, no registry, no container engine and no privileges. The
// system libraries are those of the machine that it runs on, and their licences those of its Debian packages.
//
//	image -program bin/langevin -library libonnxruntime.so.1 -licences FOLDER OUT.tar
//
// docker load, podman load and ctr images import read the file. The same inputs give the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run() error {
	program := flag.String("program", "bin/langevin", "the program")
	library := flag.String("library", "", "ONNX Runtime")
	authorities := flag.String("authorities", "/etc/ssl/certs/ca-certificates.crt", "certificate authorities, for TLS")
	version := flag.String("version", "unknown", "version of the program")
	tag := flag.String("tag", "langevin:latest", "name of the image")
	licences := flag.String("licences", "", "folder of licences, made by tools/licences.sh")
	flag.Parse()
	if *library == "" || *licences == "" || flag.NArg() != 1 {
		return errors.New("want -library FILE, -licences FOLDER and the file to write")
	}
	named, err := name.NewTag(*tag)
	if err != nil {
		return fmt.Errorf("-tag: %w", err)
	}
	root, err := layOut(*program, *library, *authorities, *licences)
	if err != nil {
		return err
	}
	image, err := build(root, *version)
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(flag.Arg(0), named, image); err != nil {
		return fmt.Errorf("write %s: %w", flag.Arg(0), err)
	}
	fmt.Printf("%s: %s, %d files, %.0f MB\n", flag.Arg(0), named, len(root), float64(root.size())/1e6)
	return nil
}

// build returns an image with one layer.
func build(root tree, version string) (v1.Image, error) {
	layer, err := root.layer()
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, &v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux", Created: v1.Time{Time: time.Unix(0, 0)},
		Config: v1.Config{
			User: fmt.Sprintf("%d:%d", nonroot, nonroot), WorkingDir: home,
			Entrypoint:   []string{programPath},
			Cmd:          []string{"serve", "--listen=:50051", "--http-listen=:8080", "--log-format=json"},
			Env:          []string{"PATH=/usr/local/bin", "HOME=" + home, "SSL_CERT_FILE=" + authoritiesPath},
			ExposedPorts: map[string]struct{}{"50051/tcp": {}, "8080/tcp": {}, "9091/tcp": {}},
			Labels: map[string]string{
				"org.opencontainers.image.title":    "Langevin",
				"org.opencontainers.image.version":  version,
				"org.opencontainers.image.source":   "https://github.com/langevin-ml/langevin",
				"org.opencontainers.image.licenses": "Apache-2.0",
			},
		},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(image)},
	})
}

// diffIDs returns the layers of an image, as its configuration names them.
func diffIDs(image v1.Image) []v1.Hash {
	config, err := image.ConfigFile()
	if err != nil {
		return nil
	}
	return config.RootFS.DiffIDs
}

// Image writes a container image of Langevin: the program, ONNX Runtime, the system libraries that they need, and
// nothing else, not even a shell. It needs no base image, no registry, no container engine and no privileges. The
// system libraries are those of the machine that it runs on, and their licences those of its Debian packages.
//
//	image -program bin/langevin -library libonnxruntime.so.1 -licences FOLDER OUT.tar
//
// With -libraries FOLDER, which has NVIDIA's libraries and may be repeated, it is an image for CUDA. It has ONNX
// Runtime's CUDA provider, and of the folders and those below them what the provider needs, in a layer of their own.
// The driver is not in it: NVIDIA's container toolkit adds it to a container.
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
	var from source
	var folders []string
	flag.StringVar(&from.program, "program", "bin/langevin", "the program")
	flag.StringVar(&from.library, "library", "", "ONNX Runtime")
	flag.StringVar(&from.authorities, "authorities", "/etc/ssl/certs/ca-certificates.crt",
		"certificate authorities, for TLS")
	flag.StringVar(&from.licences, "licences", "", "folder of licences, made by tools/licences.sh")
	flag.Func("libraries", "folder of NVIDIA's libraries, for an image for CUDA (can be repeated)",
		func(folder string) error {
			folders = append(folders, folder)
			return nil
		})
	version := flag.String("version", "unknown", "version of the program")
	tag := flag.String("tag", "langevin:latest", "name of the image")
	flag.Parse()
	if from.library == "" || from.licences == "" || flag.NArg() != 1 {
		return errors.New("want -library FILE, -licences FOLDER and the file to write")
	}
	named, err := name.NewTag(*tag)
	if err != nil {
		return fmt.Errorf("-tag: %w", err)
	}
	if from.given, err = readLibraries(folders); err != nil {
		return err
	}
	root, err := layOut(from)
	if err != nil {
		return err
	}
	image, err := build(root, *version, len(folders) > 0)
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(flag.Arg(0), named, image); err != nil {
		return fmt.Errorf("write %s: %w", flag.Arg(0), err)
	}
	fmt.Printf("%s: %s, %d files, %.0f MB\n", flag.Arg(0), named, len(root), float64(root.size())/1e6)
	return nil
}

// build returns an image with one layer, or with two if it is for CUDA. The libraries are then below, since they are
// large and another version of the program seldom changes them.
func build(root tree, version string, cuda bool) (v1.Image, error) {
	trees, config := []tree{root}, configuration(version)
	if cuda {
		libraries, others := root.split()
		trees, config = []tree{libraries, others}, forCUDA(config)
	}
	image := empty.Image
	for _, t := range trees {
		layer, err := t.layer()
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, err
		}
	}
	return mutate.ConfigFile(image, &v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux", Created: v1.Time{Time: time.Unix(0, 0)}, Config: config,
		RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(image)},
	})
}

// configuration returns what a container of the image runs, and how.
func configuration(version string) v1.Config {
	return v1.Config{
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
	}
}

// forCUDA returns a configuration for an image with NVIDIA's libraries. Without a GPU its server does not start, as the
// chart's does not. The first two variables ask NVIDIA's container toolkit for the GPUs and for the driver's libraries.
// It puts these into a folder of the system, or of its own, which the loader searches after NVIDIA's others.
func forCUDA(c v1.Config) v1.Config {
	c.Cmd = append(c.Cmd, "--device=cuda")
	c.Env = append(c.Env, "NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
		"LD_LIBRARY_PATH="+givenFolder+":/usr/local/nvidia/lib64:/usr/lib/x86_64-linux-gnu:/usr/lib64")
	c.Labels["org.opencontainers.image.licenses"] = "Apache-2.0 AND LicenseRef-NVIDIA-Proprietary"
	return c
}

// diffIDs returns the layers of an image, as its configuration names them.
func diffIDs(image v1.Image) []v1.Hash {
	config, err := image.ConfigFile()
	if err != nil {
		return nil
	}
	return config.RootFS.DiffIDs
}

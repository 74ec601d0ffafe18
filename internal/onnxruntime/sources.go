package onnxruntime

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/langevin-ml/langevin/internal/pinned"
)

// npm takes the library from the npm package, of which it runs no script. It fails with one line if there is no npm or
// the package cannot be downloaded.
func (i Installation) npm(ctx context.Context, scratch, name string) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("npm is not installed")
	}
	f := i.Lock.pack(i.Platform)
	i.Say("downloading %s, %s", f.what, f.megabytes())
	folder := filepath.Join(scratch, "npm")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	if err := pinned.PackNPM(ctx, i.Lock["npm.package"]+"@"+i.Lock.Version(), folder); err != nil {
		return err
	}
	return i.unpackVerified(ctx, f, filepath.Join(folder, f.name), filepath.Join(scratch, libraries), name)
}

// archive takes the library from the release archive.
func (i Installation) archive(ctx context.Context, scratch, name string) error {
	f := i.Lock.archive(i.Platform)
	i.Say("downloading %s, %s", f.what, f.megabytes())
	to := filepath.Join(scratch, f.name)
	if err := download(ctx, f.url, to); err != nil {
		return err
	}
	return i.unpackVerified(ctx, f, to, filepath.Join(scratch, libraries), name)
}

// download writes what an address has to a new file. It gives up if nothing comes for half a minute.
func download(ctx context.Context, url, to string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // with the proxy of the environment
	transport.DialContext = (&net.Dialer{Timeout: 20 * time.Second}).DialContext
	transport.ResponseHeaderTimeout = 30 * time.Second
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	const patience = 30 * time.Second
	watch := time.AfterFunc(patience, cancel)
	defer watch.Stop()
	return pinned.WriteFile(ctx, to, watched{response.Body, watch, patience})
}

// watched is a reader that puts off a timer with each read.
type watched struct {
	io.Reader
	watch    *time.Timer
	patience time.Duration
}

// Read implements [io.Reader].
func (w watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.watch.Reset(w.patience)
	return n, err
}

// wheel takes the libraries with the CUDA provider from the Python wheel, which pip downloads and does not install.
func (i Installation) wheel(ctx context.Context, scratch string) error {
	f := i.Lock.wheel(i.Platform)
	python, err := exec.LookPath("python3")
	if err != nil {
		return fmt.Errorf("python3 with pip is needed to download %s, or give the file with --from", f.name)
	}
	i.Say("downloading %s, %s", f.what, f.megabytes())
	c := exec.CommandContext(ctx, python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--platform", "manylinux_2_28_x86_64", "--dest",
		scratch, "onnxruntime-gpu=="+i.Lock.Version())
	if err := pinned.Run(c); err != nil {
		return fmt.Errorf("pip could not get %s (%w)", f.name, err)
	}
	return i.unpackVerified(ctx, f, filepath.Join(scratch, f.name), filepath.Join(scratch, libraries), "")
}

func (i Installation) unpackVerified(ctx context.Context, f file, path, folder, name string) error {
	if err := pinned.Verify(ctx, path, f.sha256, f.what); err != nil {
		return err
	}
	return i.unpack(ctx, f, path, folder, name)
}

// unpack takes the library from a file of the lock: as name, or all libraries of a wheel with their own names.
func (i Installation) unpack(ctx context.Context, f file, path, folder, name string) error {
	if f.member == "" {
		return unzip(ctx, path, folder)
	}
	library := filepath.Join(folder, name)
	if err := pinned.Untar(ctx, path, f.member, library); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if f.member != i.Lock.of(i.Platform, "npm.member") {
		return nil
	}
	return pinned.Verify(ctx, library, i.Lock.of(i.Platform, "npm.member.sha256"), f.member)
}

// unzip writes the libraries of a wheel, without that of TensorRT, to a folder.
func unzip(ctx context.Context, wheel, folder string) error {
	r, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, f := range r.File {
		name := path.Base(f.Name)
		provider := strings.HasPrefix(name, "libonnxruntime_providers_") && !strings.Contains(name, "tensorrt")
		if !provider && !strings.HasPrefix(name, "libonnxruntime.so") {
			continue
		}
		content, err := f.Open()
		if err != nil {
			return err
		}
		err = pinned.WriteFile(ctx, filepath.Join(folder, name), content)
		if err := errors.Join(err, content.Close()); err != nil {
			return err
		}
	}
	return nil
}

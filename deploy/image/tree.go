package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	nonroot         = 65532
	home            = "/home/nonroot"
	programPath     = "/usr/local/bin/langevin"
	libraryFolder   = "/usr/local/lib"
	licenceFolder   = "/usr/local/share/licences"
	authoritiesPath = "/etc/ssl/certs/ca-certificates.crt"
)

// tree is the files of an image by their absolute paths.
type tree map[string]entry

type entry struct {
	content []byte
	mode    int64 // of a file or, with its bit, of a folder
	owner   int
}

const folder = 1 << 20 // the bit of a folder in mode, which permissions do not use

// layOut returns the files of an image. licences is a folder with the licences of the program and of the library; those
// of the system's files are Debian's.
func layOut(program, library, authorities, licences string) (tree, error) {
	t := tree{
		"/tmp": {mode: 0o1777 | folder}, home: {mode: 0o750 | folder, owner: nonroot},
		"/models": {mode: 0o755 | folder},
		"/etc/passwd": {mode: 0o644, content: fmt.Appendf(nil,
			"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:%d:%d:nonroot:%s:/sbin/nologin\n", nonroot, nonroot, home)},
		"/etc/group":         {mode: 0o644, content: fmt.Appendf(nil, "root:x:0:\nnonroot:x:%d:\n", nonroot)},
		"/etc/nsswitch.conf": {mode: 0o644, content: []byte("hosts: files dns\n")},
	}
	for to, from := range map[string]string{
		programPath: program,
		path.Join(libraryFolder, path.Base(library)): library,
		authoritiesPath: authorities,
	} {
		if err := t.copy(from, to); err != nil {
			return nil, err
		}
	}
	if err := t.addFolder(licences); err != nil {
		return nil, err
	}
	needed, err := librariesOf(program, library)
	if err != nil {
		return nil, err
	}
	for to, from := range needed {
		if err := t.copy(from, to); err != nil {
			return nil, err
		}
	}
	return t, t.addCopyrights(slices.Sorted(maps.Values(needed))...)
}

// copy reads a file of this machine into the tree.
func (t tree) copy(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	t[to] = entry{content: content, mode: 0o644 | int64(info.Mode().Perm()&0o111)}
	return nil
}

func (t tree) size() (bytes int) {
	for _, e := range t {
		bytes += len(e.content)
	}
	return bytes
}

// layer returns the tree as a layer, whose bytes depend on nothing but the tree.
func (t tree) layer() (v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	all := t.withFolders()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := all[name].write(w, name); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	})
}

// withFolders returns the tree with the folders above its files.
func (t tree) withFolders() tree {
	all := maps.Clone(t)
	for name := range t {
		for above := path.Dir(name); above != "/"; above = path.Dir(above) {
			if _, there := all[above]; !there {
				all[above] = entry{mode: 0o755 | folder}
			}
		}
	}
	return all
}

func (e entry) write(w *tar.Writer, name string) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name[1:], Size: int64(len(e.content)), Mode: e.mode &^ folder,
		Uid: e.owner, Gid: e.owner, Format: tar.FormatPAX}
	if e.mode&folder != 0 {
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(e.content)
	return err
}

package main

import (
	"archive/tar"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	nonroot         = 65532
	home            = "/home/nonroot"
	programPath     = "/usr/local/bin/langevin"
	libraryFolder   = "/usr/local/lib"
	givenFolder     = libraryFolder + "/nvidia" // of the libraries in the folders of -libraries
	licenceFolder   = "/usr/local/share/licences"
	authoritiesPath = "/etc/ssl/certs/ca-certificates.crt"
)

// tree is the files of an image by their absolute paths.
type tree map[string]entry

type entry struct {
	content []byte
	mode    int64 // of a file or, with its bit, of a folder
	owner   int
	file    string // of this machine, read when the layer is, instead of content
	bytes   int64  // of file
}

const folder = 1 << 20 // the bit of a folder in mode, which permissions do not use

// source is what an image is made of, on this machine.
type source struct {
	program, library, authorities string
	licences                      string    // a folder with those of the program and of the library
	given                         libraries // NVIDIA's, which only an image for CUDA has
}

// layOut returns the files of an image. The licences of the given libraries are those of their packages, and those of
// the system's files are Debian's.
func layOut(s source) (tree, error) {
	t := tree{
		"/tmp": {mode: 0o1777 | folder}, home: {mode: 0o750 | folder, owner: nonroot},
		"/models": {mode: 0o755 | folder},
		"/etc/passwd": {mode: 0o644, content: fmt.Appendf(nil,
			"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:%d:%d:nonroot:%s:/sbin/nologin\n", nonroot, nonroot, home)},
		"/etc/group":         {mode: 0o644, content: fmt.Appendf(nil, "root:x:0:\nnonroot:x:%d:\n", nonroot)},
		"/etc/nsswitch.conf": {mode: 0o644, content: []byte("hosts: files dns\n")},
	}
	for to, from := range map[string]string{
		programPath: s.program,
		path.Join(libraryFolder, path.Base(s.library)): s.library,
		authoritiesPath: s.authorities,
	} {
		if err := t.copy(from, to); err != nil {
			return nil, err
		}
	}
	if err := t.addFolder(s.licences); err != nil {
		return nil, err
	}
	providers, err := t.addProviders(s)
	if err != nil {
		return nil, err
	}
	needed, err := librariesOf(s.given, append(providers, s.program, s.library)...)
	if err != nil {
		return nil, err
	}
	for to, from := range needed {
		add := t.copy
		if path.Dir(to) == givenFolder {
			add = t.refer
		}
		if err := add(from, to); err != nil {
			return nil, err
		}
	}
	return t, t.addCopyrights(slices.Sorted(maps.Values(needed))...)
}

// addProviders adds ONNX Runtime's libraries for CUDA to an image that has NVIDIA's, and returns where they are on this
// machine. ONNX Runtime looks for them in its own folder.
func (t tree) addProviders(s source) (files []string, err error) {
	if len(s.given.at) == 0 {
		return nil, nil
	}
	// The provider is not linked to these. It loads cuDNN, and this a compiler of kernels.
	for _, name := range []string{"libcudnn.so.9", "libnvrtc.so.13"} {
		if s.given.at[name] == "" {
			return nil, fmt.Errorf("-libraries: the CUDA provider needs %s, which is in none of %s", name,
				strings.Join(s.given.folders, ", "))
		}
	}
	for _, name := range []string{"libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"} {
		file := path.Join(path.Dir(s.library), name)
		if err := t.refer(file, path.Join(libraryFolder, name)); err != nil {
			return nil, fmt.Errorf("-library has to be the build for CUDA: %w", err)
		}
		files = append(files, file)
	}
	return files, nil
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

// refer adds a file of this machine to the tree, without reading it: NVIDIA's are larger than some memories.
func (t tree) refer(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	t[to] = entry{file: from, bytes: info.Size(), mode: 0o644 | int64(info.Mode().Perm()&0o111)}
	return nil
}

func (t tree) size() (bytes int64) {
	for _, e := range t {
		bytes += e.size()
	}
	return bytes
}

func (e entry) size() int64 { return int64(len(e.content)) + e.bytes }

// split returns the files in the library folder, and the others.
func (t tree) split() (inside, others tree) {
	inside, others = tree{}, tree{}
	for name, e := range t {
		if strings.HasPrefix(name, libraryFolder+"/") {
			inside[name] = e
		} else {
			others[name] = e
		}
	}
	return inside, others
}

// layer returns the tree as a layer, whose bytes depend on nothing but the tree. Each reading of it writes them again.
func (t tree) layer() (v1.Layer, error) {
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(t.archive(w)) }()
		return r, nil
	})
}

func (t tree) archive(to io.Writer) error {
	w := tar.NewWriter(to)
	all := t.withFolders()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := all[name].write(w, name); err != nil {
			return err
		}
	}
	return w.Close()
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
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name[1:], Size: e.size(), Mode: e.mode &^ folder,
		Uid: e.owner, Gid: e.owner, Format: tar.FormatPAX}
	if e.mode&folder != 0 {
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	if e.file == "" {
		_, err := w.Write(e.content)
		return err
	}
	f, err := os.Open(e.file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(w, f, e.bytes)
	return err
}

package models_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

func zooOf(t *testing.T, names ...string) fstest.MapFS {
	files := fstest.MapFS{".gitkeep": {}}
	for _, name := range names {
		files[name+"/1/model.onnx"] = &fstest.MapFile{Data: modelstest.GaussianFile(t, name, 2)}
		files[name+"/README.md"] = &fstest.MapFile{Data: []byte("# " + name)}
	}
	return files
}

// put writes a file below dir, and makes the folders that it needs.
func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, zoo fstest.MapFS, dir string) *models.Repository {
	t.Helper()
	r, err := models.NewRepository(zoo, dir, models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func names(entries []models.Entry) (names []string) {
	for _, e := range entries {
		names = append(names, fmt.Sprintf("%s/%d %s", e.Name, e.Version, e.Origin))
	}
	return names
}

func TestRepositoryPrefersTheFolder(t *testing.T) {
	dir := t.TempDir()
	mine := modelstest.GaussianFile(t, "ring", 3)
	put(t, dir, "ring/1/model.onnx", mine)
	put(t, dir, "ring/1/README.md", []byte("notes"))
	put(t, dir, "ring/10/model.onnx", modelstest.GaussianFile(t, "ring", 4))
	put(t, dir, "ring/9/model.onnx", modelstest.GaussianFile(t, "ring", 5))
	r := open(t, zooOf(t, "ring", "2gauss"), dir)

	entries, problems := r.List()
	want := []string{"2gauss/1 embedded", "ring/1 directory", "ring/9 directory", "ring/10 directory"}
	if got := names(entries); !slices.Equal(got, want) || len(problems) != 0 {
		t.Fatalf("listed %v with problems %v: want %v", got, problems, want)
	}
	file, err := r.Open("ring", 1)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(mine)
	if file.Digest != hex.EncodeToString(digest[:]) || !slices.Equal(file.Graph, mine) ||
		file.Bytes != int64(len(mine)) {
		t.Error("bytes, size or digest are not those of the folder's file")
	}
	if newest, err := r.Open("ring", 0); err != nil || newest.Version != 10 || newest.Manifest.Shape[0] != 4 {
		t.Errorf("newest: version %d, shape %v, %v", newest.Version, newest.Manifest.Shape, err)
	}
}

func TestRepositoryServesWhatIsSound(t *testing.T) {
	dir := t.TempDir()
	ring := modelstest.GaussianFile(t, "ring", 2)
	foreign := modelstest.Bytes(t, modelstest.Gaussian(2))
	outside := filepath.Join(t.TempDir(), "model.onnx")
	put(t, filepath.Dir(outside), "model.onnx", modelstest.GaussianFile(t, "escape", 2))

	put(t, dir, "sound/1/model.onnx", modelstest.GaussianFile(t, "sound", 2))
	put(t, dir, "ring/1/model.onnx", ring[:len(ring)-10])
	put(t, dir, "ring/3/model.onnx", ring)
	put(t, dir, "ring/4/model.onnx", nil)
	put(t, dir, "ring/latest/model.onnx", ring)
	put(t, dir, "ring/05/model.onnx", ring)
	put(t, dir, "ring/0/model.onnx", ring)
	put(t, dir, "ring/2147483648/model.onnx", ring)
	put(t, dir, "foreign/1/model.onnx", foreign)
	put(t, dir, "renamed/1/model.onnx", ring)
	put(t, dir, "custom/1/model.onnx", customDomain(t))
	put(t, dir, "Upper/1/model.onnx", ring)
	put(t, dir, "stray.onnx", ring)
	put(t, dir, ".hidden/1/model.onnx", ring)
	put(t, dir, "other/1/weights.onnx", ring)
	put(t, dir, "huge/1/model.onnx", nil)
	put(t, dir, "notes/plan.txt", nil)
	for _, err := range []error{
		os.Truncate(filepath.Join(dir, "huge/1/model.onnx"), models.MaxFileBytes+1),
		os.MkdirAll(filepath.Join(dir, "escape/1"), 0o755),
		os.Symlink(outside, filepath.Join(dir, "escape/1/model.onnx")),
		os.Symlink("/etc", filepath.Join(dir, "etc")),
		os.Symlink("sound", filepath.Join(dir, "alias")),
		os.MkdirAll(filepath.Join(dir, "pipe/1"), 0o755),
		syscall.Mkfifo(filepath.Join(dir, "pipe/1/model.onnx"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}

	entries, problems := open(t, zooOf(t, "ring"), dir).List()
	if got, want := names(entries), []string{"ring/3 directory", "sound/1 directory"}; !slices.Equal(got, want) {
		t.Errorf("listed %v: want %v", got, want)
	}
	want := map[string]string{
		"ring/1/model.onnx":    "damaged",
		"ring/4/model.onnx":    "empty",
		"ring/latest":          `version "latest"`,
		"ring/05":              `version "05"`,
		"ring/0":               `version "0"`,
		"ring/2147483648":      "want a folder named 1, 2, 3... up to 2147483647",
		"foreign/1/model.onnx": "exported by another program?",
		"renamed/1/model.onnx": `names it "ring": want the folder's name "renamed"`,
		"custom/1/model.onnx":  `operator domain is "acme"`,
		"Upper":                `name "Upper"`,
		"stray.onnx":           "a file: want it as stray/1/model.onnx",
		"other/1/model.onnx":   "read other/1/model.onnx: invalid model: no such file", // no name of a system call
		"huge/1/model.onnx":    "2147483648 bytes: want at most",
		"notes":                "no versions: want notes/1/model.onnx",
		"escape/1/model.onnx":  "escapes",
		"etc":                  "want a folder of versions: path escapes",
		"alias/1/model.onnx":   `names it "sound"`,
		"pipe/1/model.onnx":    "not a regular file",
	}
	for _, p := range problems {
		if text, ok := want[p.Path]; !ok || !strings.Contains(p.Err.Error(), text) ||
			!errors.Is(p.Err, models.ErrInvalid) {
			t.Errorf("problem %v: want %q", p, text)
		}
		delete(want, p.Path)
	}
	if len(want) > 0 {
		t.Errorf("not reported: %v", want)
	}
}

// TestForeignEntries: what cannot be a model is ignored, and what is meant to be one is reported.
func TestForeignEntries(t *testing.T) {
	ring := modelstest.GaussianFile(t, "ring", 2)
	for _, tt := range []struct {
		path    string // of a file, or of a folder if it ends in a slash
		foreign string // what is passed over
		problem string // otherwise the place of the problem
	}{
		{"README.md", "README.md", ""},
		{"LICENSE", "LICENSE", ""},
		{"readme", "readme", ""}, // a file with a name that a model could have
		{"Thumbs.db", "Thumbs.db", ""},
		{"lost+found/", "lost+found", ""},
		{"System Volume Information/a", "System Volume Information", ""},
		{"__pycache__/check.pyc", "__pycache__", ""},
		{"Notes/2024/plan.txt", "Notes", ""},
		{"a[b/1/notes.txt", "a[b", ""},
		{"\xff/1/notes.txt", "\xff", ""},
		{".git/1/model.onnx", "", ""}, // names with a dot are not read
		{"ring/README.md", "ring/README.md", ""},
		{"ring/config.pbtxt", "ring/config.pbtxt", ""},
		{"ring/lost+found/", "ring/lost+found", ""},
		{"ring/assets/logo.png", "ring/assets", ""},
		{"ring/1/README.md", "", ""},
		{"ring.onnx", "", "ring.onnx"},
		{"Ring.ONNX", "", "Ring.ONNX"},
		{"Ring/1/model.onnx", "", "Ring"},
		{"lost+found/1/model.onnx", "", "lost+found"},
		{"ring/model.onnx", "", "ring/model.onnx"},
		{"ring/latest/model.onnx", "", "ring/latest"},
		{"ring/v2/net.onnx", "", "ring/v2"},
		{"ring/007/a", "", "ring/007"},
		{"ring/2/a", "", "ring/2/model.onnx"},
		{"ring/2/", "ring/2", ""},
		{"ring/007/", "ring/007", ""},
		{"new/", "new", ""},
		{"new/1/", "new/1", ""},
		{"new/1/.model.onnx.123", "new/1", ""},    // a training writes the file under another name
		{"new/notes.txt", "new/notes.txt", "new"}, // a model's name without versions, whatever else is in it
	} {
		dir := t.TempDir()
		put(t, dir, "ring/1/model.onnx", ring)
		if folder, ok := strings.CutSuffix(tt.path, "/"); ok {
			if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
				t.Fatal(err)
			}
		} else {
			put(t, dir, tt.path, ring)
		}
		zoo := zooOf(t)
		zoo["README.md"] = &fstest.MapFile{} // not in the models' folder
		r := open(t, zoo, dir)
		entries, problems := r.List()
		var paths []string
		for _, p := range problems {
			paths = append(paths, p.Path)
		}
		foreign := r.Foreign()
		if strings.Join(paths, " ") != tt.problem || strings.Join(foreign, " ") != tt.foreign {
			t.Errorf("%s: problems %q, passed over %q: want %q and %q", tt.path, problems, foreign, tt.problem,
				tt.foreign)
		}
		if got := names(entries); !slices.Equal(got, []string{"ring/1 directory"}) {
			t.Errorf("%s: listed %v", tt.path, got)
		}
	}
}

// TestUnreadableFolder: of unreadable folders only the one with a model's name is reported.
func TestUnreadableFolder(t *testing.T) {
	zoo := zooOf(t, "ring")
	zoo["lost+found/x"], zoo["mine/1/model.onnx"] = &fstest.MapFile{}, &fstest.MapFile{}
	r, err := models.NewRepository(locked{zoo}, "", models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	entries, problems := r.List()
	if len(entries) != 1 || len(problems) != 1 || problems[0].Path != "mine" ||
		!errors.Is(problems[0].Err, os.ErrPermission) {
		t.Errorf("listed %v with problems %v: want ring, and that of mine", names(entries), problems)
	}
}

// locked makes all folders unreadable except the root and ring.
type locked struct{ fstest.MapFS }

func (l locked) ReadDir(name string) ([]os.DirEntry, error) {
	if name != "." && name != "ring" {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrPermission}
	}
	return l.MapFS.ReadDir(name)
}

func customDomain(t *testing.T) []byte {
	model := modelstest.Gaussian(2)
	model.Graph.Node[0].Domain = "acme"
	return modelstest.File(t, model, modelstest.Manifest("custom", 2))
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "ring/1/model.onnx", []byte("broken"))
	put(t, dir, "ring/3/model.onnx", []byte("broken"))
	put(t, dir, "half/1/model.onnx", modelstest.GaussianFile(t, "half", 2))
	put(t, dir, "half/2/model.onnx", []byte("broken"))
	r := open(t, zooOf(t, "2gauss", "ring"), dir)
	entries, problems := r.List()

	if f, err := r.Open("half", 0); err != nil || f.Version != 1 {
		t.Errorf("newest of a sound 1 and a broken 2: version %d, %v", f.Version, err)
	}
	tests := []struct {
		name    string
		version int
		is      error
		want    string
	}{
		{"ring", 1, models.ErrInvalid, "ring/1/model.onnx"}, // broken in the folder: the zoo's is not used instead
		{"ring", 3, models.ErrInvalid, "ring/3/model.onnx"},
		{"ring", 0, models.ErrInvalid, "ring/3/model.onnx"},
		{"half", 2, models.ErrInvalid, "half/2/model.onnx"},
		{"half", 7, models.ErrNotFound, `model "half" has no version 7: want one of [1`},
		{"half", -1, models.ErrNotFound, "no version -1"},
		{"rings", 0, models.ErrNotFound, `model "rings" not found`},
		{"2gaus", 0, models.ErrNotFound, `model "2gaus" not found: did you mean "2gauss"?`},
		{"", 0, models.ErrNotFound, `model "" not found`},
		{"../ring", 1, models.ErrNotFound, "not found"},
		{"ring/1", 0, models.ErrNotFound, "not found"},
		{".", 0, models.ErrNotFound, "not found"},
		{"ring\x00", 0, models.ErrNotFound, "not found"},
	}
	for _, tt := range tests {
		_, openErr := r.Open(tt.name, tt.version)
		_, findErr := models.Find(entries, problems, tt.name, tt.version)
		for call, err := range map[string]error{"Open": openErr, "Find": findErr} {
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s %q version %d: %v: want %v with %q", call, tt.name, tt.version, err, tt.is, tt.want)
			}
		}
	}
}

func TestFindAgreesWithOpen(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"2", "10"} {
		put(t, dir, "ring/"+version+"/model.onnx", modelstest.GaussianFile(t, "ring", 2))
	}
	r := open(t, zooOf(t, "2gauss", "ring"), dir)
	entries, problems := r.List()
	for _, name := range []string{"2gauss", "ring"} {
		for _, version := range []int{0, 1, 2, 10} {
			file, openErr := r.Open(name, version)
			entry, findErr := models.Find(entries, problems, name, version)
			if file.Version != entry.Version || file.Digest != entry.Digest || (openErr == nil) != (findErr == nil) {
				t.Errorf("%s version %d: Open %d, %v; Find %d, %v", name, version, file.Version, openErr, entry.Version,
					findErr)
			}
		}
	}
}

func TestNearNames(t *testing.T) {
	entries := []models.Entry{{Name: "2gauss"}, {Name: "celeba"}, {Name: "cifar10"}, {Name: "mnist"},
		{Name: "mnist-small"},
		{Name: "ring"}, {Name: "ring4"}, {Name: "ring8"}, {Name: "ring9"}}
	tests := map[string][]string{
		"rnig":                   {"ring"}, // two letters swapped
		"rin":                    {"ring", "ring4", "ring8"},
		"Ring":                   {"ring", "ring4", "ring8"},
		"mnits":                  {"mnist"},
		"fashion":                nil,
		"mnist_small":            {"mnist-small"},
		"cifar":                  {"cifar10"},
		"2gausss":                {"2gauss"},
		"x":                      nil,
		"":                       nil,
		strings.Repeat("a", 1e6): nil,
	}
	for name, want := range tests {
		_, err := models.Find(entries, nil, name, 0)
		var missing *models.NotFoundError
		if !errors.As(err, &missing) || !slices.Equal(missing.Near, want) {
			t.Errorf("near %.20q: %v: want %q", name, err, want)
		}
	}
}

func TestNearNamesRead(t *testing.T) {
	for want, near := range map[string][]string{
		`model "rin" not found: there are a1, b1`:                         nil,
		`model "rin" not found: did you mean "ring"?`:                     {"ring"},
		`model "rin" not found: did you mean "ring" or "ring4"?`:          {"ring", "ring4"},
		`model "rin" not found: did you mean "ring", "ring4" or "ring8"?`: {"ring", "ring4", "ring8"},
	} {
		if got := (&models.NotFoundError{Name: "rin", Near: near, Names: []string{"a1", "b1"}}).Error(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	none, many := models.NotFound("x", 0, nil, nil).Error(), slices.Repeat([]string{"same"}, 3)
	for i := range 22 {
		many = append(many, fmt.Sprintf("other%02d", i))
	}
	if got := models.NotFound("x", 0, many, nil).Error(); none != `model "x" not found: there are none` ||
		!strings.HasSuffix(got, " other18, other19, 3 more") {
		t.Errorf("%s; %s", none, got)
	}
}

func TestNoFolder(t *testing.T) {
	_, err := models.NewRepository(zooOf(t), filepath.Join(t.TempDir(), "absent"), models.Rules{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent folder: %v", err)
	}
	entries, problems := open(t, zooOf(t, "ring"), "").List()
	if len(entries) != 1 || len(problems) != 0 {
		t.Errorf("the zoo alone: %v, %v", names(entries), problems)
	}
}

// TestZooIsSound checks the embedded models as any other file.
func TestZooIsSound(t *testing.T) {
	r, err := models.NewRepository(models.Zoo(), "", models.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if _, problems := r.List(); len(problems) > 0 {
		t.Errorf("%v", problems)
	}
}

func TestDigestFile(t *testing.T) {
	data := modelstest.GaussianFile(t, "ring", 2)
	sum := sha256.Sum256(data)
	right := hex.EncodeToString(sum[:])
	for text, want := range map[string]string{
		right: "", right + "  model.onnx\n": "", strings.ToUpper(right) + "\n": "",
		strings.Repeat("0", 64) + "  model.onnx\n": "SHA-256 is " + right, "": "SHA-256 is " + right,
	} {
		dir := t.TempDir()
		put(t, dir, "ring/1/model.onnx", data)
		put(t, dir, "ring/1/model.sha256", []byte(text))
		_, err := open(t, zooOf(t), dir).Open("ring", 0)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (!errors.Is(err, models.ErrInvalid) || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestReadFile: what is too large, has holes or is no file is refused before it is read.
func TestReadFile(t *testing.T) {
	folder := t.TempDir()
	whole, holes, pipe := filepath.Join(folder, "whole"), filepath.Join(folder, "holes"), filepath.Join(folder, "pipe")
	if err := errors.Join(os.WriteFile(whole, []byte("1234"), 0o600), os.WriteFile(holes, []byte("1234"), 0o600),
		os.Truncate(holes, models.DefaultMaxFileBytes), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	if data, err := (models.Rules{MaxFileBytes: 4}).ReadFile(whole); string(data) != "1234" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	for _, tt := range []struct {
		path  string
		rules models.Rules
		want  string
	}{
		{whole, models.Rules{MaxFileBytes: 3}, "file of 4 bytes: want at most 3"},
		{holes, models.Rules{}, "file of 1073741824 bytes, of which less than half is on the disk"},
		{pipe, models.Rules{}, "not a regular file"},
		{folder, models.Rules{}, "not a regular file"},
		{filepath.Join(folder, "absent"), models.Rules{}, "no such file or directory"},
	} {
		if _, err := tt.rules.ReadFile(tt.path); err == nil || err.Error() != tt.want &&
			!strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v: want %q", tt.path, err, tt.want)
		}
	}
}

package proof

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
)

// edition must change when a proof looks at other things than before, so that files are proved again.
const edition = 1

// kept are verdicts in a folder of the user, one small file for each model file that passed. Refusals are not kept. A
// folder in which other users may write is not used.
type kept struct {
	folder string // empty if there is none
	basis  string // everything but the file on which a verdict depends
}

// Folder returns the folder in the user's cache in which verdicts are kept; empty if the user has no cache.
func Folder() string {
	cache, err := ort.UserFolder()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "proofs")
}

// newKept keeps nothing if folder is empty or if it cannot be told on what type of processor a proof runs.
func newKept(folder string, r *ort.Runtime, rules models.Rules, l Limits) kept {
	library, err := os.Stat(r.Path())
	cpu := processor()
	if err != nil || cpu == "" {
		return kept{}
	}
	return kept{folder, fmt.Sprintf("edition %d, %s of %d bytes and %v, %q, %+v, %s", edition, r.Version(),
		library.Size(), library.ModTime().UnixNano(), rules.Operators, l, cpu)}
}

// processor returns the type of the processor with its features, on which the bits of a result depend.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer file.Close()
	var about []string
	lines := bufio.NewScanner(file)
	for lines.Scan() && lines.Text() != "" { // the first processor
		switch name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) {
		case "vendor_id", "model name", "flags", "CPU implementer", "CPU part", "Features":
			about = append(about, value)
		}
	}
	return strings.Join(about, ",")
}

func (k kept) path(digest string) string {
	sum := sha256.Sum256([]byte(k.basis + "\n" + digest))
	return filepath.Join(k.folder, hex.EncodeToString(sum[:])+".json")
}

// passed is the content of a file.
type passed struct{ Grain int }

// get returns the verdict on a file that passed.
func (k kept) get(digest string) (verdict, bool) {
	if k.folder == "" || k.private() != nil {
		return verdict{}, false
	}
	var p passed
	text, err := os.ReadFile(k.path(digest))
	if err != nil || json.Unmarshal(text, &p) != nil || p.Grain < 1 {
		return verdict{}, false
	}
	return verdict{grain: p.Grain}, true
}

// put keeps a verdict. If it cannot, the file will be proved again.
func (k kept) put(digest string, v verdict) error {
	if k.folder == "" || v.refusal != nil {
		return nil
	}
	text, err := json.Marshal(passed{v.grain})
	if err == nil {
		err = os.MkdirAll(k.folder, 0o700)
	}
	if err == nil {
		err = k.private()
	}
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(k.folder, ".new-")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), k.path(digest))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// private returns an error if other users may write to the folder.
func (k kept) private() error {
	info, err := os.Lstat(k.folder)
	switch {
	case err != nil:
		return err
	case !info.IsDir() || info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s is %v: want a folder that only its owner may write to", k.folder, info.Mode())
	}
	return nil
}

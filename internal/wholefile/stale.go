package wholefile

import (
	"os"
	"path/filepath"
	"regexp"

	"github.com/langevin-ml/langevin/internal/filelock"
)

// partName matches the name of a file that is not complete. The first group is the name that it will have.
var partName = regexp.MustCompile(`^\.(.+)\.[0-9]+\.part$`)

// RemoveStale removes from a folder the incomplete files of processes that were killed. Files that a process is still
// writing stay, and so does what has another name than this package gives.
func RemoveStale(folder string) { removeStale(folder, "") }

// removeStale is RemoveStale of the files that were to be called name, or of all if it is empty. A file that cannot be
// removed disturbs nobody.
func removeStale(folder, name string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		found := partName.FindStringSubmatch(entry.Name())
		if found != nil && entry.Type().IsRegular() && (name == "" || name == found[1]) {
			removeUnlocked(filepath.Join(folder, entry.Name()))
		}
	}
}

// removeUnlocked removes a file unless a process has locked it.
func removeUnlocked(path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if ours, _ := filelock.Try(f); ours {
		_ = os.Remove(path)
	}
}

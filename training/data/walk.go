package data

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// endings returns the file name endings of pictures. They only select files; the content of a file decides its format.
func endings() []string {
	return []string{".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
}

// IsPictureName reports whether a file's name ends like a picture's, in upper or lower case.
func IsPictureName(name string) bool {
	return slices.Contains(endings(), strings.ToLower(filepath.Ext(name)))
}

// hidden reports whether a file or folder is hidden, or was made by a system for its own use.
func hidden(name string) bool {
	made := []string{
		"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found",
	}
	for part := range strings.SplitSeq(filepath.ToSlash(name), "/") {
		if strings.HasPrefix(part, ".") || slices.Contains(made, part) {
			return true
		}
	}
	return false
}

// listing is the content of a folder and its subfolders.
type listing struct {
	pictures []string // sorted by path
	hidden   []string // files and folders that are skipped
	others   []string // files whose ending is not a picture's
	repeated []string // links to folders that are already in the listing

	links   []string        // still to follow
	visited map[string]bool // folders, by the path without links
}

// listPictures finds all pictures below a folder. It follows links last, so that a folder is read at its real place. It
// reads no folder twice.
func listPictures(dir string) (*listing, error) {
	l := &listing{visited: map[string]bool{}}
	if err := l.walk(dir); err != nil {
		return nil, err
	}
	for len(l.links) > 0 {
		link := l.links[0]
		l.links = l.links[1:]
		if err := l.follow(link); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(l.pictures, comparePaths)
	return l, nil
}

// List returns the paths of all pictures below a folder, in the order in which a training lists them. It returns an
// error if there are none, and sends a notice of what it leaves out.
func (r Reader) List(dir string) ([]string, error) {
	found, err := listPictures(dir)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, withoutPath(err))
	}
	r.notice(dir, found.notice())
	if len(found.pictures) == 0 {
		return nil, fmt.Errorf("read %s: it has no pictures: want files that end in %s", dir,
			strings.Join(endings(), ", "))
	}
	return found.pictures, nil
}

// walk reads a folder, which may be a link itself.
func (l *listing) walk(dir string) error {
	target, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	if l.visited[target] {
		l.repeated = append(l.repeated, dir)
		return nil
	}
	l.visited[target] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		switch {
		case hidden(entry.Name()):
			l.hidden = append(l.hidden, name)
		case entry.Type()&fs.ModeSymlink != 0:
			l.links = append(l.links, name)
		case entry.IsDir():
			if err := l.walk(name); err != nil {
				return err
			}
		default:
			l.add(name)
		}
	}
	return nil
}

// follow reads the target of a link. A broken link counts as a file that cannot be read if its name is a picture's.
func (l *listing) follow(link string) error {
	if info, err := os.Stat(link); err == nil && info.IsDir() {
		return l.walk(link)
	}
	l.add(link)
	return nil
}

func (l *listing) add(name string) {
	if IsPictureName(name) {
		l.pictures = append(l.pictures, name)
	} else {
		l.others = append(l.others, name)
	}
}

// notice says what was skipped. It is empty if nothing was.
func (l *listing) notice() string {
	var parts []string
	for _, kind := range []struct {
		names    []string
		one, all string
	}{
		{l.hidden, "hidden file or folder", "hidden files and folders"},
		{l.others, "file without the ending of a picture", "files without the ending of a picture"},
		{l.repeated, "link to a folder that was already read", "links to folders that were already read"},
	} {
		switch len(kind.names) {
		case 0:
		case 1:
			parts = append(parts, fmt.Sprintf("1 %s (%s)", kind.one, kind.names[0]))
		default:
			parts = append(parts, fmt.Sprintf("%d %s (%s and so on)", len(kind.names), kind.all, kind.names[0]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "left out " + strings.Join(parts, ", ")
}

// comparePaths orders paths like filepath.WalkDir: name by name, not byte by byte.
func comparePaths(a, b string) int {
	separator := string(filepath.Separator)
	return slices.Compare(strings.Split(a, separator), strings.Split(b, separator))
}

// below reports whether name is below the folder sub of dir.
func below(dir, sub, name string) bool {
	relative, err := filepath.Rel(dir, name)
	return err == nil && strings.HasPrefix(filepath.ToSlash(relative), path.Clean(sub)+"/")
}

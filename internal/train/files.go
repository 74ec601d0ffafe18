package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/langevin-ml/langevin/internal/filelock"
	"github.com/langevin-ml/langevin/internal/wholefile"
)

// trainingFiles are the files that a training writes into its folder. Only reserve and begin touch any. begin is called
// when nothing can refuse the training any more.
type trainingFiles struct {
	folder, name       string
	model, checkpoints string
	logPath            string
	log                *wholefile.Growing // nil before begin
	events             lateFile
	resume, overwrite  bool

	lock    *filelock.Lock     // nil before reserve
	pending *wholefile.Pending // of model; nil before begin
	made    []string           // folders, an outer one before those in it
}

func newTrainingFiles(o *command, name string) *trainingFiles {
	// TensorBoard recognises the file by its name; a training that goes on adds another.
	events := fmt.Sprintf("events.out.tfevents.%d.langevin", time.Now().UnixNano())
	return &trainingFiles{
		folder:      o.folder,
		name:        name,
		model:       filepath.Join(o.folder, "models", name, "1", "model.onnx"),
		checkpoints: filepath.Join(o.folder, "checkpoints", name),
		logPath:     filepath.Join(o.folder, "training_"+name+".jsonl"),
		events:      lateFile{path: filepath.Join(o.folder, "tensorboard", name, events)},
		resume:      o.resume,
		overwrite:   o.overwrite,
	}
}

// earlier returns the files and folders in which an earlier training may have left something.
func (f *trainingFiles) earlier() []string {
	return []string{f.model, f.logPath, f.checkpoints, filepath.Dir(f.events.path)}
}

// reserve makes sure that no other process trains the same name into the folder, now and until close. It returns an
// error if one does, or if an earlier training wrote something that this one may neither continue nor replace.
func (f *trainingFiles) reserve() error {
	err := f.makeFolder(f.folder)
	if err == nil {
		f.lock, err = filelock.Take(filepath.Join(f.folder, ".training_"+f.name+".lock"))
	}
	if errors.Is(err, filelock.ErrTaken) {
		return fmt.Errorf("another process trains %s into the folder %s: "+
			"wait for its end, or choose another folder with --out", f.name, f.folder)
	}
	if err == nil {
		wholefile.RemoveStale(f.checkpoints)
		err = f.free()
	}
	if err != nil {
		f.undo()
	}
	return err
}

// free returns an error if an earlier training wrote something that this one may neither continue nor replace.
func (f *trainingFiles) free() error {
	if f.resume || f.overwrite {
		return nil
	}
	for _, path := range f.earlier() {
		if saysSomething(path) {
			return fmt.Errorf("%s is of an earlier training: "+
				"--resume goes on with it, --overwrite replaces it, --out chooses another folder", path)
		}
	}
	return nil
}

// saysSomething reports whether a file is not empty. For a folder it reports whether it has such a file in or below it,
// or cannot be read. A start that was killed leaves empty files and folders.
func saysSomething(path string) bool {
	found := errors.New("found")
	return filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		switch {
		case entry == nil: // path itself is not there
			return nil
		case err != nil || entry.IsDir():
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Size() > 0 {
			return found
		}
		return err
	}) != nil
}

// begin makes all files. If one cannot be made it leaves nothing behind.
func (f *trainingFiles) begin() error {
	err := f.replaceEarlier()
	for _, folder := range []string{filepath.Dir(f.model), f.checkpoints, filepath.Dir(f.events.path)} {
		if err == nil {
			err = f.makeFolder(folder)
		}
	}
	if err == nil {
		f.pending, err = wholefile.Create(f.model)
	}
	if err == nil {
		f.log, err = wholefile.Grow(f.logPath)
	}
	if err == nil {
		err = f.events.create()
	}
	if err != nil {
		f.undo()
	}
	return err
}

// replaceEarlier removes the folders of an earlier training, unless this one continues it. Its single files are
// replaced when there is something to replace them with.
func (f *trainingFiles) replaceEarlier() error {
	if f.resume {
		return nil
	}
	for _, path := range []string{f.checkpoints, filepath.Dir(f.events.path)} {
		if _, err := os.Lstat(path); err != nil {
			continue // making the folder says what is wrong, if anything is
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, wholefile.Cause(err))
		}
	}
	return nil
}

// makeFolder makes a folder and those above it, and remembers which were not there.
func (f *trainingFiles) makeFolder(path string) error {
	var missing []string
	for at := path; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		missing = append([]string{at}, missing...)
	}
	f.made = append(f.made, missing...)
	return wholefile.MakeFolder(path)
}

// close closes all files and removes a model that was not written, with its folders if nothing else is in them. Then
// another process may train into the folder.
func (f *trainingFiles) close() {
	if f.log != nil {
		f.log.Discard()
	}
	f.events.close()
	if f.pending != nil {
		f.pending.Discard()
		version := filepath.Dir(f.model)
		if os.Remove(version) == nil {
			_ = os.Remove(filepath.Dir(version))
		}
	}
	if f.lock != nil {
		f.lock.Release()
		f.lock = nil
	}
}

// undo is close of a training that failed. It also removes the empty files and folders that the training made.
func (f *trainingFiles) undo() {
	f.close()
	if f.events.file != nil && !saysSomething(f.events.path) {
		_ = os.Remove(f.events.path)
	}
	for i := len(f.made) - 1; i >= 0; i-- {
		_ = os.Remove(f.made[i]) // fails if something is in it, as it should
	}
}

// Write appends to the log, after begin.
func (f *trainingFiles) Write(b []byte) (int, error) { return f.log.Write(b) }

// lateFile is a file whose name is known before it is created. Writes are not buffered.
type lateFile struct {
	path string
	file *os.File // nil before create
}

func (l *lateFile) create() (err error) {
	if l.file, err = os.Create(l.path); err != nil {
		return fmt.Errorf("write %s: %w", l.path, wholefile.Cause(err))
	}
	return nil
}

func (l *lateFile) Write(b []byte) (int, error) { return l.file.Write(b) }

func (l *lateFile) close() {
	if l.file != nil {
		_ = l.file.Close() // nothing is buffered
	}
}

package training

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"

	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/training/learner"
	"github.com/langevin-ml/langevin/training/optimizer"
)

// A checkpoint is everything that a training needs to resume. It has no random numbers, because these are counted by
// iteration.
type checkpoint struct {
	Config  string    `json:"config"`           // YAML
	Data    string    `json:"data,omitempty"`   // digest of the data; empty for known distributions and older programs
	Device  string    `json:"device,omitempty"` // empty for the CPU
	Done    int       `json:"done"`             // number of iterations
	Sizes   []int     `json:"sizes"`            // lengths of the vectors behind the JSON
	History []Record  `json:"history"`          // the log so far
	Sums    []float64 `json:"sums"`             // of the losses by level, since the last line of the log
	Counts  []int     `json:"counts"`           // of the rows by level, since the last line of the log
	Best    *best     `json:"best,omitempty"`   // its weights are the vector after the device's state

	state [][]float32
}

// The file consists of these words, the length of the JSON, the JSON, the state as little-endian float32, and the
// SHA-256 of everything before it.
const checkpointMagic = "langevin checkpoint 1\n"

const checkpointPattern = "iteration_*.checkpoint"

// writeTo writes c's file. vector returns the vectors of the state, one after the other, so that only one of them is
// copied at a time. The weights of c.Best follow them.
func (c checkpoint) writeTo(w io.Writer, vector func(i int) ([]float32, error)) error {
	header, err := json.Marshal(c)
	if err != nil {
		return err
	}
	sum := sha256.New()
	both := io.MultiWriter(w, sum)
	start := binary.LittleEndian.AppendUint64([]byte(checkpointMagic), uint64(len(header)))
	if _, err := both.Write(append(start, header...)); err != nil {
		return err
	}
	for i := range c.Sizes {
		values, err := c.vector(i, vector)
		if err == nil {
			err = binary.Write(both, binary.LittleEndian, values)
		}
		if err != nil {
			return err
		}
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// vector returns vector i of the file.
func (c checkpoint) vector(i int, state func(i int) ([]float32, error)) ([]float32, error) {
	if c.Best != nil && i == len(c.Sizes)-1 {
		return c.Best.params, nil
	}
	return state(i)
}

var errDamaged = errors.New("it is damaged, or not a checkpoint")

// decodeCheckpoint reads a file that writeTo wrote. It returns an error for any other file.
func decodeCheckpoint(file []byte) (c checkpoint, err error) {
	body := len(file) - sha256.Size
	start := len(checkpointMagic) + 8
	if body < start || string(file[:len(checkpointMagic)]) != checkpointMagic {
		return c, errDamaged
	}
	if sum := sha256.Sum256(file[:body]); !bytes.Equal(sum[:], file[body:]) {
		return c, errDamaged
	}
	length := binary.LittleEndian.Uint64(file[len(checkpointMagic):])
	if length > uint64(body-start) {
		return c, errDamaged
	}
	if err := json.Unmarshal(file[start:start+int(length)], &c); err != nil {
		return c, fmt.Errorf("%w: %w", errDamaged, err)
	}
	values := file[start+int(length) : body]
	for _, n := range c.Sizes {
		if n < 0 || n > len(values)/4 {
			return c, errDamaged
		}
		vector := make([]float32, n)
		if _, err := binary.Decode(values, binary.LittleEndian, vector); err != nil {
			return c, err
		}
		c.state, values = append(c.state, vector), values[4*n:]
	}
	if len(values) > 0 || c.Done < 0 {
		return c, errDamaged
	}
	return c, nil
}

// save writes the state of the training into the folder of checkpoints. It removes the oldest ones if there are more
// than the configuration keeps. The file gets its name when it is complete and on the disk.
func (t *trainer) save() error {
	folder := t.options.Checkpoints
	if folder == "" {
		return nil
	}
	path := filepath.Join(folder, fmt.Sprintf("iteration_%09d.checkpoint", t.done))
	c, err := t.checkpoint()
	if err == nil {
		err = wholefile.Write(path, func(w io.Writer) error { return c.writeTo(w, t.learner.Read) })
	}
	if err == nil {
		err = prune(folder, t.config.Training.Checkpoints)
	}
	if err != nil {
		return fmt.Errorf("write a checkpoint: %w", err)
	}
	return nil
}

// checkpoint returns what the training is now, without the vectors of the state.
func (t *trainer) checkpoint() (checkpoint, error) {
	config, err := yaml.Marshal(t.config)
	vectors := learner.Vectors(t.config.Optimizer)
	if t.best != nil {
		vectors++
	}
	return checkpoint{Config: string(config), Data: t.digest, Device: t.options.foreign(), Done: t.done,
		History: t.history, Sums: t.means.sum, Counts: t.means.count, Best: t.best,
		Sizes: slices.Repeat([]int{t.network.NumParams()}, vectors)}, err
}

// prune removes all but the newest keep checkpoints of a folder; it removes none if keep is 0.
func prune(folder string, keep int) error {
	paths, err := checkpoints(folder)
	for keep > 0 && len(paths) > keep && err == nil {
		err, paths = os.Remove(paths[0]), paths[1:]
	}
	return err
}

// checkpoints lists the checkpoints of a folder, the oldest first.
func checkpoints(folder string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, checkpointPattern))
	slices.Sort(paths)
	return paths, err
}

// ErrNoCheckpoint is wrapped by the error of a training that should resume but has no checkpoint.
var ErrNoCheckpoint = errors.New("no checkpoint")

// resume sets the training to its newest sound checkpoint. It returns the paths of damaged ones that are newer.
func (t *trainer) resume() (damaged []string, err error) {
	paths, err := checkpoints(t.options.Checkpoints)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%w in %s: nothing to resume", ErrNoCheckpoint, t.options.Checkpoints)
	}
	for _, path := range slices.Backward(paths) {
		c, err := readCheckpoint(path)
		if err == nil {
			err = t.restore(c)
		}
		switch {
		case errors.Is(err, errDamaged):
			damaged = append(damaged, path)
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", path, err)
		default:
			return damaged, nil
		}
	}
	err = fmt.Errorf("read %s: %w", damaged[0], errDamaged)
	if n := len(damaged); n > 1 {
		err = fmt.Errorf("%w, and so are the %d older ones", err, n-1)
	}
	return nil, err
}

// readCheckpoint reads a file. A disk that cannot read it has damaged it.
func readCheckpoint(path string) (checkpoint, error) {
	file, err := os.ReadFile(path)
	if errors.Is(err, syscall.EIO) {
		err = errDamaged
	}
	if err != nil {
		return checkpoint{}, wholefile.Cause(err)
	}
	return decodeCheckpoint(file)
}

// setAside gives damaged checkpoints another name, so that the training neither counts nor replaces them, and says so.
func (t *trainer) setAside(damaged []string) error {
	for _, path := range damaged {
		aside := path + ".damaged"
		if err := os.Rename(path, aside); err != nil {
			return fmt.Errorf("set aside the damaged checkpoint %s: %w", path, err)
		}
		if t.options.Notice != nil {
			t.options.Notice(fmt.Sprintf("%s is damaged, or not a checkpoint: it is now called %s, and the training "+
				"goes on from the sound one of iteration %d", path, filepath.Base(aside), t.done))
		}
	}
	return nil
}

// restore makes c the state of the training. It returns an error if c belongs to another training.
func (t *trainer) restore(c checkpoint) error {
	old, err := Parse([]byte(c.Config))
	if err != nil {
		return err
	}
	keys := changes(old, t.config)
	if t.dataChanged(c, old, keys) {
		return fmt.Errorf("the data at %s changed since the checkpoint", old.Data.Dir)
	}
	if len(keys) > 0 {
		verb := "differ"
		if len(keys) == 1 {
			verb = "differs"
		}
		return fmt.Errorf("it belongs to another training: %s %s", strings.Join(keys, ", "), verb)
	}
	if c.Device != t.options.foreign() {
		return fmt.Errorf("it belongs to a training on %s, which cannot resume on %s",
			cmp.Or(c.Device, CPU), cmp.Or(t.options.Device, CPU))
	}
	levels := len(t.means.sum)
	vectors := learner.Vectors(t.config.Optimizer)
	wanted := vectors
	if c.Best != nil {
		wanted++
	}
	if len(c.state) != wanted || len(c.Sums) != levels || len(c.Counts) != levels {
		return errDamaged
	}
	for _, vector := range c.state {
		if len(vector) != t.network.NumParams() {
			return errDamaged
		}
	}
	if c.Done > t.config.Training.Iterations {
		return fmt.Errorf("it has done %d iterations, training.iterations is %d", c.Done, t.config.Training.Iterations)
	}
	if err := t.learner.Replace(c.state[:vectors]); err != nil {
		return err
	}
	if t.best = c.Best; t.best != nil {
		t.best.params = c.state[vectors]
	}
	t.done, t.history = c.Done, c.History
	copy(t.means.sum, c.Sums)
	copy(t.means.count, c.Counts)
	return nil
}

// dataChanged reports whether a checkpoint was trained on data that have changed where they are. keys are the settings
// that differ. Settings that were proposed for the data differ when these change, and others read them differently. So
// data are compared as the checkpoint's settings read them.
func (t *trainer) dataChanged(c checkpoint, old Config, keys []string) bool {
	if c.Data == "" || slices.Contains(keys, "data.dir") {
		return false
	}
	digest := t.digest
	if slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(key, "data.") }) {
		var err error
		if digest, err = old.Data.Digest(); err != nil {
			return true // they could be read
		}
	}
	return c.Data != digest
}

// changes lists the keys in which two configurations differ. It ignores the keys that a resumed training may change:
// what it logs and saves, how its model is described and sampled, and, at a constant rate, its number of iterations.
func changes(old, now Config) []string {
	for _, c := range []*Config{&old, &now} {
		iterations := c.Training.Iterations
		c.Name, c.Description, c.Sampler, c.Prior, c.Range = "", "", now.Sampler, now.Prior, now.Range
		kept := Training{BatchSize: c.Training.BatchSize, Start: c.Training.Start}
		if c.Training.KeepBest {
			kept.KeepBest, kept.TestEvery, kept.EvalRows = true, c.Training.TestEvery, c.Training.EvalRows
		}
		c.Training = kept
		if c.Optimizer.Decay != optimizer.DecayNone {
			c.Training.Iterations = iterations
		}
	}
	var keys []string
	compare("", tree(old), tree(now), &keys)
	slices.Sort(keys)
	return keys
}

// tree returns a configuration as YAML decodes it.
func tree(c Config) (all map[string]any) {
	text, err := yaml.Marshal(c)
	if err == nil {
		err = yaml.Unmarshal(text, &all)
	}
	if err != nil {
		panic(err) // cannot happen: a Config is plain data
	}
	return all
}

// compare adds to keys the keys of a and b whose values differ, each with the prefix.
func compare(prefix string, a, b map[string]any, keys *[]string) {
	for key := range b {
		if _, both := a[key]; !both {
			*keys = append(*keys, prefix+key)
		}
	}
	for key, value := range a {
		group, one := value.(map[string]any)
		other, two := b[key].(map[string]any)
		switch {
		case one && two:
			compare(prefix+key+".", group, other, keys)
		case fmt.Sprint(value) != fmt.Sprint(b[key]):
			*keys = append(*keys, prefix+key)
		}
	}
}

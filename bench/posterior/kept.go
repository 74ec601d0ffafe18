package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
)

// problem is what a problem of the calibration found: the rank of each statistic of the true digit among its posterior
// samples, and the effective size of the chain of each of these.
type problem struct {
	Index int       `json:"index"`
	Ranks []int     `json:"ranks"`
	Sizes []float64 `json:"sizes"`
}

// keptProblems is a file with a line for each problem that is done. A calibration that was stopped goes on with the
// others. It is for any number of goroutines.
type keptProblems struct {
	mu   sync.Mutex
	file *os.File
	done map[int]problem
}

// keepProblems opens the file of problems with the given number of samples, or makes it. A line that a stopped run did
// not end is written over.
func keepProblems(path string, draws int) (_ *keptProblems, err error) {
	k := &keptProblems{done: map[int]problem{}}
	if k.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	lines, whole := bufio.NewReader(k.file), int64(0)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var p problem
		if err := json.Unmarshal(line, &p); err != nil || len(p.Sizes) != draws {
			return nil, errors.Join(fmt.Errorf("%s: line %d is not a problem with %d samples", path, len(k.done)+1,
				draws), err, k.file.Close())
		}
		k.done[p.Index], whole = p, whole+int64(len(line))
	}
	if err := k.file.Truncate(whole); err != nil {
		return nil, errors.Join(err, k.file.Close())
	}
	_, err = k.file.Seek(whole, 0)
	return k, err
}

func (k *keptProblems) problem(i int) (problem, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.done[i]
	return p, ok
}

func (k *keptProblems) add(p problem) error {
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done[p.Index] = p
	_, err = k.file.Write(append(line, '\n'))
	return err
}

// close closes the file.
func (k *keptProblems) close() error { return k.file.Close() }

// remove closes and removes the file, once its problems are in the page.
func (k *keptProblems) remove() error {
	return errors.Join(k.file.Close(), os.Remove(k.file.Name()))
}

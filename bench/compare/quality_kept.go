package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// kept is the runs of peers that an earlier comparison measured, in a file, so that a comparison that was stopped goes
// on.
type kept struct {
	path string
	runs map[string]qualityRun // by keys of keyOf
}

// keyOf names what decides the samples of a run, except the peer's code and settings, which the loop's name describes.
func keyOf(digest string, samples int, l loop, seed int) string {
	return keyOfSeeds(digest, samples, l) + strconv.Itoa(seed)
}

func keyOfSeeds(digest string, samples int, l loop) string {
	return fmt.Sprintf("%s, %d samples, %s, %s, seed ", digest, samples, l.peer, l.name)
}

// of returns the runs of a loop with all seeds that were ever measured, in the order of their keys.
func (k kept) of(seeds string) []qualityRun {
	var runs []qualityRun
	for _, key := range slices.Sorted(maps.Keys(k.runs)) {
		if strings.HasPrefix(key, seeds) {
			runs = append(runs, k.runs[key])
		}
	}
	return runs
}

func readKept(path string) (kept, error) {
	k := kept{path, map[string]qualityRun{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &k.runs)
	}
	if err != nil {
		return k, fmt.Errorf("read the runs in %s: %w", path, err)
	}
	return k, nil
}

// add adds a run and writes the file, whole or not at all.
func (k kept) add(key string, r qualityRun) error {
	k.runs[key] = r
	text, err := json.MarshalIndent(k.runs, "", " ")
	if err != nil {
		return err
	}
	part := k.path + ".part"
	if err := os.WriteFile(part, text, 0o644); err != nil {
		return err
	}
	return os.Rename(part, k.path)
}

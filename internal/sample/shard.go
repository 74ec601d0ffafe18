package sample

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/parts"
)

// shard is the value of the flag that chooses a part of a job: part index of count parts. The zero shard is the whole.
type shard struct{ index, count int }

func (s *shard) Type() string { return "shard" }

func (s *shard) String() string {
	if s.count == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.index, s.count)
}

// jobIndex is the word for the index that the job's own engine gives.
const jobIndex = "job"

// mostShards bounds the number of parts.
const mostShards = 1_000_000

func (s *shard) Set(text string) error {
	const want = "K/N with 0 <= K < N, such as 3/8, or job/N for the index that Kubernetes or Slurm gives to a job"
	part, of, ok := strings.Cut(text, "/")
	count, err := strconv.Atoi(of)
	if !ok || err != nil || count < 1 || count > mostShards {
		return errors.New("want " + want)
	}
	index, err := strconv.Atoi(part)
	if part == jobIndex {
		if index, err = indexOfJob(os.Getenv); err != nil {
			return err
		}
		if index >= count {
			return fmt.Errorf("the job's index is %d: want below %d", index, count)
		}
	}
	if err != nil || index < 0 || index >= count {
		return errors.New("want " + want)
	}
	s.index, s.count = index, count
	return nil
}

// indexOfJob returns the index, from 0, that an Indexed Job of Kubernetes or an array job of Slurm gives to a process.
func indexOfJob(variable func(name string) string) (int, error) {
	const kubernetes, slurm = "JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID"
	name, first := kubernetes, 0
	if variable(kubernetes) == "" {
		name = slurm
		if least := variable("SLURM_ARRAY_TASK_MIN"); least != "" {
			var err error
			if first, err = strconv.Atoi(least); err != nil {
				return 0, fmt.Errorf("SLURM_ARRAY_TASK_MIN is %q: want a whole number", least)
			}
		}
	}
	text := variable(name)
	if text == "" {
		return 0, fmt.Errorf("%s needs %s or %s in the environment", jobIndex, kubernetes, slurm)
	}
	index, err := strconv.Atoi(text)
	if err != nil || index < first {
		return 0, fmt.Errorf("%s is %q: want a whole number from %d", name, text, first)
	}
	return index - first, nil
}

// cut returns the first chain and the number of chains that the command draws of a job that begins at first.
func (o *command) cut(first uint64, n int) (uint64, int, error) {
	switch {
	case o.shard.count == 0:
		return first, n, nil
	case o.seed.Seed == nil:
		return 0, 0, cli.Usagef("--shard needs --seed, the same for all shards, or they would not be parts of one job")
	case n < o.shard.count:
		return 0, 0, cli.Usagef("--shard is %s and -n is %d: want -n, the chains of all shards together, to be at "+
			"least %d", &o.shard, n, o.shard.count)
	}
	offset, part := parts.Span(n, o.shard.index, o.shard.count)
	return first + offset, part, nil
}

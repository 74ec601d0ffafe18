package sample

import (
	"strings"
	"testing"
)

func TestShardFlag(t *testing.T) {
	t.Setenv("JOB_COMPLETION_INDEX", "")
	t.Setenv("SLURM_ARRAY_TASK_ID", "")
	t.Setenv("SLURM_ARRAY_TASK_MIN", "")
	for text, want := range map[string]string{
		"0/1": "0/1", "7/8": "7/8", "8/8": "want K/N", "-1/8": "want K/N", "3": "want K/N", "a/8": "want K/N",
		"0/0": "want K/N", "0/2000000": "want K/N", "": "want K/N", "job/8": "JOB_COMPLETION_INDEX or",
	} {
		var s shard
		if err := s.Set(text); err == nil && s.String() != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %s", text, &s, err, want)
		}
	}
	for _, tt := range []struct{ kubernetes, slurm, least, want string }{
		{"5", "", "", "5/8"}, {"", "3", "", "3/8"}, {"", "3", "1", "2/8"}, {"5", "3", "1", "5/8"},
		{"8", "", "", "the job's index is 8: want below 8"}, {"", "0", "1", `is "0": want a whole number from 1`},
		{"x", "", "", `JOB_COMPLETION_INDEX is "x"`}, {"", "2", "y", `SLURM_ARRAY_TASK_MIN is "y"`},
	} {
		t.Setenv("JOB_COMPLETION_INDEX", tt.kubernetes)
		t.Setenv("SLURM_ARRAY_TASK_ID", tt.slurm)
		t.Setenv("SLURM_ARRAY_TASK_MIN", tt.least)
		var s shard
		err := s.Set("job/8")
		if err == nil && s.String() != tt.want || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, %v", tt, &s, err)
		}
	}
}

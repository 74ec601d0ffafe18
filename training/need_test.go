package training

import (
	"context"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/training/data"
)

// TestNeed: what does not fit is refused by the name of the setting that needs most, and what may not fit is said.
func TestNeed(t *testing.T) {
	for _, c := range []struct {
		assignment string
		total      float64
		want, told string
	}{
		{"seed=1", 1e9, "", ""},
		{"training.batch_size=1048576", 23e9, "", ""},
		{"training.batch_size=1048576", 6e9, "",
			"the training takes 4.14 to 8.28 GB of memory, and this machine has 6 GB"},
		{"training.batch_size=1048576", 1e9,
			"training.batch_size is 1048576: such batches take at least 4.14 GB of memory, and this machine has " +
				"1 GB: want at most ", ""},
		{"network.hidden=16384", 10e9, "network: its parameters take at least 12.9 GB", ""},
		{"training={iterations: 1000000000, log_every: 1}", 23e9,
			"training.log_every is 1: the records of 1,000,000,000 iterations take at least 500 GB", ""},
	} {
		config := preset(t, "toy-ring")
		set(t, &config, c.assignment)
		trainer, err := prepare(context.Background(), config, data.Reader{})
		if err != nil {
			t.Fatal(err)
		}
		var told string
		trainer.options.Notice = func(text string) { told += text }
		err = trainer.checkMemory(c.total)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) || told != c.told {
			t.Errorf("%s in %g bytes: error %v, it says %q", c.assignment, c.total, err, told)
		}
	}
}

// TestCheckSize: a training whose model could not be written is refused before its first iteration.
func TestCheckSize(t *testing.T) {
	config := preset(t, "toy-ring")
	trainer, err := prepare(context.Background(), config, data.Reader{})
	if err != nil {
		t.Fatal(err)
	}
	trainer.config.Sampler.StepsPerLevel = 1 << 21
	if err := trainer.checkSize(); err == nil || !strings.Contains(err.Error(), "sampler steps_per_level is 2097152") {
		t.Errorf("error %v", err)
	}
}

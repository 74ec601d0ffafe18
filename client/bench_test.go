package client_test

import (
	"testing"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	"github.com/langevin-ml/langevin/robustness/process"
)

// BenchmarkSample measures a short call, and an event of a long one. cpu-ns/op is the time of client and server on all
// cores, which other work on the machine disturbs less than ns/op.
func BenchmarkSample(b *testing.B) {
	event := client.Progress{StepsDone: 12345, StepsTotal: 16000, Step: 771, Level: 38, Sigma: 0.3}
	for name, run := range map[string]func(b *testing.B) (events, calls int){
		"call":  func(b *testing.B) (int, int) { return 1, b.N },
		"event": func(b *testing.B) (int, int) { return b.N, 1 },
	} {
		b.Run(name, func(b *testing.B) {
			all := sound()
			events, calls := run(b)
			server := fake.New(fake.Script{Sample: fake.Events(append(append(all[:1:1], sliceOf(events,
				client.Event(event))...), all[3], all[5], all[6])...)})
			defer server.Close()
			c, err := server.Client()
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			b.ReportAllocs()
			begin := process.OwnTime(b)
			b.ResetTimer()
			for range calls {
				if _, err := c.Sample(b.Context(), client.SampleRequest{Model: "g"}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(process.OwnTime(b)-begin)/float64(b.N), "cpu-ns/op")
		})
	}
}

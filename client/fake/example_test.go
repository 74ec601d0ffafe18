package fake_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"google.golang.org/grpc/codes"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/client/fake"
	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// meanRadius is the code under test: a function of a program that uses Langevin.
func meanRadius(ctx context.Context, c *client.Client) (float32, error) {
	res, err := c.Sample(ctx, client.SampleRequest{Model: "ring", N: 2})
	if err != nil {
		return 0, err
	}
	return (res.Row(0)[0] + res.Row(1)[0]) / 2, nil
}

func Example() {
	server := fake.New(fake.Script{
		Sample: fake.Samples([]int{2}, func(chain uint64) []float32 { return []float32{4 + 2*float32(chain), 0} }),
	})
	defer server.Close()
	c, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	fmt.Println(meanRadius(context.Background(), c))
	// Output: 5 <nil>
}

// This test checks how the program handles a failure in the middle of a call.
func Example_failure() {
	diverged := &client.Error{
		Code: codes.FailedPrecondition, Reason: langevinv1.ReasonDiverged, Message: "chain 1 diverged at step 40",
	}
	server := fake.New(fake.Script{
		Sample: func(_ context.Context, _ client.SampleRequest, emit func(client.Event) error) error {
			return errors.Join(emit(client.Started{Model: "ring", N: 2, Shape: []int{2}}), diverged)
		},
	})
	defer server.Close()
	c, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	_, err = meanRadius(context.Background(), c)
	fmt.Println(errors.Is(err, client.ErrDiverged))
	fmt.Println(err)
	// Output:
	// true
	// sample ring: chain 1 diverged at step 40
}

package modelstest

import (
	"github.com/gomlx/compute-onnx/support/protos"

	"github.com/langevin-ml/langevin/models"
)

// Foreign returns the graph of [Gaussian] on points as another program would write it. Its inputs are samples and
// labels, the index of a level of sigmas, which it contains. Its output is out. Values called sigma and score have
// other meanings in it.
func Foreign(sigmas ...float32) *protos.ModelProto {
	const dim = 2
	g := newGraph("foreign", []int{dim})
	labels := Value("labels")
	labels.GetType().GetTensorType().ElemType = int32(protos.TensorProto_INT64)
	g.model.Graph.Input = []*protos.ValueInfoProto{labels, Value("samples", dim)}
	g.model.Graph.Output = []*protos.ValueInfoProto{Value("out", dim)}
	g.addAs(models.InputSigma, "Gather", g.floats("net.sigmas", []int{len(sigmas)}, sigmas), "labels")
	variance := g.add("Add", g.add("Mul", models.InputSigma, models.InputSigma), g.floats("one", nil, []float32{1}))
	g.addAs(models.OutputScore, "Neg", "samples")
	g.addAs("out", "Div", models.OutputScore, g.perRow(variance))
	return g.model
}

package nn

import "fmt"

// Classifier is a small convolutional network that classifies images. It is for measures of quality that need features.
// It first moves blocks of 2×2 pixels to channels, which reduces the work to a quarter. Then it has two stages of two
// 3×3 convolutions with ReLU; the second has half of the resolution of the first. The outputs of the last dense layer,
// which has Features units, are the features. Images have values in [0, 1].
type Classifier struct {
	Shape    []int // of one image: channels, height and width; height and width are multiples of 4
	Channels int   // of the first stage; the second has twice this number
	Features int
	Classes  int
}

// Build records the network.
func (c Classifier) Build() (*Graph, error) {
	if len(c.Shape) != 3 || c.Shape[1]%4 != 0 || c.Shape[2]%4 != 0 {
		return nil, fmt.Errorf(
			"nn: classifier of images of shape %v: want channels, height and width, the last two multiples of 4",
			c.Shape)
	}
	if c.Channels < 1 || c.Features < 1 || c.Classes < 2 {
		return nil, fmt.Errorf("nn: classifier of %d channels, %d features and %d classes: want at least 1, 1 and 2",
			c.Channels, c.Features, c.Classes)
	}
	return BuildClassifier(c.Shape, c.layers)
}

func (c Classifier) layers(b *Builder, x *Node) (features, logits *Node) {
	h := b.SpaceToDepth("blocks", b.Sub("centred", x, b.Constant("half", 0.5)), 2)
	for i := range 2 {
		stage, channels := fmt.Sprintf("stage%d", i+1), c.Channels<<i
		if i > 0 {
			h = b.MeanPool(stage+"/pool", h, 2, 2, 0)
		}
		h = b.ReLU(stage+"/act1", b.Conv(stage+".conv1", h, Conv{Out: channels}))
		h = b.ReLU(stage+"/act2", b.Conv(stage+".conv2", h, Conv{Out: channels}))
	}
	flat := b.Reshape("flat", h, product(h.Shape[1:]))
	features = b.ReLU("features", b.Dense("dense", flat, c.Features))
	return features, b.Dense("logits", features, c.Classes)
}

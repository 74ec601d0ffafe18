package nn

import "testing"

// TestImageNetworks: every network for images can be chosen by name. The papers' networks have the papers' numbers of
// parameters.
func TestImageNetworks(t *testing.T) {
	for _, c := range []struct {
		network Config
		shape   []int
		want    int // number of parameters
	}{
		{Config{Name: NameUNet, Outer: 32, Inner: 96, Blocks: 2, Std: 0.3}, []int{1, 28, 28}, 558_948},
		{Config{Name: NameResScore, Channels: 32}, []int{3, 32, 32}, 1_379_651},
		{Config{Name: NameNCSN, Channels: 64}, []int{1, 28, 28}, 7_638_657},
		{Config{Name: NameNCSNBaseline, Channels: 64}, []int{1, 28, 28}, 7_443_393},
		{Config{Name: NameNCSNv2, Channels: 128, Centred: true}, []int{3, 32, 32}, 29_694_083},
		{Config{Name: NameNCSNv2Deeper, Channels: 128}, []int{3, 96, 96}, 83_445_379},
		{Config{Name: NameNCSNv2Deepest, Channels: 128}, []int{3, 256, 256}, 94_132_611},
	} {
		if err := c.network.Validate(); err != nil {
			t.Errorf("%s: %v", c.network.Name, err)
		}
		g, err := c.network.Build(c.shape, ladder(10))
		if err != nil {
			t.Errorf("%s: %v", c.network.Name, err)
		} else if got := g.NumParams(); got != c.want {
			t.Errorf("%s: %d parameters, want %d", c.network.Name, got, c.want)
		}
	}
}

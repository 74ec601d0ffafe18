package training

import "testing"

// Every network for images can be chosen by its name, with the parameters of the papers where it is theirs.
func TestImageNetworks(t *testing.T) {
	for _, c := range []struct {
		network Network
		shape   []int
		want    int // parameters
	}{
		{Network{Name: NetworkUNet, Outer: 32, Inner: 96, Blocks: 2, Std: 0.3}, []int{1, 28, 28}, 558_948},
		{Network{Name: NetworkResScore, Channels: 32}, []int{3, 32, 32}, 1_379_651},
		{Network{Name: NetworkNCSN, Channels: 64}, []int{1, 28, 28}, 7_638_657},
		{Network{Name: NetworkBaseline, Channels: 64}, []int{1, 28, 28}, 7_443_393},
		{Network{Name: NetworkNCSNv2, Channels: 128, Centred: true}, []int{3, 32, 32}, 29_694_083},
		{Network{Name: NetworkDeeper, Channels: 128}, []int{3, 96, 96}, 83_445_379},
		{Network{Name: NetworkDeepest, Channels: 128}, []int{3, 256, 256}, 94_132_611},
	} {
		config := preset(t, "toy-ring")
		config.Network, config.Noise = c.network, Noise{First: 1, Last: 0.01, Levels: 10}
		if err := config.Validate(); err != nil {
			t.Errorf("%s: %v", c.network.Name, err)
		}
		g, err := config.network(c.shape, mustSchedule(t, config))
		if err != nil {
			t.Errorf("%s: %v", c.network.Name, err)
		} else if got := g.NumParams(); got != c.want {
			t.Errorf("%s: %d parameters, want %d", c.network.Name, got, c.want)
		}
	}
}

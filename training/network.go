package training

import (
	"fmt"
	"slices"
	"strings"

	"github.com/langevin-ml/langevin/sampling"
	"github.com/langevin-ml/langevin/training/nn"
)

// The networks that [Network] names.
const (
	NetworkToy           = "toy"            // nn.ToyMLP
	NetworkUnconditional = "unconditional"  // nn.UnconditionalMLP
	NetworkEmbedding     = "embedding"      // nn.EmbeddingMLP
	NetworkUNet          = "unet"           // nn.UNet
	NetworkResScore      = "resscore"       // nn.ResScore
	NetworkNCSN          = "ncsn"           // nn.NCSN, with norms for each level of the noise schedule
	NetworkBaseline      = "ncsn-baseline"  // nn.NCSNBaseline
	NetworkNCSNv2        = "ncsnv2"         // nn.NCSNv2
	NetworkDeeper        = "ncsnv2-deeper"  // nn.NCSNv2Deeper
	NetworkDeepest       = "ncsnv2-deepest" // nn.NCSNv2Deepest
)

// networkNames are all of them.
func networkNames() []string {
	return []string{
		NetworkToy, NetworkUnconditional, NetworkEmbedding, NetworkUNet, NetworkResScore,
		NetworkNCSN, NetworkBaseline, NetworkNCSNv2, NetworkDeeper, NetworkDeepest,
	}
}

// Network chooses and sizes a network of package nn. A key that the network does not have must be absent.
type Network struct {
	Name string `yaml:"name"` // one of the constants above

	// Of the networks for points: toy, unconditional and embedding.
	Hidden     int           `yaml:"hidden,omitempty"`     // width of the hidden layers
	Activation nn.Activation `yaml:"activation,omitempty"` // silu, softplus or tanh; of toy: after the first layer
	Scale      float64       `yaml:"scale,omitempty"`      // of toy: length scale of the data, see nn.ToyMLP

	// Of unet, see nn.UNet.
	Outer  int     `yaml:"outer,omitempty"`  // channels at half the resolution
	Inner  int     `yaml:"inner,omitempty"`  // channels at a quarter of it
	Blocks int     `yaml:"blocks,omitempty"` // at each stage
	Mean   float64 `yaml:"mean,omitempty"`   // of the pixels of all data
	Std    float64 `yaml:"std,omitempty"`    // standard deviation of the pixels of all data

	// Of the papers' networks for images: resscore and all that begin with ncsn.
	Channels int  `yaml:"ngf,omitempty"`     // channels of the first stage
	Centred  bool `yaml:"centred,omitempty"` // of those that begin with ncsn: the data are on [-1, 1], not on [0, 1]
}

// network builds the network for samples of the given shape.
func (c Config) network(shape []int, schedule sampling.Schedule) (*nn.Graph, error) {
	n := c.Network
	refine := nn.RefineNet{Shape: shape, Channels: n.Channels, Centred: n.Centred}
	switch n.Name {
	case NetworkUNet:
		return nn.UNet{Shape: shape, Outer: n.Outer, Inner: n.Inner, Blocks: n.Blocks, Mean: n.Mean, Std: n.Std}.Build()
	case NetworkResScore:
		return nn.ResScore{Shape: shape, Channels: n.Channels}.Build()
	case NetworkNCSN:
		return nn.NCSN(refine, schedule.Sigmas())
	case NetworkBaseline:
		return nn.NCSNBaseline(refine)
	case NetworkNCSNv2:
		return nn.NCSNv2(refine)
	case NetworkDeeper:
		return nn.NCSNv2Deeper(refine)
	case NetworkDeepest:
		return nn.NCSNv2Deepest(refine)
	}
	if len(shape) != 1 {
		return nil, fmt.Errorf("network %s on samples of shape %v: want one axis", n.Name, shape)
	}
	mlp := nn.MLP{Dim: shape[0], Hidden: n.Hidden, Activation: n.Activation}
	switch n.Name {
	case NetworkUnconditional:
		return nn.UnconditionalMLP(mlp)
	case NetworkEmbedding:
		return nn.EmbeddingMLP(mlp, schedule.Sigmas())
	default:
		return nn.ToyMLP(mlp, n.Scale)
	}
}

func (bad *mistakes) network(n Network) {
	own := Network{Name: n.Name} // what n's network has keys for
	switch n.Name {
	case NetworkToy, NetworkUnconditional, NetworkEmbedding:
		bad.mlp(n)
		own.Hidden, own.Activation, own.Scale = n.Hidden, n.Activation, n.Scale
	case NetworkUNet:
		bad.unet(n)
		own.Outer, own.Inner, own.Blocks, own.Mean, own.Std = n.Outer, n.Inner, n.Blocks, n.Mean, n.Std
	case NetworkResScore:
		bad.require(n.Channels >= 8 && n.Channels <= 1<<12 && n.Channels%8 == 0, "network.ngf is %d: want a multiple of 8, 8 to %d", n.Channels, 1<<12)
		own.Channels = n.Channels
	case NetworkNCSN, NetworkBaseline, NetworkNCSNv2, NetworkDeeper, NetworkDeepest:
		bad.require(n.Channels >= 2 && n.Channels <= 1<<12, "network.ngf is %d: want 2 to %d", n.Channels, 1<<12)
		own.Channels, own.Centred = n.Channels, n.Centred
	default:
		bad.require(false, "network.name is %q: want one of %q", n.Name, networkNames())
		return
	}
	if given := foreignKeys(n, own); len(given) > 0 {
		bad.require(false, "network.%s: network %s has no such key", strings.Join(given, ", network."), n.Name)
	}
}

// foreignKeys are the keys that n has and own, a part of n, has not.
func foreignKeys(n, own Network) []string {
	var foreign []string
	for key, differs := range map[string]bool{
		"hidden": n.Hidden != own.Hidden, "activation": n.Activation != own.Activation, "scale": n.Scale != own.Scale,
		"outer": n.Outer != own.Outer, "inner": n.Inner != own.Inner, "blocks": n.Blocks != own.Blocks,
		"mean": n.Mean != own.Mean, "std": n.Std != own.Std, "ngf": n.Channels != own.Channels, "centred": n.Centred != own.Centred,
	} {
		if differs {
			foreign = append(foreign, key)
		}
	}
	slices.Sort(foreign)
	return foreign
}

func (bad *mistakes) unet(n Network) {
	bad.require(n.Outer >= 1 && n.Outer <= 1<<12, "network.outer is %d: want 1 to %d", n.Outer, 1<<12)
	bad.require(n.Inner >= 1 && n.Inner <= 1<<12, "network.inner is %d: want 1 to %d", n.Inner, 1<<12)
	bad.require(n.Blocks >= 1 && n.Blocks <= 64, "network.blocks is %d: want 1 to 64", n.Blocks)
	bad.require(finite(n.Mean), "network.mean is %g: want a finite number", n.Mean)
	bad.require(positive(n.Std), "network.std is %g: want a finite number above 0", n.Std)
}

func (bad *mistakes) mlp(n Network) {
	if n.Name == NetworkToy {
		bad.require(positive(n.Scale), "network.scale is %g: want a finite number above 0", n.Scale)
	} else {
		bad.require(n.Scale == 0, "network.scale is %g: network %s has none", n.Scale, n.Name)
	}
	bad.require(n.Hidden >= 1 && n.Hidden <= 1<<14, "network.hidden is %d: want 1 to %d", n.Hidden, 1<<14)
	known := []nn.Activation{nn.SiLU, nn.Softplus, nn.Tanh}
	bad.require(slices.Contains(known, n.Activation), "network.activation is %q: want one of %q", n.Activation, known)
}

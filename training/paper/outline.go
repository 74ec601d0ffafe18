package paper

import "slices"

func pixelNoise() Section {
	return Section{
		Name: "figure-1", Title: "Figure 1: sliced score matching settles only if the pixels carry a little noise",
		Expected: "On clean images the loss falls and then fluctuates without end. If pixels depend on each other, " +
			"there is no density and no least loss. " +
			"With noise on the pixels that is hardly visible, N(0, 0.0001) in the paper, it converges.",
	}
}

// WithoutPixelNoise returns the section of figure 1, with the reason why it is skipped.
func WithoutPixelNoise(why string) Section {
	s := pixelNoise()
	s.Skipped = why
	return s
}

func sliced() Section {
	return Section{
		Name: "figure-2", Title: "Figure 2: a score learned from clean data is right near the modes, and nowhere else",
		Expected: "Sliced score matching ends at a loss near −0.998, which is minus half the mean squared norm of " +
			"the exact score. In the empty corners, " +
			"where training saw no points, the arrows of the network differ from the arrows of the exact score.",
	}
}

func singleLevel() Section {
	return Section{
		Name: "denoising", Title: "Denoising score matching at one noise level",
		Expected: "At sigma 1 on modes of std 1, the least possible loss is 0.499 on two Gaussians and 0.744 on the " +
			"ring. Small networks come close to it.",
	}
}

func conditional() Section {
	return Section{
		Name: "conditional", Title: "Figure 3 with a network: noise-conditional scores",
		Expected: "The loss of every level is within a tenth of the least one. Samples of annealed Langevin " +
			"dynamics have the right weights, " +
			"0.75 to 0.82 for the large Gaussian, and leave the hole of the ring empty.",
		Note: "Networks learn from data with noise sigma, so at sigma 1 samples of modes of std 1 have std √2.",
	}
}

func product() Section {
	return Section{
		Name: "product", Title: "A product of two densities: annealed Langevin draws it, a reverse diffusion does not",
		Expected: "Chains that follow the sum of the scores of the ring and of another mixture find the weights of " +
			"all sixteen modes of the exact product within 0.02. A reverse diffusion of the same sum with as many " +
			"evaluations is off by more, because the sum is not the score of the product with noise (Du et al. 2023).",
		Note: "The other mixture is 0.6 N((3, 1), 4I) + 0.4 N((−2, −3), 4I). Modes overlap, so a weight is the mean " +
			"probability of its mode.",
	}
}

func networkProduct() Section {
	return Section{
		Name: "product-networks", Title: "The same product with two trained networks",
		Expected: "Annealed Langevin dynamics with the sum of two networks finds the weights of the exact product " +
			"within 0.04. Neither network has seen data of the other.",
	}
}

func sums() Section {
	return Section{
		Name: "sums", Title: "Negation, and several observations of one parameter",
		Expected: "A sum of weighted Gaussian scores has a Gaussian as its closed form: N((1, 1), I) without 0.8 of " +
			"N((−2, 0), 2I), and the posterior of a parameter given four observations, which is the prior to the " +
			"power of 1 − 4 times the four posteriors (Geffner et al. 2023).",
		Note: "Tolerances are four standard errors. The closed forms contain the noise at the last sigma, 0.05, and " +
			"the step size.",
	}
}

// WithoutNetworks returns the sections that need networks, with the reason why they are skipped. The sections of a
// model of images are not among them.
func WithoutNetworks(why string) []Section {
	all := []Section{pixelNoise(), sliced(), conditional(), singleLevel(), networkProduct()}
	for i := range all {
		all[i].Skipped = why
	}
	return all
}

// InOrder returns the sections in the papers' order.
func InOrder(sections []Section) []Section {
	order := []string{"figure-1", "figure-2", "figure-3", "conditional", "denoising", "ring", "product",
		"product-networks", "sums", "figure-4", "figure-5", "figure-6", "interpolation", "figure-7", "figure-9"}
	all := slices.Clone(sections)
	slices.SortStableFunc(all,
		func(a, b Section) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
	return all
}

func intermediate() Section {
	return Section{
		Name: "figure-4", Title: "Figure 4: images on their way from noise",
		Expected: "Images emerge as sigma falls: first their rough shape, then their edges. In between, a state is " +
			"its sample plus noise of about the size of sigma.",
	}
}

func uncurated() Section {
	return Section{
		Name: "figure-5", Title: "Figure 5: samples, none chosen",
		Expected: "A person recognizes almost all of them as digits, and so does a classifier.",
	}
}

func inpainting() Section {
	return Section{
		Name: "figure-6", Title: "Figure 6: inpainting",
		Expected: "The missing half is completed in several ways, and all fit the known half. The known pixels " +
			"stay, and nothing leaks from the hidden ones.",
	}
}

func interpolation() Section {
	return Section{
		Name: "interpolation", Title: "Interpolation (NCSNv2)",
		Expected: "Each row changes from one sample to another as its noise changes from the noise of the first to " +
			"the noise of the second. The ends are the samples of unmixed noise.",
	}
}

func baseline() Section {
	return Section{
		Name: "figure-7", Title: "Figure 7: one small noise level alone makes no images",
		Expected: "Chains that start in uniform noise do not find the data with the score at the smallest sigma. The " +
			"results do not look like images.",
	}
}

func neighbours() Section {
	return Section{
		Name: "figure-9", Title: "Figure 9: nearest neighbours in the training set",
		Expected: "No sample is a copy. Samples are about as far from their nearest training images as test images " +
			"are.",
	}
}

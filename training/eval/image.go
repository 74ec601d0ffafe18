package eval

import (
	"context"
	"embed"
	"fmt"
	"path"
	"strings"
)

// Classifier classifies images. An image is a row of pixels in the range on which the classifier was trained, which is
// [0, 1] for the built-in ones.
type Classifier interface {
	// Classify returns, for each image, its features and the probabilities of its classes.
	Classify(ctx context.Context, images Rows) (features, probabilities Rows, err error)
}

//go:embed classifiers/*.onnx
var classifiers embed.FS

// ClassifierFile returns the bytes of the built-in classifier for a dataset, such as "mnist". For an unknown dataset
// the error lists the known ones.
func ClassifierFile(dataset string) ([]byte, error) {
	file, err := classifiers.ReadFile(path.Join("classifiers", dataset+".onnx"))
	if err == nil {
		return file, nil
	}
	entries, err := classifiers.ReadDir("classifiers")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".onnx"))
	}
	return nil, fmt.Errorf("there is no built-in classifier for %s, only for %s",
		dataset, strings.Join(names, ", "))
}

const (
	kidBlock     = 500  // number of rows in a block of the KID
	manifoldRows = 2000 // number of rows of each set for precision and recall
	manifoldK    = 3    // as Kynkäänniemi et al. (2019)
	scoreParts   = 10   // number of parts for the inception score
)

// TestImages is the images of a test set, at least 200, with which samples are compared by their features and classes.
// Samples are compared with every second image. The expected value compares the same number of the other images, or all
// of them if there are fewer. It does not use the first and the second half, because different people wrote these in
// MNIST. It is for one caller at a time.
type TestImages struct {
	classifier    Classifier
	first, second Rows
	reference     Rows  // the features of first
	counts        []int // of the classes of first
	ideals        map[int]ImageReport
}

// NewTestImages classifies one half of the test set.
func NewTestImages(ctx context.Context, c Classifier, test Rows) (*TestImages, error) {
	t := &TestImages{classifier: c, ideals: map[int]ImageReport{}}
	t.first, t.second = alternate(test)
	if t.second.Len() < 100 {
		return nil, fmt.Errorf("%d test images: want at least 200", test.Len())
	}
	reference, probabilities, err := c.Classify(ctx, t.first)
	if err != nil {
		return nil, err
	}
	classes, err := Classes(probabilities)
	t.reference, t.counts = reference, classes.Counts
	return t, err
}

// Reference returns the images that samples are compared with.
func (t *TestImages) Reference() Rows { return t.first }

// ReferenceFeatures returns the features of these images.
func (t *TestImages) ReferenceFeatures() Rows { return t.reference }

// True returns how many true images the expected values are from, at most.
func (t *TestImages) True() int { return t.second.Len() }

// ImageReport is how samples compare with test images.
type ImageReport struct {
	Metrics  []Metric
	Classes  ClassReport
	True     []float64 // shares of the classes of the true images that the expected values are from
	Features Rows      // of the samples
}

// Measure compares samples with the reference.
func (t *TestImages) Measure(ctx context.Context, samples Rows) (ImageReport, error) {
	found, err := t.compare(ctx, samples)
	if err != nil {
		return ImageReport{}, err
	}
	ideal, err := t.ideal(ctx, min(t.second.Len(), samples.Len()))
	if err != nil {
		return ImageReport{}, err
	}
	for i := range found.Metrics {
		found.Metrics[i].Expected = ideal.Metrics[i].Value
	}
	found.True = ideal.Classes.Shares
	test, err := Homogeneity(found.Classes.Counts, t.counts)
	if err != nil {
		return ImageReport{}, err
	}
	found.Classes.Test = test
	found.Metrics = append(found.Metrics, fidRatio(found.Metrics), test.metric("class χ²", "the test images"))
	return found, nil
}

// ideal returns what a given number of true images measure.
func (t *TestImages) ideal(ctx context.Context, n int) (ImageReport, error) {
	if known, ok := t.ideals[n]; ok {
		return known, nil
	}
	measured, err := t.compare(ctx, t.second.Slice(0, n))
	if err == nil {
		t.ideals[n] = measured
	}
	return measured, err
}

// These are the names of measures that others are made of, and that a frontier shows.
const (
	Confident = "confident"
	FIDName   = "FID"
	FIDRatio  = "FID over true"
)

// fidRatio returns the FID over the one of true images. It is 1 if neither differs from the reference.
func fidRatio(metrics []Metric) Metric {
	m := Metric{Name: FIDRatio, Value: 1, Expected: 1, Meaning: "FID over the one that true images have: 1 is perfect"}
	for _, fid := range metrics {
		if fid.Name == FIDName && fid.Expected > 0 {
			m.Value = fid.Value / fid.Expected
		}
	}
	return m
}

// alternate assigns rows to first and second in turn.
func alternate(r Rows) (first, second Rows) {
	first.Dim, second.Dim = r.Dim, r.Dim
	for i := range r.Len() {
		if i%2 == 0 {
			first.X = append(first.X, r.Row(i)...)
		} else {
			second.X = append(second.X, r.Row(i)...)
		}
	}
	return first, second
}

// compare compares images with the reference features.
func (t *TestImages) compare(ctx context.Context, images Rows) (ImageReport, error) {
	reference := t.reference
	features, probabilities, err := t.classifier.Classify(ctx, images)
	if err != nil {
		return ImageReport{}, err
	}
	classes, err := Classes(probabilities)
	if err != nil {
		return ImageReport{}, err
	}
	fid, err := FID(features, reference)
	if err != nil {
		return ImageReport{}, err
	}
	kid, err := KernelDistance(features, reference, kidBlock)
	if err != nil {
		return ImageReport{}, err
	}
	score, err := InceptionScore(probabilities, min(scoreParts, images.Len()))
	if err != nil {
		return ImageReport{}, err
	}
	few := func(r Rows) Rows { return r.Slice(0, min(manifoldRows, r.Len())) }
	precision, recall, err := PrecisionRecall(few(features), few(reference), manifoldK)
	if err != nil {
		return ImageReport{}, err
	}
	metrics := []Metric{
		{Name: Confident, Value: classes.Confident,
			Meaning: "share of images whose class has a probability above 0.9"},
		{Name: "rarest class", Value: classes.Least, Meaning: "its share over a uniform one"},
		{Name: "commonest class", Value: classes.Most, Meaning: "its share over a uniform one"},
		{Name: FIDName, Value: fid, Meaning: "Fréchet distance of the classifier's features; less is better"},
		{Name: "KID", Value: kid.Value,
			Meaning: fmt.Sprintf("kernel distance of the features, ± %.2g; near 0 is best", kid.Error)},
		{Name: "inception score", Value: score.Value,
			Meaning: fmt.Sprintf("sure of each and even over all: 1 to the number of classes, ± %.2g", score.Error)},
		{Name: "precision", Value: precision, Meaning: "share of images that look like true ones"},
		{Name: "recall", Value: recall, Meaning: "share of true images that these look like"},
	}
	return ImageReport{Metrics: metrics, Classes: classes, Features: features}, nil
}

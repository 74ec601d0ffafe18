// Package detector has the command detect fit, which adds a detector to a model file.
package detector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/trainrun"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/ort"
	"github.com/langevin-ml/langevin/ort/proof"
	"github.com/langevin-ml/langevin/sampling/detect"
)

// command has the flags of langevin detect fit.
type command struct {
	data, given  string
	decimalComma bool
	rows         cli.CountValue
	modelsDir    string
	out          string
	overwrite    bool
	library      string
	json         bool
}

// FitCommand returns the command detect fit.
func FitCommand(p *cli.Program) *cobra.Command {
	o := &command{rows: cli.NewCount(trainrun.DetectorRows, detect.LeastRows).AtMost(detect.MostRows)}
	c := &cobra.Command{
		Use:   "fit MODEL [--data FILE|FOLDER]",
		Short: "Add a detector to a model file, from data that the training did not use",
		Long: fmt.Sprintf(`Fit adds a detector to the file of a model, so that detect can say how unlike its training
data samples are. MODEL is a file, or the name of a model in --models-dir or built in. One half of the rows of --data
fits the detector and the other half calibrates it. They must be like the training data and not have
been used to train: p-values of a detector that was fitted to the training data alarm too often. There
must be at least %d rows, and of more than --rows some are chosen at random. Without --data, they are
the test part of the dataset of the preset with which the model was trained.

A file is replaced in place, at once, unless --out names a folder of models for a copy; a built-in model
needs --out. Samples keep their bits, but the file gets another digest: states of samplings and shards
that name the old one cannot be continued with it.`, detect.LeastRows),
		Example: `  langevin detect fit out/models/flowers/1/model.onnx --data held-out.csv
  langevin detect fit digits --models-dir out/models --data held-out.npy
  langevin detect fit mnist --out out/models`,
		Args: cli.Arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), p, args[0]) },
	}
	c.Flags().StringVar(&o.data, "data", "", "`FILE` of rows (.npy, .npz, .csv), as in the units of the model's "+
		"samples or pictures as bytes, or folder of pictures")
	c.Flags().StringVar(&o.given, "given", "", "`FILE` with the condition of each row: a class, or a vector")
	c.Flags().BoolVar(&o.decimalComma, "decimal-comma", false, "of a table: a comma in a number is its decimal point")
	c.Flags().Var(&o.rows, "rows", "most rows to fit to")
	c.Flags().StringVar(&o.modelsDir, "models-dir", "", "folder of models, as NAME/VERSION/model.onnx")
	c.Flags().StringVarP(&o.out, "out", "o", "", "folder of models for a copy, as NAME/VERSION/model.onnx")
	c.Flags().BoolVar(&o.overwrite, "overwrite", false, "with --out: replace a model that is there")
	cli.LibraryFlag(c.Flags(), &o.library)
	cli.JSONFlag(c.Flags(), &o.json, "")
	return c
}

// found is the model that gets a detector.
type found struct {
	file     []byte
	manifest models.Manifest
	target   string // path to write
}

func (o *command) run(ctx context.Context, p *cli.Program, model string) error {
	f, err := o.find(model)
	if err != nil {
		return err
	}
	held, err := o.heldOut(ctx, p, f.manifest)
	if err != nil {
		return err
	}
	fitted, err := o.fit(ctx, p, f, held)
	if err != nil {
		return err
	}
	file, err := models.WithManifest(f.file, fitted)
	if err != nil {
		return err
	}
	if err := write(f.target, file); err != nil {
		return err
	}
	return o.report(p, f.target, file, fitted)
}

// find reads the model and says where to write it.
func (o *command) find(model string) (f found, err error) {
	if strings.EqualFold(filepath.Ext(model), ".onnx") {
		f.target = model
		if f.file, err = (models.Rules{}).ReadFile(model); err == nil {
			f.manifest, err = models.Read(f.file)
		}
		if err != nil {
			return f, fmt.Errorf("read %s: %w", model, err)
		}
		return f, o.place(&f, 1)
	}
	name, version, err := cli.SplitModel(model)
	if err != nil {
		return f, err
	}
	repo, err := models.NewRepository(models.Zoo(), o.modelsDir, models.Rules{})
	if err != nil {
		return f, err
	}
	defer repo.Close()
	from, err := repo.Open(name, version)
	if err != nil {
		return f, err
	}
	f.file, f.manifest = from.Graph, from.Manifest
	if from.Origin == models.OriginEmbedded && o.out == "" {
		return f, cli.Usagef("%s is built in: want --out, a folder of models for a copy with a detector", name)
	}
	f.target = filepath.Join(o.modelsDir, name, strconv.Itoa(from.Version), models.FileName)
	return f, o.place(&f, from.Version)
}

// place makes the target that of a copy if --out says so, and refuses one that may not be replaced.
func (o *command) place(f *found, version int) error {
	if o.out != "" {
		f.target = filepath.Join(o.out, f.manifest.Name, strconv.Itoa(version), models.FileName)
		if _, err := os.Lstat(f.target); err == nil && !o.overwrite {
			return fmt.Errorf("%s exists: --overwrite replaces it, another --out keeps it", f.target)
		}
	}
	pinned := filepath.Join(filepath.Dir(f.target), models.DigestFileName)
	if _, err := os.Lstat(pinned); err == nil {
		return fmt.Errorf("%s has the digest of the model as it is: remove it, or write a copy with --out", pinned)
	}
	return wholefile.Check(f.target)
}

// fit proves the model file, as a server does, and fits a detector.
func (o *command) fit(ctx context.Context, p *cli.Program, f found, held models.HeldOut) (_ models.Manifest,
	err error) {
	library, err := ort.OpenFound(o.library)
	if err != nil {
		return models.Manifest{}, err
	}
	session, err := proof.New(library, models.Rules{}, proof.Limits{}, "").Load(ctx, f.file, f.manifest,
		ort.Options{Threads: runtime.NumCPU()})
	if err != nil {
		return models.Manifest{}, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	return trainrun.FitDetector(ctx, p, session, f.manifest, held)
}

func write(path string, data []byte) error {
	if err := wholefile.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	file, err := wholefile.Create(path)
	if err != nil {
		return err
	}
	defer file.Discard()
	return file.CommitBytes(data)
}

// fitReport is what detect fit --json writes.
type fitReport struct {
	Path       string    `json:"path"`
	Name       string    `json:"name"`
	Digest     string    `json:"digest"`
	Calibrated int       `json:"calibrated"`
	LeastP     float64   `json:"least_p_value"`
	Sigmas     []float64 `json:"sigmas"`
}

func (o *command) report(p *cli.Program, path string, file []byte, m models.Manifest) error {
	sum, n := sha256.Sum256(file), len(m.Detector.Calibration)
	r := fitReport{
		Path: path, Name: m.Name, Digest: hex.EncodeToString(sum[:]), Calibrated: n,
		LeastP: m.Detector.LeastP(), Sigmas: m.Detector.Sigmas,
	}
	if o.json {
		return cli.WriteJSON(p.Stdout, r)
	}
	fmt.Fprintf(p.Stdout, "%s: %s\n  %s calibrate the detector; the smallest p-value is %.2g\n  digest %s\n",
		p.Bold(r.Name), r.Path, phrase.Plural(n, "row"), r.LeastP, r.Digest)
	return nil
}

package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
)

func checkCommand(p *cli.Program) *cobra.Command {
	var library string
	var asJSON bool
	c := &cobra.Command{
		Use:   "check FILE.onnx...",
		Short: "Say whether model files can be served, by the trial of a server",
		Long: `Check looks at each file as a server does that loads it: at its manifest and its graph, and by a trial of
rows at sigmas from all over the schedule, whose scores must be finite and have the same bits in any
company.`,
		Example: `  langevin models check out/models/ring/1/model.onnx
  langevin models check out/models/*/*/model.onnx --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			bad := 0
			for _, path := range args {
				r := checkFile(c.Context(), library, path)
				if !r.OK {
					bad++
				}
				if err := printCheck(p, r, asJSON); err != nil {
					return err
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of %s cannot be served", bad, phrase.Plural(len(args), "file"))
			}
			return nil
		},
	}
	c.Flags().StringVar(&library, "onnxruntime-library", "", "path of the ONNX Runtime shared library; empty searches the usual places")
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON object for each file, one a line")
	return c
}

// checkReport is what models check --json writes.
type checkReport struct {
	Path     string   `json:"path"`
	OK       bool     `json:"ok"`
	Error    string   `json:"error,omitempty"`
	Name     string   `json:"name,omitempty"`
	Digest   string   `json:"digest,omitempty"`
	Scale    float64  `json:"score_scale,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

func checkFile(ctx context.Context, library, path string) checkReport {
	r := checkReport{Path: path}
	data, err := os.ReadFile(path)
	if err != nil {
		r.Error = wholefile.Cause(err).Error()
		return r
	}
	r.Digest = digestOf(data)
	m, err := models.Read(data)
	if err == nil {
		r.Name = m.Name
		r.Scale, err = tryModel(ctx, library, data, m)
	}
	if err != nil {
		r.Error = phrase.OneLine(err)
		return r
	}
	r.OK, r.Warnings = true, scaleWarnings(r.Scale, m)
	return r
}

func printCheck(p *cli.Program, r checkReport, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(p.Stdout, r)
	}
	if !r.OK {
		_, err := fmt.Fprintf(p.Stdout, "FAIL  %s: %s\n", r.Path, r.Error)
		return err
	}
	fmt.Fprintf(p.Stdout, "ok    %s: %s, score of noise %.3g/sigma\n", r.Path, p.Bold(r.Name), r.Scale)
	for _, warning := range r.Warnings {
		fmt.Fprintf(p.Stdout, "      %s\n", warning)
	}
	return nil
}

// digestOf is a model file's SHA-256, in hexadecimal.
func digestOf(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

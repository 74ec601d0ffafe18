package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/models"
)

func checkCommand(p *cli.Program) *cobra.Command {
	var o proving
	var asJSON bool
	c := &cobra.Command{
		Use:   "check FILE.onnx|FOLDER...",
		Short: "Check whether a server can serve model files",
		Long: `Check examines each file as a server does before it loads it: the manifest, the graph, and then, in a
child process with limits of memory and time, evaluations at all sizes and at sigmas from all over
the schedule. Scores must be finite, and must have the same bits whatever other rows are in the
batch. See docs/model-file.md for the operators that a network may have. Of a folder it checks all
NAME/VERSION/model.onnx.`,
		Example: `  langevin models check out/models/ring/1/model.onnx
  langevin models check out/models/*/*/model.onnx --json`,
		Args: cli.Arguments(1, cli.AnyNumber),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			files, err := modelFiles(args)
			if err != nil {
				return err
			}
			bad := 0
			for _, path := range files {
				r := o.checkFile(c.Context(), path)
				if !r.OK {
					bad++
				}
				if err := printCheck(p, r, asJSON); err != nil {
					return err
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of %s cannot be served", bad, phrase.Plural(len(files), "file"))
			}
			return nil
		},
	}
	o.register(c.Flags())
	cli.JSONFlag(c.Flags(), &asJSON, " for each file, one a line")
	return c
}

// modelFiles replaces each folder of paths by the files in it that a server would load: of a version, of all versions
// of a name, or of all names.
func modelFiles(paths []string) (files []string, err error) {
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			files = append(files, path)
			continue
		}
		before := len(files)
		for _, below := range []string{"", "*", "*/*"} {
			found, err := filepath.Glob(filepath.Join(path, below, models.FileName))
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", path, err)
			}
			files = append(files, found...)
		}
		if len(files) == before {
			return nil, cli.Usagef("%s is a folder without NAME/VERSION/%s, VERSION/%[2]s or %[2]s in it: "+
				"want a model file, or a folder of them", path, models.FileName)
		}
	}
	return files, nil
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

	Condition *models.Condition `json:"condition,omitempty"`
}

// checkFile checks the model file at path.
func (o *proving) checkFile(ctx context.Context, path string) checkReport {
	r := checkReport{Path: path}
	data, err := o.rules.ReadFile(path)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Digest = digestOf(data)
	m, err := models.Read(data)
	if err == nil {
		r.Name, r.Condition = m.Name, m.Condition
		err = checkPlace(path, m.Name)
	}
	if err == nil {
		r.Scale, err = o.scoreScale(ctx, data, m)
	}
	if err != nil {
		r.Error = phrase.OneLine(err)
		return r
	}
	r.OK, r.Warnings = true, scaleWarnings(r.Scale, m)
	return r
}

// checkPlace refuses a file that lies where a server expects a model of another name, as servers do. The place says
// nothing where it is not NAME/VERSION/model.onnx.
func checkPlace(path, name string) error {
	absolute, err := filepath.Abs(path)
	if err != nil || filepath.Base(absolute) != models.FileName {
		return nil
	}
	version := filepath.Dir(absolute)
	if _, err := strconv.Atoi(filepath.Base(version)); err != nil {
		return nil
	}
	if folder := filepath.Base(filepath.Dir(version)); models.ValidName(folder) && folder != name {
		return fmt.Errorf("the manifest names it %q: want the folder's name %q", name, folder)
	}
	return nil
}

func printCheck(p *cli.Program, r checkReport, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(p.Stdout, r)
	}
	if !r.OK {
		_, err := fmt.Fprintf(p.Stdout, "FAIL  %s: %s\n", r.Path, r.Error)
		return err
	}
	given := ""
	if r.Condition != nil {
		given = fmt.Sprintf(", given %v", r.Condition)
	}
	fmt.Fprintf(p.Stdout, "ok    %s: %s, score of noise %.3g/sigma%s\n", r.Path, p.Bold(r.Name), r.Scale, given)
	for _, warning := range r.Warnings {
		fmt.Fprintf(p.Stdout, "      %s\n", warning)
	}
	return nil
}

// digestOf returns the SHA-256 of a model file, in hexadecimal.
func digestOf(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

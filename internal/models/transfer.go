package models

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/modelstore"
	"github.com/langevin-ml/langevin/internal/phrase"
	"github.com/langevin-ml/langevin/internal/wholefile"
	"github.com/langevin-ml/langevin/models"
)

// pushCommand has the flags of langevin models push.
type pushCommand struct {
	proving
	version int
}

func newPushCommand(p *cli.Program) *cobra.Command {
	o := &pushCommand{}
	c := &cobra.Command{
		Use:   "push FILE.onnx|FOLDER... REFERENCE",
		Short: "Put model files into a registry, a bucket or a folder",
		Long: `Push checks model files as models check does, and puts them where servers and models pull get them:
` + modelstore.Forms + `.

It prints the reference. In a registry that ends in the digest of the artifact, which pins it: the same
files give the same digest. Credentials come from where docker login (registries) and Amazon's tools
(buckets) keep them; for gs:// they are an HMAC key. ?endpoint=https://HOST after a bucket names a
service other than Amazon's or Google's.`,
		Example: `  langevin models push out/models/ring oci://ghcr.io/me/ring:v2
  langevin models push out/models s3://models/production
  langevin models push net.onnx --version 3 's3://models/production?endpoint=https://minio.example'`,
		Args: cli.Arguments(2, cli.AnyNumber),
		RunE: func(c *cobra.Command, args []string) error {
			last := len(args) - 1
			return push(c.Context(), p, o, args[:last], args[last])
		},
	}
	c.Flags().IntVar(&o.version, "version", 1, "version of a file that is not at NAME/VERSION/model.onnx")
	o.register(c.Flags())
	return c
}

func push(ctx context.Context, p *cli.Program, o *pushCommand, paths []string, reference string) error {
	to, err := modelstore.Parse(reference)
	if err != nil {
		return cli.Usagef("%v", err)
	}
	if err := o.check(); err != nil {
		return err
	}
	if o.version < 1 {
		return cli.Usagef("--version is %d: want 1 or more", o.version)
	}
	paths, err = modelFiles(paths)
	if err != nil {
		return err
	}
	places := map[string]string{}
	var files []modelstore.File
	for _, path := range paths {
		f, err := o.file(ctx, path)
		if err != nil {
			return err
		}
		place := fmt.Sprintf("%s/%d", f.Name, f.Version)
		if other, taken := places[place]; taken {
			return cli.Usagef("%s and %s are both %s: want other versions", other, path, place)
		}
		places[place] = path
		files = append(files, f)
	}
	pinned, err := modelstore.Push(ctx, to, files)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout, pinned)
	return nil
}

// file checks a model file, and finds its name and version.
func (o *pushCommand) file(ctx context.Context, path string) (modelstore.File, error) {
	r := o.checkFile(ctx, path)
	if !r.OK {
		return modelstore.File{}, fmt.Errorf("%s cannot be served: %s", path, r.Error)
	}
	info, err := os.Stat(path)
	if err != nil {
		return modelstore.File{}, err
	}
	f := modelstore.File{Path: path, Name: r.Name, Version: o.version, Digest: r.Digest, Size: info.Size()}
	if absolute, err := filepath.Abs(path); err == nil && filepath.Base(absolute) == models.FileName {
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(absolute))); err == nil && version > 0 {
			f.Version = version
		}
	}
	return f, nil
}

// pullCommand has the flags of langevin models pull.
type pullCommand struct {
	proving
	out       string
	overwrite bool
}

func newPullCommand(p *cli.Program) *cobra.Command {
	o := &pullCommand{}
	c := &cobra.Command{
		Use:   "pull REFERENCE",
		Short: "Get model files from a registry, a bucket or a folder, and check them",
		Long: `Pull gets the model files of a reference, checks all of them as models check does, and only then
writes them to --out as NAME/VERSION/model.onnx. The reference is ` + modelstore.Forms + `.

A reference may end in @sha256:DIGEST, which pins an artifact of a registry, or the one file of a bucket
or folder that it names. Any other content is refused.`,
		Example: `  langevin models pull oci://ghcr.io/me/ring:v2 --out models
  langevin models pull s3://models/production/ring/2/model.onnx --out models`,
		Args: cli.Arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error { return pull(c.Context(), p, o, args[0]) },
	}
	c.Flags().StringVarP(&o.out, "out", "o", "out/models", "folder of models to write to, as NAME/VERSION/model.onnx")
	o.register(c.Flags())
	overwriteFlag(c.Flags(), &o.overwrite)
	return c
}

func pull(ctx context.Context, p *cli.Program, o *pullCommand, reference string) error {
	from, err := modelstore.Parse(reference)
	if err != nil {
		return cli.Usagef("%v", err)
	}
	if err := o.check(); err != nil {
		return err
	}
	undo, err := wholefile.MakeFolderUndoably(o.out)
	if err != nil {
		return err
	}
	defer undo()                                   // which leaves a folder with models
	staging, err := os.MkdirTemp(o.out, ".pull-*") // servers pass over names that begin with a dot
	if err != nil {
		return err
	}
	defer os.RemoveAll(staging)
	all, err := modelstore.Pull(ctx, from, staging, o.rules.MaxFileBytes)
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := o.admit(ctx, f); err != nil {
			return err
		}
	}
	for _, f := range all {
		target := o.target(f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.Rename(f.Path, target)); err != nil {
			return err
		}
		fmt.Fprintf(p.Stdout, "%s  sha256:%s\n", target, f.Digest)
	}
	fmt.Fprintf(p.Stderr, "langevin: %s of %s\n", phrase.Plural(len(all), "model file"), from)
	return nil
}

func (o *pullCommand) target(f modelstore.Pulled) string {
	return filepath.Join(o.out, filepath.FromSlash(f.Place))
}

// admit checks a file that was pulled, and that its place is free, has the same file, or may be overwritten.
func (o *pullCommand) admit(ctx context.Context, f modelstore.Pulled) error {
	r := o.checkFile(ctx, f.Path)
	if r.OK && r.Name != filepath.Dir(filepath.Dir(f.Place)) {
		r.OK, r.Error = false, fmt.Sprintf("its manifest names it %q", r.Name)
	}
	if !r.OK {
		return fmt.Errorf("%s cannot be served: %s", f.Place, r.Error)
	}
	if there, err := o.rules.ReadFile(o.target(f)); err == nil && digestOf(there) == f.Digest {
		return nil
	}
	return checkFree(o.target(f), o.overwrite, "another --out")
}

// Package installer has the command onnxruntime, which installs the library that evaluates networks.
package installer

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/onnxruntime"
	"github.com/langevin-ml/langevin/ort"
)

// Command returns the command onnxruntime.
func Command(p *cli.Program) *cobra.Command {
	c := &cobra.Command{
		Use:   "onnxruntime",
		Short: "Install the library that evaluates networks",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(install(p))
	return c
}

func install(p *cli.Program) *cobra.Command {
	var device string
	i := onnxruntime.Installation{
		Lock: onnxruntime.Pinned(), Platform: onnxruntime.Here(),
		Say: func(format string, args ...any) { fmt.Fprintf(p.Stderr, "langevin: "+format+"\n", args...) },
	}
	c := &cobra.Command{
		Use:   "install",
		Short: "Download ONNX Runtime and check it",
		Long: `Install downloads ONNX Runtime ` + ort.Version + ` into the user's cache folder, where every command
finds it. It refuses any file whose SHA-256 is not the one that Langevin was released with. If the
library is there and whole, it downloads nothing; a damaged one is replaced. It prints the path.

The library comes from the npm package if npm is installed, and else from the release archive. Without
a network, download one of them elsewhere and give it with --from.

With --device cuda it installs the build with the CUDA provider, from a Python wheel that pip downloads
(Linux on x86-64). CUDA ` + cuda() + `, cuDNN ` + cudnn() + ` and the driver must be there: see langevin doctor.
Commands use it only where LANGEVIN_ONNXRUNTIME_LIBRARY or --onnxruntime-library names it.`,
		Example: `  langevin onnxruntime install
  langevin onnxruntime install --from onnxruntime-linux-x64-` + ort.Version + `.tgz     without a network
  export LANGEVIN_ONNXRUNTIME_LIBRARY=$(langevin onnxruntime install --device cuda)`,
		RunE: func(c *cobra.Command, _ []string) error {
			switch device {
			case ort.DeviceCPU:
			case ort.DeviceCUDA:
				i.CUDA = true
			default:
				return cli.Usagef("--device is %q: want cpu or cuda", device)
			}
			for _, name := range []string{"from", "folder"} {
				if f := c.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
					return cli.Usagef("--%s is empty: want a path", name)
				}
			}
			if i.Folder == "" {
				folder, err := ort.CacheFolder()
				if err != nil {
					return fmt.Errorf("install ONNX Runtime: %w: name a folder with --folder", err)
				}
				i.Folder = folder
			}
			path, err := i.Install(c.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(p.Stdout, path)
			return nil
		},
	}
	c.Flags().StringVar(&device, "device", ort.DeviceCPU, "what networks run on: cpu or cuda")
	c.Flags().StringVar(&i.From, "from", "", "a file that was downloaded elsewhere")
	c.Flags().StringVar(&i.Folder, "folder", "",
		"folder for all versions (default: langevin/onnxruntime in the user's cache)")
	return c
}

func cuda() string  { return onnxruntime.Pinned()["linux-amd64.gpu.cuda"] }
func cudnn() string { return onnxruntime.Pinned()["linux-amd64.gpu.cudnn"] }

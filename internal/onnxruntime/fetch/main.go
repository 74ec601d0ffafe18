// Fetch installs the pinned ONNX Runtime library for make, which has no program yet. It is langevin onnxruntime install
// without the rest of the program.
//
//	go run ./internal/onnxruntime/fetch [-cuda] [-from FILE] FOLDER
//
// It prints the path of the library.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/langevin-ml/langevin/internal/onnxruntime"
)

func main() {
	i := onnxruntime.Installation{Lock: onnxruntime.Pinned(), Platform: onnxruntime.Here(), Say: say}
	flag.BoolVar(&i.CUDA, "cuda", false, "the build with the CUDA provider")
	flag.StringVar(&i.From, "from", "", "a file that was downloaded elsewhere")
	flag.Parse()
	i.Folder = flag.Arg(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	path, err := i.Install(ctx)
	stop()
	if err != nil {
		say("%v", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, path)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

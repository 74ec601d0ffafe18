// Fetch obtains the datasets of datasets.lock for make: all of them, or the named ones.
//
//	go run ./internal/datasets/fetch [-lock FILE] [-folder FOLDER] [NAME...]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/langevin-ml/langevin/internal/datasets"
	"github.com/langevin-ml/langevin/internal/pinned"
)

func main() {
	lock := flag.String("lock", "datasets.lock", "the file with what is pinned")
	folder := flag.String("folder", "data", "where the datasets go")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := fetch(ctx, *lock, *folder, flag.Args())
	stop()
	if err != nil {
		say("%v", err)
		os.Exit(1)
	}
}

func fetch(ctx context.Context, lock, folder string, names []string) error {
	text, err := os.ReadFile(lock)
	if err != nil {
		return err
	}
	c := datasets.Collection{Lock: pinned.Parse(string(text)), Folder: folder, Say: say}
	if len(names) == 0 {
		names = c.Names()
	}
	return c.Obtain(ctx, names...)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "datasets: "+format+"\n", args...) }

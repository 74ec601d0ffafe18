package about

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/langevin-ml/langevin/client"
	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/internal/remote"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/training"
)

// completionPatience is how long a shell waits for a server's models before it is offered the built-in ones.
const completionPatience = time.Second

// AddCompletion registers what shells complete in all commands below root: models and presets as arguments, the words
// of flags that take one of a few, and the endings of files.
func AddCompletion(p *cli.Program, root *cobra.Command) {
	for _, c := range cli.AllCommands(root) {
		switch {
		case c.ValidArgsFunction != nil || len(c.ValidArgs) > 0:
		case strings.Contains(c.Use, "MODEL") || c.Parent() != nil && c.Parent().Name() == "models" &&
			strings.Contains(c.Use, "NAME"):
			c.ValidArgsFunction = modelCompletion(p)
		case strings.Contains(c.Use, "PRESET"):
			c.ValidArgsFunction = completePreset
		case c.HasParent() && !c.HasSubCommands() && !strings.Contains(c.Use, "FILE"):
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { completeFlag(p, c, f) })
	}
}

// completeFlag registers what may follow a flag, unless that is registered already.
func completeFlag(p *cli.Program, c *cobra.Command, f *pflag.Flag) {
	if _, registered := c.GetFlagCompletionFunc(f.Name); registered {
		return
	}
	complete := cobra.NoFileCompletions
	if word, ok := f.Value.(interface{ Choices() []string }); ok {
		complete = cobra.FixedCompletions(word.Choices(), cobra.ShellCompDirectiveNoFileComp)
	} else {
		switch kind, usage := pflag.UnquoteUsage(f); {
		case f.Name == "guide":
			complete = modelCompletion(p)
		case f.Name == "log-format":
			complete = cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)
		case f.Name == "log-level":
			complete = cobra.FixedCompletions([]string{"debug", "info", "warn", "error"},
				cobra.ShellCompDirectiveNoFileComp)
		case f.Name == "device":
			complete = cobra.FixedCompletions([]string{"cpu", "cuda", "auto"}, cobra.ShellCompDirectiveNoFileComp)
		case f.Name == "out" && strings.Contains(usage, ".csv"):
			complete = cobra.FixedCompletions([]string{"csv", "npy", "png", "gif"},
				cobra.ShellCompDirectiveFilterFileExt)
		case kind == "FILE" && strings.HasPrefix(usage, "FILE.npy"):
			complete = cobra.FixedCompletions([]string{"npy"}, cobra.ShellCompDirectiveFilterFileExt)
		case takesFile(f):
			return // shells complete the names of files
		}
	}
	_ = c.RegisterFlagCompletionFunc(f.Name, complete) // fails for flags that do not exist or are registered
}

// takesFile reports whether a flag names a file or folder.
func takesFile(f *pflag.Flag) bool {
	kind, _ := pflag.UnquoteUsage(f)
	return slices.Contains([]string{"FILE", "DIR", "FOLDER", "PATH"}, kind) ||
		slices.ContainsFunc([]string{"out", "dir", "file", "library", "config", "data", "state", "resume"},
			func(word string) bool {
				return f.Name == word || strings.HasSuffix(f.Name, "-"+word)
			})
}

// modelCompletion offers the models of the server that the command line names, or the built-in ones if none answers.
func modelCompletion(p *cli.Program) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return modelNames(p, remote.ConnectionOf(c.Flags())), cobra.ShellCompDirectiveNoFileComp
	}
}

// modelNames returns the models of a server with their descriptions, or the built-in ones if it does not answer in
// time.
func modelNames(p *cli.Program, o remote.Connection) []string {
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	var names []string
	err := o.Use(ctx, p, func(ctx context.Context, remote *client.Client) error {
		for m, err := range remote.Models(ctx) {
			if err != nil {
				return err
			}
			described := m.Name + "\t" + m.Description
			if m.State != client.ModelFailed && !slices.Contains(names, described) {
				names = append(names, described)
			}
		}
		return nil
	})

	if err != nil {
		names = builtIn()
	}
	return names
}

// builtIn returns the names and the descriptions of the built-in models.
func builtIn() []string {
	repo, err := models.NewRepository(models.Zoo(), "", models.Rules{})
	if err != nil {
		return nil
	}
	defer repo.Close()
	entries, _ := repo.List()
	var names []string
	for _, e := range entries {
		names = append(names, fmt.Sprintf("%s\t%s", e.Name, e.Manifest.Description))
	}
	return slices.Compact(names)
}

func completePreset(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return training.Presets(), cobra.ShellCompDirectiveDefault
}

package cli

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/phrase"
)

// AnyNumber is the most arguments of a command that takes any number of them.
const AnyNumber = math.MaxInt

// Arguments returns the check of a command that takes a number of arguments. [Program.Run] gives Arguments(0, 0) to
// commands without a check of their own.
func Arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch n := len(args); {
		case n > most:
			return fmt.Errorf("%.80q is one argument too many: want %s", args[most], argumentsOf(c))
		case n == 0 && least > 0:
			return fmt.Errorf("no argument is given: want %s", argumentsOf(c))
		case n < least:
			return fmt.Errorf("only %s: want %s", phrase.Plural(n, "argument"), argumentsOf(c))
		}
		return nil
	}
}

// argumentsOf returns the arguments in a command's line of usage. They are the words before the first flag, without
// the name of the command.
func argumentsOf(c *cobra.Command) string {
	usage := strings.TrimPrefix(c.Use, c.Name())
	for _, flag := range []string{" -", "[-"} {
		usage, _, _ = strings.Cut(usage, flag)
	}
	return cmp.Or(strings.Trim(usage, " |"), "none")
}

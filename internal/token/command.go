// Package token has the command token, which makes bearer tokens.
package token

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/langevin-ml/langevin/internal/cli"
	"github.com/langevin-ml/langevin/server/auth"
)

// Command returns the command token.
func Command(p *cli.Program) *cobra.Command {
	var scopes []string
	var file string
	c := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a bearer token and the line that admits it",
		Long: `Token makes a token for its owner NAME, prints it once, and appends the line that admits it to the
file that serve reads with --auth-tokens. The file has the token's hash and not the token. A running
server reads the file again when it changes; deleting a line ends its token.

Without --file the line goes to the standard error, to be put where the server's file is.`,
		Example: `  langevin token alice --file tokens                       may sample
  langevin token operator --scope sample,admin --file tokens   may load models too
  langevin serve --auth-tokens tokens`,
		Args: cli.Arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error { return run(p, args[0], scopes, file) },
	}
	c.Flags().StringSliceVar(&scopes, "scope", []string{string(auth.ScopeSample)}, "what it allows: sample, admin")
	c.Flags().StringVar(&file, "file", "", "the server's file of tokens, made if it is not there")
	return c
}

func run(p *cli.Program, name string, scopes []string, file string) error {
	if err := auth.CheckName(name); err != nil {
		return cli.Usagef("%v", err)
	}
	var allowed []auth.Scope
	for _, text := range scopes {
		scope, err := auth.ParseScope(text)
		if err != nil {
			return cli.Usagef("%v", err)
		}
		allowed = append(allowed, scope)
	}
	token, line := auth.NewToken(name, allowed...)
	if file == "" {
		fmt.Fprintln(p.Stderr, line)
	} else if err := appendLine(file, line); err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout, token)
	return nil
}

// appendLine adds a line to a file. It makes the file if there is none, so that only its owner may read it.
func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return errors.Join(err, f.Close())
}

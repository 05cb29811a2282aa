package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) repoCommand() *cobra.Command {
	var iteration int
	cmd := &cobra.Command{
		Use:   "repo NAME",
		Short: "Print the section for pacman.conf that makes pacman use the result",
		Long: `Prints the section for pacman.conf whose address follows the newest complete
iteration of a buildspace, or the repository of one iteration, and how to upgrade
with it.`,
		Example: `  bbtw repo curl-openssl-4                 # follows the newest complete iteration
  bbtw repo curl-openssl-4 --iteration 2   # stays with this one`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			it, err := c.Iteration(cmd.Context(), args[0], iteration)
			if err != nil {
				return err
			}
			list := it.Repository
			words := fmt.Sprintf("The repository of iteration %d.", it.Number)
			switch {
			case iteration != api.Latest:
			case it.Latest != nil:
				list = it.Latest.Repository
				words = fmt.Sprintf("This follows the newest complete iteration, which is %d now.", it.Latest.Iteration)
			default:
				words += " No iteration is complete yet: it grows with its builds."
			}
			if a.json {
				return a.printJSON(list)
			}
			if len(list) == 0 {
				return errors.New("this iteration has no repository: it has no builds")
			}
			fmt.Fprintf(a.out, "# %s\n", words)
			if err := a.printSections(list); err != nil || it.Upgrade == nil {
				return err
			}
			for _, line := range wrap(it.Upgrade.Words, repoWidth) {
				fmt.Fprintf(a.out, "# %s\n", line)
			}
			_, err = fmt.Fprintf(a.out, "#   %s\n", it.Upgrade.Command)
			return err
		},
	}
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	cli.Number(cmd.Flags(), &iteration, "iteration", api.Latest, 0, cli.Many, "number of the iteration (default: the newest complete one, whichever that is)")
	return cmd
}

// repoWidth is how long lines of comments in pacman.conf get.
const repoWidth = 80

// wrap breaks text into lines of at most so many bytes, between words.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// printSections prints every section once: with $arch in its URL one serves all
// architectures.
func (a *app) printSections(list []api.ArchRepository) error {
	printed := map[string]bool{}
	for _, r := range list {
		if printed[r.PacmanConf] {
			continue
		}
		printed[r.PacmanConf] = true
		if _, err := fmt.Fprintln(a.out, r.PacmanConf); err != nil {
			return err
		}
	}
	return nil
}

package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand returns the command that writes the man pages of a program, one for each of
// its commands, to a directory. It is for whoever packages the program, and not in its help.
// The date in the pages is SOURCE_DATE_EPOCH's, if that is set.
func manCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIRECTORY",
		Short:   "Write the man pages of this program to a directory",
		Example: "  " + root.Name() + " man /usr/share/man/man1",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			header := &doc.GenManHeader{Section: "1", Source: root.Name() + " " + version, Manual: "buildbtw"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write the man pages: %w", err)
			}
			return nil
		},
	}
}

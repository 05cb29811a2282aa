package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"buildbtw/store"
)

func backupCommand() *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a consistent copy of the database, also while the server runs",
		Long: `Writes a consistent copy of the database to FILE, which must not exist yet. The
server may go on running. Packages, logs and sources are plain files in the data
directory and can be copied by any means; a package is never changed in place.`,
		Example: "  buildbtw backup --data-dir /var/lib/buildbtw /backup/buildbtw-$(date +%F).sqlite",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := store.Backup(cmd.Context(), databasePath(dataDir), args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "Written:", args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "./data", "directory for everything the server keeps")
	return cmd
}

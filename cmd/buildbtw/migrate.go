package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"buildbtw/store"
)

func migrateCommand() *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database up to date and exit",
		Long: `Brings the database in the data directory up to date. "serve" does the same at
its start; this command is for those who want to see it done, or to fail, first.`,
		Example: "  buildbtw migrate --data-dir /var/lib/buildbtw",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkDataDir(dataDir, slog.Default()); err != nil {
				return err
			}
			s, err := store.Open(cmd.Context(), databasePath(dataDir), store.Options{})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The database is up to date.")
			return errors.Join(err, s.Close())
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "./data", "directory for everything the server keeps")
	return cmd
}

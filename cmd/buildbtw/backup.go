package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"buildbtw/backup"
	"buildbtw/cmd/internal/cli"
	"buildbtw/store"
)

func backupCommand() *cobra.Command {
	var dataDir string
	var keep int
	var verify, databaseOnly bool
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Back the data directory up, also while the server runs",
		Long: `Writes a backup of the data directory, database and files, into a new subdirectory of
DIR, named by its time. The server may go on running. Files that did not change since
the backup before are hard links to it, so that a backup takes little time and space;
each is whole by itself and can be removed with rm -r.

A backup appears under its name when all of it is on the disk. Its file MANIFEST has the
digest of every file; --verify reads the newest backup in DIR, or a backup DIR, and
compares. 'buildbtw restore' makes a data directory of it.

The database has digests of tokens and who did what: only its owner can read a backup.
Files outside of the data directory, such as those with tokens, are not in it.`,
		Example: `  buildbtw backup --data-dir /var/lib/buildbtw/data --keep 14 /backup/buildbtw
  buildbtw backup --verify /backup/buildbtw
  buildbtw backup --database-only --data-dir /var/lib/buildbtw/data /backup/buildbtw-$(date +%F).sqlite`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			o := backup.Options{Keep: keep, Version: cli.Version(), Progress: printProgress(cmd.ErrOrStderr())}
			switch {
			case verify && databaseOnly:
				return cli.Usage(errors.New("--verify reads backups of whole data directories; leave out --database-only"))
			case verify:
				s, err := backup.Verify(cmd.Context(), args[0], o)
				printLeft(cmd.ErrOrStderr(), s)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(out, "Whole: %s, %d files, %s\n", s.Dir, s.Files, humanize.IBytes(uint64(s.Bytes)))
				return err
			case databaseOnly:
				if err := store.Backup(cmd.Context(), databasePath(dataDir), args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintln(out, "Written:", args[0])
				return err
			}
			s, err := backup.Write(cmd.Context(), dataDir, args[0], o)
			printLeft(cmd.ErrOrStderr(), s)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "Written: %s, %d files, %s; %d of them new or changed, %s\n",
				s.Dir, s.Files, humanize.IBytes(uint64(s.Bytes)), s.Copied, humanize.IBytes(uint64(s.CopiedBytes)))
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dataDir, "data-dir", "./data", "directory for everything the server keeps")
	cli.Number(flags, &keep, "keep", 0, 0, cli.Many, "remove the oldest backups in DIR until so many are left; 0 keeps all")
	flags.BoolVar(&verify, "verify", false, "write nothing, but read the newest backup in DIR, or the backup DIR, and compare it with its manifest")
	flags.BoolVar(&databaseOnly, "database-only", false, "copy only the database, to a file instead of a directory")
	return cmd
}

func restoreCommand() *cobra.Command {
	var dataDir string
	var replace bool
	cmd := &cobra.Command{
		Use:   "restore DIR",
		Short: "Make a data directory of a backup",
		Long: `Makes a data directory of the newest backup in DIR, or of the backup DIR. The server
must not run. Every file is compared with the manifest on the way; files of the backup that
are damaged are named and left out.

What happened after the backup is unknown to the server then: builds that were running are
built again, and tokens that were revoked since are valid again.`,
		Example: `  buildbtw restore --data-dir /var/lib/buildbtw/data /backup/buildbtw
  buildbtw restore --data-dir /var/lib/buildbtw/data --replace /backup/buildbtw/20261201T020000.000Z`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := backup.Find(args[0])
			if err != nil {
				return err
			}
			out, now := cmd.OutOrStdout(), time.Now()
			version := ""
			if found.Version != "" {
				version = ", by buildbtw " + found.Version
			}
			if _, err := fmt.Fprintf(out, "Restoring %s: made %s (%s)%s, schema %d, %d files\n", found.Dir,
				found.Made.UTC().Format("2006-01-02 15:04:05 UTC"), humanize.RelTime(found.Made, now, "ago", "from now"), version, found.Schema, found.Total); err != nil {
				return err
			}
			s, err := backup.Restore(cmd.Context(), found.Dir, dataDir, backup.Options{Replace: replace, Progress: printProgress(cmd.ErrOrStderr())})
			if err != nil {
				return err
			}
			if s.Aside != "" {
				if _, err := fmt.Fprintf(out, "What was there before is in %s; remove it when you do not need it any more.\n", s.Aside); err != nil {
					return err
				}
			}
			if _, err := fmt.Fprintf(out, "Restored: %s, %d files, %s. Start the server; its log says what is missing.\n", dataDir, s.Files, humanize.IBytes(uint64(s.Bytes))); err != nil {
				return err
			}
			if printLeft(cmd.ErrOrStderr(), s); len(s.Left) > 0 {
				return errors.New("files of the backup are damaged and were left out; the server can be started")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dataDir, "data-dir", "./data", "directory for everything the server keeps")
	flags.BoolVar(&replace, "replace", false, "move what is in the data directory into a subdirectory of it first")
	return cmd
}

// printPeriod is the time between two lines of progress.
const printPeriod = 5 * time.Second

// printProgress returns a function that prints how far a backup is, from time to time.
func printProgress(w io.Writer) func(backup.Progress) {
	last := time.Now()
	return func(p backup.Progress) {
		if time.Since(last) < printPeriod {
			return
		}
		last = time.Now()
		total := ""
		if p.Total > 0 {
			total = fmt.Sprintf(" of %d", p.Total)
		}
		// A terminal that is gone is no reason to stop.
		_, _ = fmt.Fprintf(w, "%d%s files, %s; %s copied\n", p.Files, total, humanize.IBytes(uint64(p.Bytes)), humanize.IBytes(uint64(p.CopiedBytes)))
	}
}

func printLeft(w io.Writer, s backup.Summary) {
	for _, words := range s.Left {
		_, _ = fmt.Fprintln(w, "Note:", words) // likewise
	}
}
